"""One base for Countdown and ordering at once, tried once: does it learn both, and what does one do to the other?

    python benchmarks/domains_both.py --out runs/domains    # beside what benchmarks/domains.py left there

The base has the words of both tasks and twice the steps of one, half of its rows of each. Where it is right in 40 % of
either task's further problems, it is trained on each task alone, with alpha 0 and 0.2, and measured on both. Resumable.
``benchmarks/domains_table.py`` packs what is there, as runs called ``both/..``.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from domains import FRESH, ON_EVERY_BASE, TASKS, Place, require_same_options, write_problems
from driving import said_plainly
from rich.console import Console

from tersely.display import make_display
from tersely.evaluation.records import read_evaluation
from tersely.pipelines.chain import CommandChain, Runner, require_own, usual_jobs
from tersely.pipelines.variants import RunPlan, Variant
from tersely.records import Problem
from tersely.stop import StopRequest
from tersely.tasks.sources import EmbeddedSplit
from tersely.tasks.sources.embedded import EMBEDDED_TASKS, EmbeddedTask
from tersely.toy.base import make_base
from tersely.toy.reasoners import REASONERS, Reasoner
from tersely.toy.writing import Demonstration, Phase, Writing

BOTH = "both"
SEED = 1
ENOUGH = 0.4
"""Right answers to the problems of either task, as every base's gate asks."""


@dataclass(frozen=True, slots=True)
class EitherStyle:
    """A demonstration of one of the two tasks, each as its own base is taught."""

    first: Writing = field(default_factory=lambda: REASONERS[TASKS[0]].settings.style)
    second: Writing = field(default_factory=lambda: REASONERS[TASKS[1]].settings.style)

    def draw(self, phase: Phase, rng: random.Random) -> Demonstration:
        return (self.first if rng.random() < 0.5 else self.second).draw(phase, rng)


def problems_of_both(split: EmbeddedSplit, size: int, seed: int) -> list[Problem]:
    """Half of each task's."""
    first, second = (EMBEDDED_TASKS[task].generate(split, size // 2, seed) for task in TASKS)
    return [*first, *second]


def reasoner_of_both() -> Reasoner:
    """Words of both; shape and recipe of either, with twice the steps."""
    one, other = (REASONERS[task] for task in TASKS)
    steps = {name: 2 * getattr(one.settings, name) for name in ("practice_steps", "straight_steps", "verbose_steps")}
    return replace(
        one,
        words=tuple(dict.fromkeys((*one.words, *other.words))),
        behaviours=lambda text: {"check": text.split().count("check")},
        settings=replace(one.settings, task=BOTH, style=EitherStyle(), **steps),
        gate=replace(one.gate, accuracy=0.0, most_accuracy=1.0, truncated=1.0, habit=0.0, max_new_tokens=640),
    )


def known_here() -> None:
    """Make the task and its reasoner known to this process, and to no other."""
    cast(MutableMapping[str, Reasoner], REASONERS)[BOTH] = reasoner_of_both()
    task = EmbeddedTask(problems_of_both, EMBEDDED_TASKS[TASKS[0]].sizes, EMBEDDED_TASKS[TASKS[0]].seeds)
    cast(MutableMapping[str, EmbeddedTask], EMBEDDED_TASKS)[BOTH] = task


def plan(out: Path, trained_on: str, asked: str, settings: tuple[str, ...] = ()) -> RunPlan:
    """Trained on one task, asked the further problems of one."""
    at = Place(out, asked, SEED, settings)
    folder = out / BOTH / f"seed-{SEED}"
    return replace(at.plan(), model=str(folder / "base"), task=trained_on, recipe=f"tiny-{trained_on}", out=folder)


def measurements(out: Path, run: Path, trained_on: str, settings: tuple[str, ...]) -> Iterator[CommandChain]:
    for asked in TASKS:
        command = plan(out, trained_on, asked, settings).evaluate(run)
        place = run / "evaluation" / asked
        words = (*command.arguments, "--other-template", "--allow-overlap", "--out", str(place))
        left = place / run.name / Path(plan(out, trained_on, asked).held_out).stem
        if not (left / "summary.json").is_file():
            title, log = f"{command.title} {BOTH} {asked}", left / "responses.jsonl"
            yield CommandChain((replace(command, title=title, arguments=words, log=log),))


def learns_both(out: Path) -> bool:
    """Whether the base is right often enough on either task."""
    return all(accuracy(out, asked) >= ENOUGH for asked in TASKS)


def accuracy(out: Path, asked: str) -> float:
    base = out / BOTH / f"seed-{SEED}" / "base"
    found = read_evaluation(base / "evaluation" / asked / base.name / "fresh").responses()
    return sum(record.correct for record in found) / len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/domains"))
    parser.add_argument("--jobs", type=int, default=usual_jobs())
    parser.add_argument("--fresh", type=int, default=FRESH, help="further problems; fewer only to try this out")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of training; to try this out")
    args = parser.parse_args()
    known_here()
    with said_plainly():
        require_own(args.out, "this benchmark")
        require_same_options(args.out, args.fresh, args.set)
        for task in TASKS:
            write_problems(args.out / task, task, args.fresh)
        work(args.out, tuple(args.set), args.jobs)


def work(out: Path, settings: tuple[str, ...], jobs: int) -> None:
    folder = out / BOTH / f"seed-{SEED}"
    with make_display("base of both") as display:
        make_base(folder / "base", SEED, 1, display, settings=REASONERS[BOTH].settings)
    with StopRequest() as stop:
        runner = Runner(out / "logs", Console(stderr=True), stop)
        runner.run(list(measurements(out, folder / "base", TASKS[0], settings)), jobs)
        shares = {asked: round(accuracy(out, asked), 3) for asked in TASKS}
        print(f"right: {json.dumps(shares)}")
        if not learns_both(out):
            print("it does not learn both: nothing is trained from it")
            return
        runs = [(task, alpha) for task in TASKS for alpha in ON_EVERY_BASE]
        for task, alpha in runs:
            some, name = plan(out, task, task, settings), f"{task}-alpha-{alpha:g}"
            if not (folder / name / "done.json").is_file():
                train = some.train(Variant(name, (f"objective.alpha={alpha:g}",)))
                runner.run([CommandChain((replace(train, title=f"{train.title} {BOTH}"),))], jobs)
            runner.run(list(measurements(out, folder / name, task, settings)), jobs)


if __name__ == "__main__":
    main()
