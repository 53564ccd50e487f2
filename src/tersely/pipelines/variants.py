"""Runs from one base that differ in what they are named for: trained, measured alike, and compared on one page.

For each variant: train -> evaluate, as processes of tersely itself. Base, problems and the base's own evaluation are
shared; what is finished is not begun again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tersely.config import TrainConfig, assemble
from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol
from tersely.pipelines.chain import LOGS, Command, CommandChain, Runner, Slots
from tersely.pipelines.look_ahead import look_at_evaluation, look_at_training
from tersely.stop import StopRequest
from tersely.tasks.sources.embedded import EMBEDDED_TASKS
from tersely.terminal import make_console

PAGE = "page"
"""In the folder of the runs."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One run among others: its name and the settings that make it what it is."""

    name: str
    settings: tuple[str, ...] = ()
    after: str | None = None
    """The variant whose result it is trained from; None is the base."""


@dataclass(frozen=True)
class RunPlan:
    """What all variants have in common."""

    model: str
    task: str
    held_out: str
    recipe: str | None
    alpha: float | None
    """None leaves it to recipe and variants, as the next."""
    seed: int | None
    size: int | None
    k: int
    settings: tuple[str, ...]
    out: Path

    def common(self) -> list[str]:
        """Options of `tersely train` that all variants share."""
        options = ["--task", self.task]
        options += [] if self.alpha is None else ["--alpha", f"{self.alpha:g}"]
        options += [] if self.seed is None else ["--seed", str(self.seed)]
        options += ["--recipe", self.recipe] if self.recipe else []
        return options + [word for setting in self.settings for word in ("--set", setting)]

    def config(self, variant: Variant | None = None) -> TrainConfig:
        """Of a variant; None: of the run that every variant departs from."""
        given = {"model": self.model, "task": self.task, "seed": self.seed}
        told = {name: value for name, value in given.items() if value is not None}
        alpha = {} if self.alpha is None else {"objective": {"alpha": self.alpha}}
        own = [] if variant is None else [self.filled(setting) for setting in variant.settings]
        return assemble(self.recipe, {**told, **alpha}, [*self.settings, *own])

    @cached_property
    def common_config(self) -> TrainConfig:
        return self.config()

    @property
    def protocol(self) -> EvalProtocol:
        """How base and variants are measured, whatever each was made with: other terms could not be compared."""
        config = self.common_config
        cap = config.sampling.max_new_tokens
        return EvalProtocol(self.held_out, self.size, self.k, cap, template=config.template)

    def look(self, variants: Sequence[Variant]) -> set[str]:
        """Names of the commands that are finished. UserError for whatever one of them would refuse; nothing is
        written."""
        if self.base.name in (taken := {LOGS, PAGE, *(variant.name for variant in variants)}):
            raise UserError(
                f"the base's folder is called {self.base.name}, and {self.out} holds {', '.join(sorted(taken))}: "
                "rename the base"
            )
        config, protocol = self.common_config, self.protocol
        configs = {v.name: self.config(v) for v in variants if v.after is None}
        trained = look_at_training({self.out / name: its for name, its in configs.items()}, protocol)
        done = {f"train {run.name}" for run in trained}
        if look_at_evaluation(Path(self.model), protocol, self.base, config.verifier, measured_as_its_runs=True):
            done.add(BASE_TITLE)
        for run in trained:
            if look_at_evaluation(run, protocol, None, config.verifier):
                done.add(f"evaluate {run.name}")
        return done

    def sizes(self) -> tuple[int, int, int]:
        """(responses an iteration, iterations, cap) of that run."""
        config = self.common_config
        return config.sampling.prompts * config.sampling.n, config.run.steps, config.sampling.max_new_tokens

    def filled(self, setting: str) -> str:
        """A variant's setting with the placeholders that depend on the recipe filled in."""
        if "{" not in setting:
            return setting
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
        return Command(f"train {variant.name}", tuple(arguments), run / "journal.jsonl", self.config(variant).run.steps)

    def evaluate(self, run: Path) -> Command:
        arguments = ["evaluate", str(run), "--task", self.held_out, "--k", str(self.k), "--threads", "1"]
        config = self.common_config
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
        return replace(command, title=BASE_TITLE, arguments=arguments, log=log)

    @property
    def base(self) -> Path:
        """Where `tersely evaluate --out` puts the base's evaluation."""
        return self.out / Path(self.model).resolve().name

    def compare(self, runs: Sequence[Path], *options: str) -> Command:
        arguments = ["compare", *map(str, runs), "--base", str(self.base), "--out", str(self.out / PAGE), *options]
        return Command("compare", tuple(arguments), self.out / PAGE / "none.jsonl")


def plan_of(
    model: str,
    task: str,
    out: Path,
    *,
    held_out: str | None = None,
    recipe: str | None = None,
    alpha: float | None = None,
    seed: int | None = None,
    size: int | None = None,
    k: int = 2,
    settings: Sequence[str] = (),
) -> RunPlan:
    """What the runs have in common, with the usual of an embedded task where nothing is said. UserError where other
    problems are trained on and none are named to measure with."""
    embedded = EMBEDDED_TASKS.get(task)
    if held_out is None and embedded is None:
        raise UserError(f"{task} is what is trained on: name other problems to evaluate on with --held-out")
    return RunPlan(
        model=model,
        task=task,
        held_out=held_out or task,
        recipe=recipe or (embedded.recipe if embedded else None),
        alpha=alpha,
        seed=seed,
        size=size or (USUAL_SIZE if embedded else None),
        k=k,
        settings=tuple(settings),
        out=out,
    )


BASE_TITLE = "evaluate the base"
USUAL_SIZE = 600
"""Held-out problems of an embedded task."""


def make_all(
    variants: Sequence[Variant], plan: RunPlan, finished: Collection[str], slots: Slots, *page_options: str
) -> Path:
    """Train and evaluate every variant under ``plan.out``, and the base; returns the page over them. Commands whose
    title is among the ``finished`` are left out."""
    todo = without([*chains(variants, plan), CommandChain((plan.evaluate_base(),))], finished)
    with StopRequest() as stop:
        count = sum(len(chain.commands) for chain in todo) + 1
        runner = Runner(plan.out / LOGS, make_console(stderr=True), stop, count, slots.gpus)
        runner.run(todo, slots.jobs)
        compare = plan.compare([plan.out / v.name for v in variants], *page_options)
        runner.run([CommandChain((compare,))], 1)
    return plan.out / PAGE / "index.html"


def chains(variants: Sequence[Variant], plan: RunPlan) -> list[CommandChain]:
    """One chain for each variant that starts at the base; those trained from its result follow in the same chain."""
    first: dict[str, str] = {}
    found: dict[str, list[Command]] = {}
    for variant in variants:
        first[variant.name] = variant.name if variant.after is None else first[variant.after]
        commands = found.setdefault(first[variant.name], [])
        commands += [plan.train(variant), plan.evaluate(plan.out / variant.name)]
    return [CommandChain(tuple(commands)) for commands in found.values()]


def without(chains: Sequence[CommandChain], finished: Collection[str]) -> list[CommandChain]:
    """The chains with what is still to be done; none that is finished."""
    left = [tuple(c for c in chain.commands if c.title not in finished) for chain in chains]
    return [CommandChain(commands) for commands in left if commands]
