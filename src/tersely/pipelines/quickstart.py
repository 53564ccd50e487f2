"""`tersely quickstart`: a chain of tersely's own commands, run as processes; resumable because each of them is.

base -> for each alpha: train -> evaluate -> report. Two single-thread processes side by side use two cores better
than one process with two threads. A base that was given is only read: its evaluation goes beside the runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tersely.config import TrainConfig, assemble
from tersely.evaluation.protocol import EvalProtocol
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own, usual_jobs
from tersely.pipelines.look_ahead import look_at_evaluation, look_at_training
from tersely.runs.identity import is_run_folder
from tersely.runs.manifest import step_folders
from tersely.stop import StopRequest
from tersely.tasks import load_task
from tersely.terminal import make_console, say
from tersely.toy.shipped import SHIPPED_BASE

TASK = "arithmetic"
SAMPLES = 2
"""Responses to each held-out problem."""
TWO_ACCURACIES = (
    "The base is less accurate where it is made and in its runs' first steps than here: there it answers at "
    "temperature 1, as in training, here at 0.6, where fewer slips are drawn."
)
"""Why one model has several accuracies."""
GIVEN = "evaluations"
"""Folder for the evaluation of a base that was given."""


def quickstart(
    out: Path,
    alphas: Sequence[float],
    *,
    seed: int,
    base: Path | None,
    steps: int | None,
    size: int,
    jobs: int | None,
) -> tuple[Path, list[Path]]:
    """Everything under ``out``; prints the table. Returns the base as the report reads it, and the runs."""
    jobs = jobs or usual_jobs()
    made = base is None
    base, runs = base or out / "base", [out / f"alpha-{alpha:g}" for alpha in alphas]
    plan = QuickstartPlan(out, seed, steps, size)
    plan.look(base, dict(zip(runs, alphas, strict=True)), made)
    require_own(out, "quickstart")
    console = make_console(stderr=True)
    console.print(f"quickstart in {out}: base, {len(runs)} runs, evaluation, report ({jobs} processes)")
    with StopRequest() as stop:
        runner = Runner(out / "logs", console, stop, commands=int(made) + 2 * len(runs) + 2)
        if made:
            runner.run([CommandChain((plan.base(base),))], 1)
        trained = [(plan.train(base, run, a), plan.evaluate(run)) for run, a in zip(runs, alphas, strict=True)]
        measured = plan.evaluate(base) if made else plan.evaluate_given(base)
        runner.run([CommandChain(commands) for commands in (*trained, (measured,))], jobs)
        base = base if made else plan.given(base)
        runner.run([CommandChain((plan.report(base, runs, [c.text for c in runner.started]),))], 1)
    from tersely.evaluation.table import print_table

    print_table([(base.name, measured.log.parent), *((run.name, run / "evaluation" / TASK) for run in runs)])
    say(TWO_ACCURACIES)
    return base, runs


def tiny_recipe() -> TrainConfig:
    """The recipe of every quickstart, whatever model it is given."""
    return assemble("tiny", {"model": "base", "task": TASK})


@dataclass(frozen=True, slots=True)
class QuickstartPlan:
    """The commands of one quickstart."""

    out: Path
    seed: int
    steps: int | None
    size: int
    recipe: TrainConfig = field(default_factory=tiny_recipe)

    def config(self, base: Path, alpha: float) -> TrainConfig:
        """Of the run with this alpha, as its command says it."""
        steps = {} if self.steps is None else {"run": {"steps": self.steps}}
        given = {"model": str(base), "task": TASK, "seed": self.seed, "objective": {"alpha": alpha}, **steps}
        return assemble("tiny", given)

    def look(self, base: Path, alphas: Mapping[Path, float], made: bool) -> None:
        """UserError for whatever a command of the chain would refuse; nothing is written. ``alphas``: by run folder."""
        load_task(TASK, "held_out", self.size)
        begun = any(is_run_folder(run) for run in alphas)
        unknown = not made and base != SHIPPED_BASE
        if not unknown and not (begun and (not made or step_folders(base))):
            return
        protocol = EvalProtocol(TASK, self.size, SAMPLES, self.cap, template=self.recipe.template)
        look_at_training({run: self.config(base, alpha) for run, alpha in alphas.items()}, protocol)
        place = None if made else self.given(base)
        look_at_evaluation(base, protocol, place, measured_as_its_runs=True)

    @property
    def cap(self) -> int:
        """One for base and family, whatever each was made with: other caps would be another protocol."""
        return self.recipe.sampling.max_new_tokens

    def base(self, base: Path) -> Command:
        arguments = ["base", "--out", str(base), "--seed", str(self.seed)]
        return Command("base", tuple(arguments), base / "journal.jsonl")

    def train(self, base: Path, run: Path, alpha: float) -> Command:
        arguments = ["train", "--recipe", "tiny", "--model", str(base), "--task", TASK, "--alpha", f"{alpha:g}"]
        arguments += ["--seed", str(self.seed), "--out", str(run)]
        if self.steps is not None:
            arguments += ["--steps", str(self.steps)]
        return Command(
            f"train {run.name}", tuple(arguments), run / "journal.jsonl", self.steps or self.recipe.run.steps
        )

    def evaluate(self, run: Path) -> Command:
        arguments = ["evaluate", str(run), "--task", TASK, "--size", str(self.size), "--k", str(SAMPLES)]
        arguments += ["--max-new-tokens", str(self.cap), "--threads", "1"]
        log = run / "evaluation" / TASK / "responses.jsonl"
        return Command(f"evaluate {run.name}", tuple(arguments), log, self.size * SAMPLES)

    def given(self, base: Path) -> Path:
        """Where the evaluation of a base that was given goes: its own folder is not ours to write to."""
        return self.out / GIVEN / base.resolve().name

    def evaluate_given(self, base: Path) -> Command:
        command = self.evaluate(base)
        as_its_runs = ("--template", self.recipe.template, "--other-template", "--other-verifier")
        arguments = (*command.arguments, *as_its_runs, "--out", str(self.out / GIVEN))
        log = self.given(base) / TASK / "responses.jsonl"
        return replace(command, title="evaluate base", arguments=arguments, log=log)

    def report(self, base: Path, runs: Sequence[Path], commands: Sequence[str]) -> Command:
        arguments = ["report", *map(str, runs), "--base", str(base), "--out", str(self.out / "report")]
        for text in commands:
            arguments += ["--command", text]
        return Command("report", tuple(arguments), self.out / "report" / "none.jsonl")
