"""What `tersely tune` promises, put to the test on the embedded task: ten bases, three targets, 5,000 further problems.

    python benchmarks/tune.py --out runs/tune --bases runs/compare    # all of it
    python benchmarks/tune.py --out runs/tune --seeds 0-4 --parts base tune
    python benchmarks/tune_table.py --out runs/tune --commit 33af81e  # records and benchmarks/results/tune.md

Resumable: run it again and finished work is left as it is; a first Ctrl-C or SIGTERM saves and ends. Seed by seed, so
that what is there is whole seeds. ``--bases`` names a folder of `benchmarks/compare.py`, whose bases and family are
taken where they are finished.

Parts of a seed: ``base``; ``tune`` (at most 1 point, at most 3 points, half the base's tokens: one run, three
choices); ``check`` (base and chosen models on the further problems); ``grid`` (runs at a fixed alpha, measured on the
same) and ``frontier`` (the run's own frontier, by its screening, against the grid at both temperatures).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driving import said_plainly, write_task
from rich.console import Console

from tersely.evaluation.records import SUMMARY, read_evaluation
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own, usual_jobs
from tersely.stop import StopRequest
from tersely.tasks.sources.arithmetic import arithmetic_problems
from tersely.tasks.sources.embedded import EMBEDDED_TASKS
from tersely.tune.found import CERTIFICATES, MIXES, RUN, read_screen
from tersely.tune.ladder import frontier
from tersely.tune.measured import BASE, point
from tersely.tune.members import Models
from tersely.tune.split import LAST_WORD, SCREEN, TEST

SEEDS = tuple(range(10))
LOSSES = (1, 3)
"""Points that may be lost."""
ALPHAS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
FRESH, HALF, K = 5000, 2500, 2
"""Further problems; how many of them the frontier is measured on; responses to each."""
FRESH_SEED = 5_000_014
TEMPERATURES = (0.6, 1.0)
CAP = 320


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything of one seed lies."""

    out: Path
    seed: int
    bases: Path | None = None
    """A folder of `benchmarks/compare.py`."""
    settings: tuple[str, ...] = ()
    """Of training, over the recipe's: to try this out with fewer steps."""

    @property
    def folder(self) -> Path:
        return self.out / f"seed-{self.seed}"

    @property
    def fresh(self) -> Path:
        return self.out / "fresh.jsonl"

    @property
    def tune(self) -> Path:
        return self.folder / "tune"

    @property
    def base(self) -> Path:
        return self._there("base")

    def fixed(self, alpha: float) -> Path:
        """The run at this alpha."""
        return self._there(f"alpha-{alpha:g}")

    def _there(self, name: str) -> Path:
        """The other benchmark's run if that is finished and nothing of it was begun here: runs go with their base."""
        own, other = self.folder, None if self.bases is None else self.bases / f"seed-{self.seed}"
        begun = (own / "base").exists() or (own / name).exists()
        if other is None or begun or not all((other / run / "done.json").is_file() for run in ("base", name)):
            return own / name
        return other / name

    def measured(self, temperature: float, model: Path) -> Path:
        """The evaluation of a model on the further problems."""
        return self.folder / f"fresh-{temperature:g}" / model.name / self.fresh.stem

    def certificate(self, target: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.tune / CERTIFICATES / f"{target}.json").read_text(encoding="utf-8"))
        return found

    def targets(self) -> list[str]:
        """Names of the certificates, in the order in which they were asked for."""
        return [*(f"lose-at-most-{loss}" for loss in LOSSES), f"tokens-{self.half()}"]

    def half(self) -> int:
        """Half of the base's tokens, by the screening problems."""
        return round(read_screen(self.tune / RUN)[0].length() / 2)

    def chosen(self) -> list[Path]:
        """Folders of the models that were chosen, the base apart."""
        found = dict.fromkeys(self.certificate(target)["member"] for target in self.targets())
        return [self.model(member) for member in found if member != BASE]

    def model(self, member: str) -> Path:
        return Models(self.base, self.tune / RUN, self.tune / MIXES).folder(member)


@dataclass(frozen=True, slots=True)
class Job:
    """A command, and whether what it makes is there already."""

    command: Command
    done: bool


# ---- the parts


def base(at: Place) -> Iterator[Job]:
    arguments = ("base", "--out", str(at.base), "--seed", str(at.seed))
    yield _run(f"base {at.seed}", arguments, at.base)


def tune(at: Place) -> Iterator[Job]:
    """The first target trains; every other is a new choice among the same checkpoints."""
    for loss in LOSSES:
        yield _tune(at, f"lose-at-most-{loss}", "--lose-at-most", loss)


def tokens(at: Place) -> Iterator[Job]:
    """Once the base's tokens are known."""
    yield _tune(at, f"tokens-{at.half()}", "--tokens", at.half())


def check(at: Place) -> Iterator[Job]:
    yield from _evaluate(at, [at.base], FRESH, TEMPERATURES[0])
    yield from _evaluate(at, at.chosen(), FRESH, TEMPERATURES[0])


