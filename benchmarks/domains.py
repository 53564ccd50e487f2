"""The price of brevity on two tasks that nobody tuned to an alpha: Countdown and ordering puzzles.

    python benchmarks/domains.py --out runs/domains                              # all of it: about ten core-hours
    python benchmarks/domains.py --out runs/domains --tasks countdown --parts base family
    python benchmarks/domains_table.py --out runs/domains --commit 33af81e       # records and the page

Resumable: run it again and finished work is left as it is; a first Ctrl-C or SIGTERM saves and ends.

Parts: ``base`` (three bases a task, by ``tersely base`` and its gate); ``family`` (every alpha on the first base, alpha
0 and 0.2 on the others); ``others`` (on the first base: iterated SFT with as many sampled tokens as alpha 0.2, forced
ends of thinking, alpha 0 under the two other averagings); ``ramp`` (one run of ``tersely tune`` on each of the other
bases, its choice and its frontier). Every model answers the same further problems, which no part has seen.

``--parts search`` is the development: learning rates of alpha 0 alone, on a base and problems that are in no published
number. What it led to stands in the recipes tiny-countdown and tiny-ordering, and was frozen before any other alpha
ran on these tasks.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from driving import said_plainly, write_task
from rich.console import Console
from tune import Job, seeds_of

from tersely.errors import UserError
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own, usual_jobs
from tersely.pipelines.variants import RunPlan, Variant
from tersely.records import Problem
from tersely.runs import disk
from tersely.stop import StopRequest
from tersely.tasks.sources.embedded import EMBEDDED_TASKS
from tersely.tune.found import CERTIFICATES, MIXES, RUN, read_screen
from tersely.tune.ladder import frontier
from tersely.tune.measured import BASE, point
from tersely.tune.members import Models

TASKS = ("countdown", "ordering")
SEEDS = (1, 2, 3)
ALPHAS = (0.0, 0.05, 0.1, 0.2, 0.4)
ON_EVERY_BASE = (0.0, 0.2)
AVERAGINGS = ("token", "constant")
"""Beside the paper's, which every run has."""
BUDGETS = (20, 40, 60, 80, 120, 160)
"""Tokens of thinking after which an answer is forced."""
CLOSE = " hmm so </think>"
"""How: in the words with which Countdown's reasoner gives up, as it thinks on after a bare ``</think>``. That of
ordering also repeats the question where it guesses (``hmm so who1 1 B </think>``), which no words for all can say."""
SFT_RATE, SFT_PROMPTS = "3e-4", 1280
"""Learning rate as on arithmetic; problems as many as RL sees in 40 iterations."""
LOSS = 3
"""Points below the best checkpoint that ``tersely tune`` may lose."""
FRESH, CHOOSING, K = 1200, 1600, 2
"""Problems that every model answers, and how often; problems that ``tersely tune`` chooses by."""
FRESH_SEED = 18
SEARCH_SEED = 0
"""Of the base on which formats and learning rates were looked for: in no published number."""
RATES = {"countdown": ("4e-4", "8e-4"), "ordering": ("2.5e-4",)}
"""Looked at on alpha 0."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything of one base lies."""

    out: Path
    task: str
    seed: int
    settings: tuple[str, ...] = ()
    """Of training, over the recipe's: to try this out with fewer steps."""

    @property
    def folder(self) -> Path:
        return self.out / self.task / f"seed-{self.seed}"

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def problems(self) -> Path:
        return self.out / self.task / "fresh.jsonl"

    @property
    def tune(self) -> Path:
        return self.folder / "tune"

    @property
    def of_both(self) -> Path:
        """What benchmarks/domains_both.py made."""
        return self.out / "both" / f"seed-{self.seed}"

    @property
    def name(self) -> str:
        return f"{self.task} seed {self.seed}"

    def plan(self, problems: Path | None = None) -> RunPlan:
        asked = problems or self.problems
        size = len(asked.read_text(encoding="utf-8").splitlines())
        return RunPlan(
            model=str(self.base), task=self.task, held_out=str(asked), recipe=f"tiny-{self.task}", alpha=None,
            seed=self.seed, size=size, k=K, settings=self.settings, out=self.folder,
        )  # fmt: skip

    @property
    def is_chosen(self) -> bool:
        """Whether the ramp is through and its choice made."""
        return any((self.tune / CERTIFICATES).glob("*.json"))

    def screened(self) -> list[Path]:
        """Folders of the ramp's checkpoints that no other beats on the screening problems, and of the one chosen."""
        seen = read_screen(self.tune / RUN)
        line = [one.member for one in frontier([point(one, seen[0]) for one in seen[1:]])]
        [certificate] = (self.tune / CERTIFICATES).glob("*.json")
        chosen = json.loads(certificate.read_text(encoding="utf-8"))["member"]
        models = Models(self.base, self.tune / RUN, self.tune / MIXES)
        return [models.folder(member) for member in dict.fromkeys([*line, chosen]) if member != BASE]


