"""`tersely ablate NAME`: one question about the method, answered by runs that differ in one thing alone.

An ablation is a named selection of variants; ``pipelines.variants`` makes them and the page that compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from tersely.analysis.population import check, check_strategies, standardised
from tersely.errors import require_known
from tersely.objective import Objective
from tersely.pipelines.chain import Slots, require_own, usual_jobs
from tersely.pipelines.variants import RunPlan, Variant, make_all
from tersely.terminal import make_console


@dataclass(frozen=True, slots=True)
class Ablation:
    """A question, the alpha it is asked at, and the runs that answer it."""

    question: str
    alpha: float
    variants: tuple[Variant, ...]


ABLATIONS = {
    "normalize": Ablation(
        "does dividing advantages by a deviation collapse length and accuracy? (arXiv 2502.04463, section 5.4)",
        0.05,
        tuple(Variant(f"normalize-{name}", (f"objective.normalize={name}",)) for name in ("none", "batch", "group")),
    ),
    "averaging": Ablation(
        "does length fall without a penalty, and is the loss's averaging the cause? (Liu et al. 2025, Dr. GRPO)",
        0.0,
        tuple(Variant(f"averaging-{n}", (f"learner.averaging={n}",)) for n in ("sequence", "token", "constant")),
    ),
    "kl": Ablation(
        "what does the KL term do, in the reward or in the loss?",
        0.1,
        (
            Variant("kl-off", ("learner.kl_coefficient=0",)),
            Variant("kl-reward", ("learner.kl_in=reward",)),
            Variant("kl-loss", ("learner.kl_in=loss",)),
        ),
    ),
    "n": Ablation(
        "how many siblings does the length statistic need? The same number of responses each iteration",
        0.1,
        (
            Variant("n-4", ("sampling.n=4", "sampling.prompts={responses/4}")),
            Variant("n-8", ("sampling.n=8", "sampling.prompts={responses/8}")),
            Variant("n-16", ("sampling.n=16", "sampling.prompts={responses/16}")),
        ),
    ),
    "rounds": Ablation(
        "what does a second round on the result of a first add, beside one round as long as both?",
        0.1,
        (
            Variant("round-1"),
            Variant("round-2", after="round-1"),
            Variant("one-long-round", ("run.steps={2*steps}",)),
        ),
    ),
}


def ablate(name: str, plan: RunPlan, *, jobs: int | None) -> Path:
    """Train and evaluate every variant of an ablation under ``plan.out``, and the base; returns the page over them."""
    require_known("ablation", name, ABLATIONS)
    ablation = ABLATIONS[name]
    finished = plan.look(ablation.variants)
    require_own(plan.out, "this command")
    make_console(stderr=True).print(f"{name}: {ablation.question}")
    return make_all(ablation.variants, plan, finished, Slots(jobs or usual_jobs()))


def print_population() -> None:
    """The paper's population-level claim, computed exactly (``analysis.population``); nothing is trained."""
    policy, correct, tokens = [0.02, 0.18, 0.5, 0.1, 0.2], [1, 1, 1, 0, 0], [20, 60, 120, 10, 90]
    console = make_console(120)
    table = Table(title="One prompt, five responses, groups of 8: where exact policy gradient with alpha 0.2 ends")
    for column in ("objective", "accuracy", "tokens", "chance of the shortest correct response"):
        table.add_column(column, justify="left" if column == "objective" else "right")
    for found in check(policy, correct, tokens, alpha=0.2, n=8, steps=2000):
        table.add_row(found.name, f"{found.accuracy:.4f}", f"{found.length:.1f}", f"{found.shortest:.4f}")
    console.print(table)
    table = Table(title="Two ways to answer: 100 tokens, right 95 %; 20 tokens, right as often as said; alpha 0.05")
    for column in ("right, short way", "normalize", "accuracy at the end", "tokens", "chance of the short way"):
        table.add_column(column, justify="right")
    for right in (0.9, 0.8, 0.7, 0.6, 0.5):
        for normalize in ("none", "group"):
            credit = standardised(Objective(0.05, normalize=normalize))
            end = check_strategies([0.9, 0.1], [0.95, right], [100, 20], credit, n=8, steps=2000)
            numbers = (f"{end.accuracy:.3f}", f"{end.length:.1f}", f"{end.shortest:.3f}")
            table.add_row(f"{right:.0%}", normalize, *numbers)
    console.print(table)
