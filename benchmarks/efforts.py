"""One model with three levels of effort beside three runs that sample as many tokens together, on the embedded task.

    python benchmarks/efforts.py --out runs/efforts --commit COMMIT    # records and table
    python benchmarks/efforts.py --table                               # the table of the records

``--commit`` names the code that makes them. Resumable: run it again and finished work is left as it is. Each run of the
family is measured at the checkpoint up to which it sampled a third of the tokens of the run with levels.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pack import number_problems
from packed import PROBLEM, Records, write_about, write_csv, write_responses
from rich.console import Console

from tersely.analysis import compare_paired
from tersely.analysis.clusters import accuracy_clusters, token_clusters
from tersely.analysis.intervals import clustered_mean, clustered_rate
from tersely.errors import TerselyError
from tersely.evaluation.records import read_evaluation, read_responses
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own
from tersely.records import EvalRecord
from tersely.runs.logs import read_log
from tersely.stop import Stopped, StopRequest
from tersely.table import show

LEVELS = {"low": 0.4, "medium": 0.1, "high": 0.0}
STEPS, EVERY = 100, 2
MOST = 46
"""Steps of a run of the family at most: each samples its third in fewer."""
SIZE, K = 1200, 2
EFFORTS = Path(__file__).parent / "records" / "efforts"
RESULT = Path(__file__).parent / "results" / "efforts.md"


def made(out: Path, seed: int) -> Iterator[Command]:
    """Base, the run with levels, the family."""
    base = ("base", "--levels", "--seed", str(seed), "--out", str(out / "base"))
    yield Command("base", base, out / "base" / "journal.jsonl")
    levels = [word for name, alpha in LEVELS.items() for word in ("--set", f"objective.levels.{name}={alpha:g}")]
    yield train(out, "levels", seed, STEPS, levels)
    for alpha in LEVELS.values():
        kept = ["--alpha", f"{alpha:g}", "--set", f"run.checkpoint_every={EVERY}", "--set", f"run.keep={MOST // EVERY}"]
        yield train(out, f"alpha-{alpha:g}", seed, MOST, kept)


def train(out: Path, name: str, seed: int, steps: int, more: Sequence[str]) -> Command:
    what = ("--model", str(out / "base"), "--task", "arithmetic", "--seed", str(seed), "--steps", str(steps))
    arguments = ("train", "tiny", *what, *more, "--out", str(out / name))
    return Command(f"train {name}", arguments, out / name / "journal.jsonl", steps)


def evaluate(model: Path, out: Path | None = None) -> Command:
    place = [] if out is None else ["--out", str(out)]
    words = ("evaluate", str(model), "--task", "arithmetic", "--size", str(SIZE), "--k", str(K), *place)
    return Command(f"evaluate {model.parent.parent.name} {model.name}", words, model / "none.jsonl")


def sampled(run: Path, until: int | None = None) -> int:
    """Tokens that a run sampled to train on, up to a step."""
    lines = read_log(run / "journal.jsonl")
    return sum(line["response_tokens"] for line in lines if until is None or line["step"] <= until)


def matched(run: Path, tokens: float) -> int:
    """The step of the kept checkpoint up to which a run sampled nearest to so many tokens."""
    return min(range(EVERY, MOST + 1, EVERY), key=lambda step: abs(sampled(run, step) - tokens))


def checkpoint(out: Path, alpha: float) -> tuple[Path, int]:
    run = out / f"alpha-{alpha:g}"
    step = matched(run, sampled(out / "levels") / len(LEVELS))
    return run / "checkpoints" / f"step-{step:06d}", step


# ---- the records


def evaluations(out: Path) -> Iterator[tuple[str, Path]]:
    """(name in the records, folder) of every model's evaluation."""
    yield "base", out / "base" / "evaluation" / "arithmetic"
    for level in LEVELS:
        yield f"levels@effort-{level}", out / "levels" / "evaluation" / f"arithmetic@effort-{level}"
    for alpha in LEVELS.values():
        yield f"alpha-{alpha:g}", out / "measured" / f"alpha-{alpha:g}" / checkpoint(out, alpha)[0].name / "arithmetic"


def pack(out: Path, seed: int, commit: str, where: Path = EFFORTS) -> None:
    """Responses, and what each run had sampled where it was measured."""
    places = dict(evaluations(out))
    held = {seed: [(name, read_responses(place)) for name, place in places.items()]}
    problems = number_problems([records for _, records in held[seed]])
    write_responses(where, held, {name: number for name, (number, _) in problems.items()})
    write_csv(where / "problems.csv.gz", PROBLEM, [(n, name, level) for name, (n, level) in problems.items()])
    ends = {f"alpha-{alpha:g}": checkpoint(out, alpha)[1] for alpha in LEVELS.values()} | {"levels": STEPS}
    spent = {name: {"steps": step, "tokens_sampled": sampled(out / name, step)} for name, step in ends.items()}
    words = f"python benchmarks/efforts.py --seed {seed} --commit {commit}"
    write_about(where, commit, [words], read_evaluation(places["base"]).versions, seed=seed, runs=spent)