def grid(at: Place) -> Iterator[Job]:
    for alpha in ALPHAS:
        run = at.fixed(alpha)
        arguments = ["train", "--model", str(at.base), "--task", "arithmetic", "--alpha", f"{alpha:g}"]
        arguments += ["--seed", str(at.seed), "--recipe", "tiny", *_settings(at), "--out", str(run)]
        yield _run(f"train {run.name} seed {at.seed}", arguments, run)
    yield from _evaluate(at, [at.fixed(alpha) for alpha in ALPHAS], FRESH, TEMPERATURES[0])


def traced(at: Place) -> Iterator[Job]:
    """The checkpoints that screening leaves on the frontier, and at the higher temperature the grid beside them."""
    runs, members = [at.fixed(alpha) for alpha in ALPHAS], screened(at)
    yield from _evaluate(at, [one for one in members if one not in at.chosen()], HALF, TEMPERATURES[0])
    yield from _evaluate(at, members, HALF, TEMPERATURES[1])
    yield from _evaluate(at, runs, HALF, TEMPERATURES[1])


def screened(at: Place) -> list[Path]:
    """Folders of the run's checkpoints that no other beats on the screening problems, longest first."""
    seen = read_screen(at.tune / RUN)
    line = frontier([point(one, seen[0]) for one in seen[1:]])
    return [at.model(one.member) for one in line]


PARTS: dict[str, Sequence[Callable[[Place], Iterator[Job]]]] = {
    "base": (base,),
    "tune": (tune, tokens),
    "check": (check,),
    "grid": (grid,),
    "frontier": (traced,),
}


def _run(title: str, arguments: Sequence[str], run: Path, total: int | None = None) -> Job:
    return Job(Command(title, tuple(arguments), run / "journal.jsonl", total), (run / "done.json").is_file())


def _settings(at: Place) -> list[str]:
    return [word for setting in at.settings for word in ("--set", setting)]


def _tune(at: Place, name: str, option: str, value: int) -> Job:
    arguments = ["tune", "tiny", "--model", str(at.base), "--task", "arithmetic", "--seed", str(at.seed)]
    arguments += [option, str(value), *_settings(at), "--out", str(at.tune)]
    command = Command(f"tune {name} seed {at.seed}", tuple(arguments), at.tune / RUN / "journal.jsonl")
    return Job(command, (at.tune / CERTIFICATES / f"{name}.json").is_file())


def _evaluate(at: Place, models: Sequence[Path], size: int, temperature: float) -> Iterator[Job]:
    """Those of the models that are not measured yet, in one command."""
    size = min(size, len(at.fresh.read_text(encoding="utf-8").splitlines()))
    todo = [model for model in models if not _is_measured(at.measured(temperature, model), size)]
    if not todo:
        return
    arguments = ["evaluate", *map(str, todo), "--task", str(at.fresh), "--size", str(size), "--k", str(K)]
    arguments += ["--temperature", f"{temperature:g}", "--max-new-tokens", str(CAP), "--template", "question"]
    arguments += ["--threads", "1", "--out", str(at.measured(temperature, todo[0]).parents[1])]
    log = at.measured(temperature, todo[0]) / "responses.jsonl"
    title = f"evaluate {todo[0].name} and {len(todo) - 1} more at {temperature:g} seed {at.seed}"
    yield Job(Command(title, tuple(arguments), log, size * K), False)


def _is_measured(folder: Path, size: int) -> bool:
    return (folder / SUMMARY).is_file() and (read_evaluation(folder).protocol.size or 0) >= size


# ---- the further problems


def write_fresh(path: Path, size: int = FRESH) -> None:
    """Problems that no part of tune has seen: held-out ones of another seed, those of tune's own sets left out."""
    known = {one.id for one in EMBEDDED_TASKS["arithmetic"].load("held_out", SCREEN + TEST + LAST_WORD)}
    drawn = arithmetic_problems("held_out", size + 100, FRESH_SEED)
    fresh = [one for one in drawn if one.id not in known][:size]
    write_task(path, fresh)


# ---- all of it


def work(places: Sequence[Place], parts: Sequence[str], runner: Runner, jobs: int) -> None:
    """As many seeds side by side as jobs, each whole before the next begins; a part knows what came before it."""
    for first in range(0, len(places), jobs):
        some = places[first : first + jobs]
        for stage in (stage for part in parts for stage in PARTS[part]):
            chains = [tuple(job.command for job in stage(at) if not job.done) for at in some]
            runner.run([CommandChain(chain) for chain in chains if chain], jobs)


def seeds_of(text: str) -> list[int]:
    """``0-4,7`` -> 0, 1, 2, 3, 4, 7."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("runs/tune"))
    parser.add_argument("--bases", type=Path, default=None, metavar="DIR", help="made by benchmarks/compare.py")
    parser.add_argument("--seeds", type=seeds_of, default=list(SEEDS), metavar="0-9")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--jobs", type=int, default=usual_jobs())
    parser.add_argument("--fresh", type=int, default=FRESH, help="further problems; fewer only to try this out")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of training; to try this out")
    args = parser.parse_args()
    with said_plainly():
        require_own(args.out, "this benchmark")
        if not (args.out / "fresh.jsonl").is_file():
            write_fresh(args.out / "fresh.jsonl", args.fresh)
        places = [Place(args.out, seed, args.bases, tuple(args.set)) for seed in args.seeds]
        with StopRequest() as stop:
            work(places, args.parts, Runner(args.out / "logs", Console(stderr=True), stop), args.jobs)


if __name__ == "__main__":
    main()
