"""The frontier of all objectives on the embedded task, at matched sampled tokens and at matched seconds.

    python benchmarks/objectives.py --out runs/objectives                          # all of it: about 2.5 core-hours
    python benchmarks/objectives.py --out runs/objectives --bases runs/compare     # with the bases that are there
    python benchmarks/objectives.py --out runs/objectives --parts measure page     # of the runs that are finished

Every objective trains one run a seed (two or more where its knob is alpha) from the same three bases, and keeps a
checkpoint every five steps. A budget is the least that any run spent as a whole; of each run the last checkpoint
within it is measured. A run that loses its model goes on to its end, is measured like any other and named on the page;
it answers with next to no tokens, so budgets are taken over the others. Seconds are CPU seconds of the training
process, one thread: what it takes on a quiet core, whatever else runs beside it. Resumable: run it again, and what is
finished is left as it is; SIGTERM and Ctrl-C save and stop.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from objectives_records import RECORDS, lost_at, matched, pack, spent
from objectives_table import SETTINGS, Setting
from rich.console import Console

from tersely.errors import UserError, require_known
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own, usual_jobs
from tersely.pipelines.variants import RunPlan, Variant
from tersely.stop import StopRequest

SEEDS = (0, 1, 2)
SIZE, K = 600, 2
EVERY = 5
TO_THE_END = ("health.accuracy_floor=warn", "health.length_collapse=warn", "run.all_wrong_stop=0")
"""A method that loses its model is measured like any other."""
RESULTS = Path(__file__).parent / "results"
PARTS = ("train", "measure", "page")


@dataclass(frozen=True, slots=True)
class Frontier:
    """The commands of the whole comparison."""

    out: Path
    bases: Path
    seeds: tuple[int, ...]
    settings: tuple[Setting, ...]
    steps: int | None = None

    def base(self, seed: int) -> Path:
        return self.bases / f"seed-{seed}" / "base"

    def folder(self, seed: int) -> Path:
        return self.out / f"seed-{seed}"

    def plan(self, seed: int) -> RunPlan:
        steps = () if self.steps is None else (f"run.steps={self.steps}",)
        settings = (f"run.checkpoint_every={EVERY}", "run.keep=100", *TO_THE_END, *steps)
        return RunPlan(
            model=str(self.base(seed)), task="arithmetic", held_out="arithmetic", recipe="tiny", alpha=None, seed=seed,
            size=SIZE, k=K, settings=settings, out=self.folder(seed),
        )  # fmt: skip

    def look(self) -> None:
        """UserError for what could not be trained, before anything is begun; bases that are not there are made."""
        missing = [self.base(seed) for seed in self.seeds if not self.base(seed).exists()]
        if missing and self.bases != self.out:
            raise UserError(f"there is no base at {missing[0]}: leave --bases out and it is made")
        for seed in self.seeds:
            for setting in self.settings:
                self.plan(seed).config(variant(setting))

    def make_bases(self) -> list[CommandChain]:
        """As benchmarks/compare.py makes them."""
        found = []
        for seed in self.seeds:
            base = self.base(seed)
            if self.bases == self.out and not (base / "done.json").is_file():
                words = ("base", "--out", str(base), "--seed", str(seed))
                found.append(CommandChain((Command(f"base seed {seed}", words, base / "journal.jsonl"),)))
        return found

    def train(self) -> list[CommandChain]:
        """The runs that are not finished, seed after seed, so that what is there early is whole seeds."""
        commands = [
            replace(self.plan(seed).train(variant(setting)), title=f"train {setting.name} seed {seed}")
            for seed in self.seeds
            for setting in self.settings
        ]
        return [CommandChain((c,)) for c in commands if not (c.log.parent / "done.json").is_file()]

    def runs(self) -> dict[tuple[int, str], Path]:
        """(seed, name) -> folder of every finished run."""
        places = {(seed, one.name): self.folder(seed) / one.name for seed in self.seeds for one in self.settings}
        return {key: place for key, place in places.items() if (place / "done.json").is_file()}

    def measure(self, steps: Mapping[tuple[int, str], Sequence[int]]) -> Iterator[CommandChain]:
        """Evaluations that are not finished, of the bases and of the matched checkpoints of each run."""
        for seed in self.seeds:
            yield from self._measure(seed, "base", [self.base(seed)])
        for (seed, name), at in steps.items():
            folders = [self.folder(seed) / name / "checkpoints" / f"step-{step:06d}" for step in at if step]
            yield from self._measure(seed, name, folders)

    def _measure(self, seed: int, name: str, models: Sequence[Path]) -> Iterator[CommandChain]:
        place = self.folder(seed) / "matched" / name
        left = [model for model in models if not (place / model.name / "arithmetic" / "summary.json").is_file()]
        if left:
            first, config = self.plan(seed).evaluate(left[0]), self.plan(seed).common_config
            words = [*first.arguments, "--other-template", "--other-verifier", "--out", str(place)]
            words[1:2] = map(str, left)
            log = place / left[0].name / "arithmetic" / "responses.jsonl"
            assert config.verifier is None
            yield CommandChain((Command(f"measure {name} seed {seed}", tuple(words), log, SIZE * K),))


def variant(setting: Setting) -> Variant:
    return Variant(setting.name, setting.assignments)


def budgets(frontier: Frontier, tokens: float | None, seconds: float | None) -> dict[str, float]:
    """What was stated, else the least that a finished run which kept its model spent as a whole."""
    if tokens is not None and seconds is not None:
        return {"tokens": tokens, "seconds": seconds}
    ends = [spent(run)[-1] for run in frontier.runs().values() if lost_at(run) is None]
    if not ends:
        raise SystemExit("every finished run lost its model, so none says what to match: state --tokens and --seconds")
    least = {"tokens": min(end.tokens for end in ends), "seconds": min(end.seconds for end in ends)}
    return {**least, **{k: v for k, v in (("tokens", tokens), ("seconds", seconds)) if v is not None}}


def steps_within(frontier: Frontier, within: Mapping[str, float]) -> dict[tuple[int, str], dict[str, int]]:
    """(seed, name) -> what is matched -> step of the last checkpoint within the budget; 0 is the base."""
    return {
        key: {by: matched(run, by, budget) for by, budget in within.items()} for key, run in frontier.runs().items()
    }


def chosen(names: Sequence[str] | None) -> tuple[Setting, ...]:
    """The settings of these names or methods; all of them for None."""
    known = [*dict.fromkeys([*(one.name for one in SETTINGS), *(one.method for one in SETTINGS)])]
    for name in names or ():
        require_known("objective", name, known)
    return tuple(one for one in SETTINGS if names is None or one.name in names or one.method in names)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/objectives"))
    parser.add_argument("--bases", type=Path, default=None, help="folder with seed-S/base (default: made in --out)")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--objectives", nargs="+", default=None, metavar="NAME", help="some of the table alone")
    parser.add_argument("--steps", type=int, default=None, help="iterations (default: the tiny recipe's)")
    parser.add_argument("--tokens", type=float, default=None, help="budget (default: as told above)")
    parser.add_argument("--seconds", type=float, default=None, help="budget (default: as told above)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--jobs", type=int, default=usual_jobs())
    parser.add_argument("--commit", default=None, help="of the code that made the runs, for the records")
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    frontier = Frontier(args.out, args.bases or args.out, tuple(args.seeds), chosen(args.objectives), args.steps)
    frontier.look()
    require_own(args.out, "this benchmark")
    with StopRequest() as stop:
        console = Console(stderr=True)

        def run(chains: Sequence[CommandChain]) -> None:
            runner = Runner(args.out / "logs", console, stop, sum(len(chain.commands) for chain in chains))
            runner.run(chains, args.jobs)

        if "train" in args.parts:
            run(frontier.make_bases())
            run(frontier.train())
        if not frontier.runs():
            raise SystemExit("no run is finished yet: there is nothing to measure")
        within = budgets(frontier, args.tokens, args.seconds)
        at = steps_within(frontier, within)
        if "measure" in args.parts:
            run(list(frontier.measure({key: sorted(set(steps.values())) for key, steps in at.items()})))
    if "page" in args.parts:
        from objectives_page import write_page

        pack(args.records, frontier.out, frontier.seeds, at, within, args.commit)
        write_page(args.records, args.results)


if __name__ == "__main__":
    main()
