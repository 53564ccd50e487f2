"""One model with three levels of effort beside three runs that sample as many tokens together, on the embedded task.

    python benchmarks/efforts.py --out runs/efforts          # and its table into benchmarks/results

Resumable: run it again and finished work is left as it is. Each run of the family is measured at the checkpoint up to
which it sampled a third of the tokens of the run with levels.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console

from tersely.analysis import compare_paired
from tersely.errors import TerselyError
from tersely.evaluation.records import Evaluation, read_evaluation
from tersely.pipelines.chain import Command, CommandChain, Runner, require_own
from tersely.records import Estimate
from tersely.runs.logs import read_log
from tersely.stop import Stopped, StopRequest
from tersely.table import show

LEVELS = {"low": 0.4, "medium": 0.1, "high": 0.0}
STEPS, EVERY = 100, 2
MOST = 46
"""Steps of a run of the family at most: each samples its third in fewer."""
SIZE, K = 1200, 2
RESULT = Path(__file__).parent / "results" / "efforts.md"


@dataclass(frozen=True, slots=True)
class Line:
    """A model of the table."""

    name: str
    alpha: float | None
    steps: int | None
    sampled: int | None
    """Tokens to train on, of the whole run."""
    evaluation: Evaluation


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


def lines(out: Path) -> tuple[Evaluation, list[Line]]:
    """The base's evaluation, and every model's."""
    found = []
    for level, alpha in LEVELS.items():
        evaluation = read_evaluation(out / "levels" / "evaluation" / f"arithmetic@effort-{level}")
        found.append(Line(f"level {level}", alpha, STEPS, sampled(out / "levels"), evaluation))
    for alpha in LEVELS.values():
        place, step = checkpoint(out, alpha)
        evaluation = read_evaluation(out / "measured" / f"alpha-{alpha:g}" / place.name / "arithmetic")
        found.append(Line("run of its own", alpha, step, sampled(out / f"alpha-{alpha:g}", step), evaluation))
    return read_evaluation(out / "base" / "evaluation" / "arithmetic"), found


def page(out: Path, seed: int) -> str:
    base, found = lines(out)
    tokens, accuracy = cells(base.summary.overall.tokens, base.summary.overall.accuracy)
    rows = [f"| base | – | – | – | {tokens} | {accuracy} | – | – |"]
    for one in found:
        versus = compare_paired(base.responses(), one.evaluation.responses(), base.protocol, one.evaluation.protocol)
        tokens, accuracy = cells(one.evaluation.summary.overall.tokens, one.evaluation.summary.overall.accuracy)
        saving = show(versus.overall.token_saving, "percent")
        change = show(versus.overall.accuracy_difference, "points")
        spent = f"{one.steps} | {(one.sampled or 0) / 1e6:.3f}"
        rows.append(f"| {one.name} | {one.alpha:g} | {spent} | {tokens} | {accuracy} | {saving} | {change} |")
    own = sum(one.sampled or 0 for one in found[len(LEVELS) :])
    return "\n".join(
        [
            "# One model, three levels of effort",
            "",
            f"{date.today()}, seed {seed}, embedded reasoner with words for levels (`tersely base --levels`), recipe "
            f"`tiny`. Command: `python benchmarks/efforts.py`. {SIZE} problems x {K}, temperature 0.6; intervals over "
            "problems, changes paired with the base. The levels are one run of "
            f"{sampled(out / 'levels') / 1e6:.3f} million sampled tokens; the runs of their own are measured where "
            f"each had sampled about a third of that, {own / 1e6:.3f} million together.",
            "",
            "| model | alpha | steps | sampled, million | tokens | accuracy | saved | change, points |",
            "|---|---:|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
            "Level against the run of its own at the same alpha, paired by problem:",
            "",
            "| alpha | tokens saved by the level | accuracy of the level, points |",
            "|---:|---:|---:|",
            *(between(found[i], found[i + len(LEVELS)]) for i in range(len(LEVELS))),
            "",
        ]
    )


def between(level: Line, own: Line) -> str:
    versus = compare_paired(own.evaluation.responses(), level.evaluation.responses()).overall
    saving, change = show(versus.token_saving, "percent"), show(versus.accuracy_difference, "points")
    return f"| {level.alpha:g} | {saving} | {change} |"


def cells(tokens: Estimate | None, accuracy: Estimate | None) -> tuple[str, str]:
    return show(tokens, "tokens"), show(accuracy, "percent")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("runs/efforts"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    out = args.out
    require_own(out, "this benchmark")
    with StopRequest() as stop:
        runner = Runner(out / "logs", Console(stderr=True), stop)
        base, *trained = made(out, args.seed)
        runner.run([CommandChain((base,))], 1)
        runner.run([CommandChain((command,)) for command in trained], args.jobs)
        measured = [evaluate(out / "base"), evaluate(out / "levels")]
        for alpha in LEVELS.values():
            place, _ = checkpoint(out, alpha)
            measured.append(evaluate(place, out / "measured" / f"alpha-{alpha:g}"))
        runner.run([CommandChain((command,)) for command in measured], args.jobs)
    RESULT.write_text(page(out, args.seed), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (Stopped, TerselyError) as error:
        raise SystemExit(f"{error}") from error