# ---- the parts

Chain = list[Job]
"""Commands that follow one another."""


def base(at: Place) -> Iterator[Chain]:
    arguments = ("base", "--task", at.task, "--seed", str(at.seed), "--out", str(at.base))
    yield [_job(Command(f"base {at.name}", arguments, at.base / "journal.jsonl"))]


def family(at: Place) -> Iterator[Chain]:
    yield [measured(at, at.base)]
    for alpha in ALPHAS if at.seed == SEEDS[0] else ON_EVERY_BASE:
        yield trained(at, f"alpha-{alpha:g}", f"objective.alpha={alpha:g}")


def others(at: Place) -> Iterator[Chain]:
    """Of the first base alone."""
    if at.seed == SEEDS[0]:
        for averaging in AVERAGINGS:
            yield trained(at, f"averaging-{averaging}", "objective.alpha=0", f"learner.averaging={averaging}")
        for budget in BUDGETS:
            yield [forced(at, budget)]
        yield iterated_sft(at)


def ramp(at: Place) -> Iterator[Chain]:
    """Of every base but the first."""
    if at.seed != SEEDS[0]:
        arguments = ["tune", f"tiny-{at.task}", "--model", str(at.base), "--task", at.task, "--seed", str(at.seed)]
        arguments += ["--held-out", str(at.problems.with_name("choosing.jsonl")), "--reference", "best"]
        arguments += ["--lose-at-most", str(LOSS), "--out", str(at.tune)]
        arguments += [word for setting in at.settings for word in ("--set", setting)]
        command = Command(f"tune {at.name}", tuple(arguments), at.tune / RUN / "journal.jsonl")
        yield [Job(command, at.is_chosen)]


def traced(at: Place) -> Iterator[Chain]:
    """What the ramp leaves, once it is there."""
    for model in at.screened() if at.is_chosen else ():
        yield [measured(at, model, "--out", str(at.folder / "ramp"))]


def search(at: Place) -> Iterator[Chain]:
    """Learning rates of alpha 0, on problems of the gate's split."""
    problems = at.problems.with_name("gate.jsonl")
    yield [measured(at, at.base, problems=problems)]
    for rate in RATES[at.task]:
        settings = ("objective.alpha=0", f"learner.learning_rate={rate}", "run.checkpoint_every=10", "run.keep=10")
        yield trained(at, f"alpha-0-{rate}", *settings, problems=problems)


PARTS: dict[str, Sequence[Callable[[Place], Iterator[Chain]]]] = {
    "base": (base,),
    "family": (family,),
    "others": (others,),
    "ramp": (ramp, traced),
}
SEARCH = (base, search)


def _job(command: Command) -> Job:
    """A command whose folder says when it is finished."""
    left = [command.log.parent / name for name in ("done.json", "summary.json")]
    return Job(command, any(path.is_file() for path in left))


def _named(command: Command, *words: str) -> Command:
    """With a title, and so a log, that no other command has."""
    return replace(command, title=" ".join([command.title, *words]))


def trained(at: Place, name: str, *settings: str, problems: Path | None = None) -> Chain:
    """A run by reinforcement learning, and its measurement."""
    train = _job(_named(at.plan(problems).train(Variant(name, settings)), at.name))
    return [train, measured(at, at.folder / name, problems=problems)]


