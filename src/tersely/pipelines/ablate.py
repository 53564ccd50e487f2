"""`tersely ablate NAME`: one question about the method, answered by runs that differ in one thing alone.

For each variant: train -> evaluate, as processes of tersely itself; then one page that compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from tersely.analysis.population import check, check_strategies, standardised
from tersely.config import TrainConfig, assemble
from tersely.errors import UserError, require_known
from tersely.evaluation.protocol import EvalProtocol
from tersely.objective import Objective
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own, usual_jobs
from tersely.pipelines.look_ahead import look_at_evaluation, look_at_training
from tersely.stop import StopRequest
from tersely.terminal import make_console


@dataclass(frozen=True, slots=True)
class Variant:
    """One run of an ablation: its name and the settings that make it what it is."""

    name: str
    settings: tuple[str, ...] = ()
    after: str | None = None
    """The variant whose result it is trained from; None is the base."""


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


@dataclass(frozen=True, slots=True)
class AblationPlan:
    """What every run of an ablation has in common."""

    model: str
    task: str
    held_out: str
    recipe: str | None
    alpha: float
    seed: int
    size: int | None
    k: int
    settings: tuple[str, ...]
    out: Path

    def common(self) -> list[str]:
        """Options of `tersely train` that all variants share."""
        options = ["--task", self.task, "--alpha", f"{self.alpha:g}", "--seed", str(self.seed)]
        options += ["--recipe", self.recipe] if self.recipe else []
        return options + [word for setting in self.settings for word in ("--set", setting)]

    def config(self, variant: Variant | None = None) -> TrainConfig:
        """Of a variant; None: of the run that every variant departs from."""
        given = {"model": self.model, "task": self.task, "seed": self.seed, "objective": {"alpha": self.alpha}}
        own = [] if variant is None else [self.filled(setting) for setting in variant.settings]
        return assemble(self.recipe, given, [*self.settings, *own])

    @property
    def protocol(self) -> EvalProtocol:
        """How base and variants are measured, whatever each was made with: other terms could not be compared."""
        config = self.config()
        cap = config.sampling.max_new_tokens
        return EvalProtocol(self.held_out, self.size, self.k, cap, template=config.template)

    def look(self, variants: Sequence[Variant]) -> None:
        """UserError for whatever a command of the chain would refuse; nothing is written."""
        config, protocol = self.config(), self.protocol
        from_base = [(self.out / v.name, self.config(v)) for v in variants if v.after is None]
        look_at_training(config, from_base, protocol)
        look_at_evaluation(Path(self.model), protocol, self.base, config.verifier, measured_as_its_runs=True)

    def sizes(self) -> tuple[int, int, int]:
        """(responses an iteration, iterations, cap) of that run."""
        config = self.config()
        return config.sampling.prompts * config.sampling.n, config.run.steps, config.sampling.max_new_tokens

    def filled(self, setting: str) -> str:
        """A variant's setting with the placeholders that depend on the recipe filled in."""
        responses, steps, _ = self.sizes()
        for n in (4, 8, 16):
            place = f"{{responses/{n}}}"
            if place in setting and responses % n:
                raise UserError(
                    f"{responses} responses an iteration cannot be cut into groups of {n}: make sampling.prompts a "
                    "multiple of 2 with 8 responses per problem"
                )
            setting = setting.replace(place, str(responses // n))
        return setting.replace("{2*steps}", str(2 * steps))

    def train(self, variant: Variant) -> Command:
        run = self.out / variant.name
        model = self.model if variant.after is None else str(self.out / variant.after)
        settings = [word for setting in variant.settings for word in ("--set", self.filled(setting))]
        arguments = ["train", "--model", model, *self.common(), *settings, "--out", str(run)]
        steps = self.sizes()[1] * (2 if any("{2*steps}" in s for s in variant.settings) else 1)
        return Command(f"train {variant.name}", tuple(arguments), run / "journal.jsonl", steps)

    def evaluate(self, run: Path) -> Command:
        arguments = ["evaluate", str(run), "--task", self.held_out, "--k", str(self.k), "--threads", "1"]
        config = self.config()
        arguments += ["--max-new-tokens", str(config.sampling.max_new_tokens), "--template", config.template]
        arguments += ["--size", str(self.size)] if self.size is not None else []
        verifier = config.verifier
        arguments += ["--verifier", verifier] if verifier is not None else []
        log = run / "evaluation" / Path(self.held_out).stem / "responses.jsonl"
        return Command(f"evaluate {run.name}", tuple(arguments), log, self.size * self.k if self.size else None)

    def evaluate_base(self) -> Command:
        """Beside the variants, whatever the base's own folder holds: it may be of another protocol, or not ours."""
        command = self.evaluate(Path(self.model))
        log = self.base / Path(self.held_out).stem / "responses.jsonl"
        arguments = (*command.arguments, "--other-template", "--other-verifier", "--out", str(self.out))
        return replace(command, title="evaluate the base", arguments=arguments, log=log)

    @property
    def base(self) -> Path:
        """Where `tersely evaluate --out` puts the base's evaluation."""
        return self.out / Path(self.model).resolve().name

    def compare(self, runs: Sequence[Path]) -> Command:
        arguments = ["compare", *map(str, runs), "--base", str(self.base), "--out", str(self.out / "page")]
        return Command("compare", tuple(arguments), self.out / "page" / "none.jsonl")


def ablate(name: str, plan: AblationPlan, *, jobs: int | None) -> Path:
    """Train and evaluate every variant of an ablation under ``plan.out``, and the base; returns the page over them."""
    require_known("ablation", name, ABLATIONS)
    ablation = ABLATIONS[name]
    plan.look(ablation.variants)
    require_own(plan.out, "this command")
    console = make_console(stderr=True)
    console.print(f"{name}: {ablation.question}")
    with StopRequest() as stop:
        runner = Runner(plan.out / "logs", console, stop)
        runner.run([*chains(ablation.variants, plan), CommandChain((plan.evaluate_base(),))], jobs or usual_jobs())
        runner.run([CommandChain((plan.compare([plan.out / v.name for v in ablation.variants]),))], 1)
    return plan.out / "page" / "index.html"


def chains(variants: Sequence[Variant], plan: AblationPlan) -> list[CommandChain]:
    """One chain for each variant that starts at the base; those trained from its result follow in the same chain."""
    first: dict[str, str] = {}
    found: dict[str, list[Command]] = {}
    for variant in variants:
        first[variant.name] = variant.name if variant.after is None else first[variant.after]
        commands = found.setdefault(first[variant.name], [])
        commands += [plan.train(variant), plan.evaluate(plan.out / variant.name)]
    return [CommandChain(tuple(commands)) for commands in found.values()]


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