# ---- the table


def page(records: Records) -> str:
    seed, spent = records.about["seed"], records.about["runs"]
    runs = {name: [one.record for one in found] for name, found in records.seeds[seed].items()}
    own = sum(spent[f"alpha-{alpha:g}"]["tokens_sampled"] for alpha in LEVELS.values())
    return "\n".join(
        [
            "# One model, three levels of effort",
            "",
            f"Commit {records.about['commit']}, seed {seed}, embedded reasoner with words for levels (`tersely base "
            f"--levels`), recipe `tiny`. Command: `{records.about['commands'][0]}`; computed from [the "
            f"records](../records/README.md) by `python benchmarks/efforts.py --table`. {SIZE} problems x {K}, "
            "temperature 0.6; 95 % intervals over problems, changes paired with the base. The levels are one run of "
            f"{spent['levels']['tokens_sampled'] / 1e6:.3f} million sampled tokens; the runs of their own are measured "
            f"where each had sampled about a third of that, {own / 1e6:.3f} million together.",
            "",
            "| model | alpha | steps | sampled, million | tokens | accuracy | saved | change, points |",
            "|---|---:|---:|---:|---:|---:|---:|---:|",
            f"| base | – | – | – | {' | '.join(cells(runs['base']))} | – | – |",
            *(row(runs, spent, f"level {name}", f"levels@effort-{name}", alpha) for name, alpha in LEVELS.items()),
            *(row(runs, spent, "run of its own", f"alpha-{alpha:g}", alpha) for alpha in LEVELS.values()),
            "",
            "Level against the run of its own at the same alpha, paired by problem:",
            "",
            "| alpha | tokens saved by the level | accuracy of the level, points |",
            "|---:|---:|---:|",
            *(
                f"| {alpha:g} | {' | '.join(changes(runs[f'alpha-{alpha:g}'], runs[f'levels@effort-{name}']))} |"
                for name, alpha in LEVELS.items()
            ),
            "",
        ]
    )


def row(
    runs: Mapping[str, Sequence[EvalRecord]],
    spent: Mapping[str, Mapping[str, int]],
    title: str,
    name: str,
    alpha: float,
) -> str:
    cost = spent[name.partition("@")[0]]
    spending = f"{cost['steps']} | {cost['tokens_sampled'] / 1e6:.3f}"
    shown = " | ".join((*cells(runs[name]), *changes(runs["base"], runs[name])))
    return f"| {title} | {alpha:g} | {spending} | {shown} |"


def cells(records: Sequence[EvalRecord]) -> tuple[str, str]:
    """Tokens and accuracy."""
    return (
        show(clustered_mean(token_clusters(records)), "tokens"),
        show(clustered_rate(accuracy_clusters(records)), "percent"),
    )


def changes(before: Sequence[EvalRecord], after: Sequence[EvalRecord]) -> tuple[str, str]:
    """Tokens saved and change of accuracy."""
    versus = compare_paired(before, after).overall
    return show(versus.token_saving, "percent"), show(versus.accuracy_difference, "points")


def make(out: Path, seed: int, jobs: int) -> None:
    """Train and measure whatever is not finished."""
    require_own(out, "this benchmark")
    with StopRequest() as stop:
        runner = Runner(out / "logs", Console(stderr=True), stop)
        base, *trained = made(out, seed)
        runner.run([CommandChain((base,))], 1)
        runner.run([CommandChain((command,)) for command in trained], jobs)
        measured = [evaluate(out / "base"), evaluate(out / "levels")]
        for alpha in LEVELS.values():
            place, _ = checkpoint(out, alpha)
            measured.append(evaluate(place, out / "measured" / f"alpha-{alpha:g}"))
        runner.run([CommandChain((command,)) for command in measured], jobs)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("runs/efforts"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--commit", help="of the code that makes them, for the records")
    what.add_argument("--table", action="store_true", help="of the records that are there")
    args = parser.parse_args()
    if args.commit:
        make(args.out, args.seed, args.jobs)
        pack(args.out, args.seed, args.commit)
    RESULT.write_text(page(Records(EFFORTS)), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (Stopped, TerselyError) as error:
        raise SystemExit(f"{error}") from error