def iterated_sft(at: Place) -> Chain:
    run = at.folder / "iterated-sft"
    arguments = ["baseline", "iterated-sft", "--model", str(at.base), "--task", at.task, "--recipe", f"tiny-{at.task}"]
    arguments += ["--train-size", str(SFT_PROMPTS), "--like", str(at.folder / "alpha-0.2"), "--seed", str(at.seed)]
    arguments += ["--learning-rate", SFT_RATE, "--out", str(run)]
    arguments += ["--set", "tuning.batch=32", "--set", "tuning.warmup_share=0"]
    train = Command(f"train {run.name} {at.name}", tuple(arguments), run / "journal.jsonl")
    return [_job(train), measured(at, run)]


def measured(at: Place, model: Path, *options: str, problems: Path | None = None) -> Job:
    """A model on the further problems; ``options``: of ``tersely evaluate``."""
    command = _named(at.plan(problems).evaluate(model), at.name)
    place = at.folder / "ramp" / model.name if "--out" in options else model / "evaluation"
    log = place / (problems or at.problems).stem / "responses.jsonl"
    return _job(replace(command, arguments=(*command.arguments, *options), log=log))


def forced(at: Place, budget: int) -> Job:
    """The base, whose thinking is ended after so many tokens."""
    job = measured(at, at.base, "--decoding", f"budget:{budget}", "--close", CLOSE)
    # The closing words are a part of the point's name, as a digest.
    points = (at.base / "evaluation").glob(f"{at.problems.stem}@budget-*{budget}/summary.json")
    done = any(path.parent.name.endswith(f"-{budget}") for path in points)
    return replace(job, command=_named(job.command, f"ended at {budget}"), done=done)


# ---- the problems


def write_problems(folder: Path, task: str, fresh: int = FRESH, choosing: int = CHOOSING) -> None:
    """Files of held-out problems that share none: those that every model answers, and those that tune chooses by."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = EMBEDDED_TASKS[task].generate("held_out", fresh + choosing, FRESH_SEED)
    _write(folder / "fresh.jsonl", drawn[:fresh])
    _write(folder / "choosing.jsonl", drawn[fresh:])
    _write(folder / "gate.jsonl", EMBEDDED_TASKS[task].generate("gate", fresh // 2, FRESH_SEED))


def _write(path: Path, problems: Sequence[Problem]) -> None:
    if not path.is_file():
        write_task(path, problems)


# ---- all of it


def require_same_options(out: Path, fresh: int, settings: Sequence[str]) -> None:
    """UserError where the folder was begun with other options: what was only tried out is not the benchmark."""
    path, told = out / "options.json", {"fresh": fresh, "set": sorted(settings)}
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != told:
        raise UserError(f"{out} was begun with another --fresh or --set: give those again, or another --out")
    disk.replace_file(path, (json.dumps(told) + "\n").encode())


def work(
    places: Sequence[Place], stages: Sequence[Callable[[Place], Iterator[Chain]]], runner: Runner, jobs: int
) -> None:
    """Stage by stage, the first bases of all tasks before the others; a stage knows what came before it."""
    for stage in stages:
        chains = [[job.command for job in chain if not job.done] for at in places for chain in stage(at)]
        runner.run([CommandChain(tuple(chain)) for chain in chains if chain], jobs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/domains"))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=seeds_of, default=list(SEEDS), metavar="1-3")
    parser.add_argument("--parts", nargs="+", choices=(*PARTS, "search"), default=list(PARTS))
    parser.add_argument("--jobs", type=int, default=usual_jobs())
    parser.add_argument("--fresh", type=int, default=FRESH, help="further problems; fewer only to try this out")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of training; to try this out")
    args = parser.parse_args()
    with said_plainly():
        require_own(args.out, "this benchmark")
        require_same_options(args.out, args.fresh, args.set)
        for task in args.tasks:
            write_problems(args.out / task, task, args.fresh)
        searching = "search" in args.parts
        seeds = [SEARCH_SEED] if searching else args.seeds
        places = [Place(args.out, task, seed, tuple(args.set)) for seed in seeds for task in args.tasks]
        stages = SEARCH if searching else [stage for part in args.parts for stage in PARTS[part]]
        with StopRequest() as stop:
            work(places, stages, Runner(args.out / "logs", Console(stderr=True), stop), args.jobs)


if __name__ == "__main__":
    main()
