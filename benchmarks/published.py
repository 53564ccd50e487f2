"""Every number of README's results, docs/results/reading.md and results/decoding.md, computed from committed records.

    python benchmarks/published.py                                    # fills the pages and docs/results/models.csv
    python benchmarks/published.py --check                            # says which of them are no longer what it gives
    python benchmarks/published.py --ask "saved alpha-0.2 alpha-0"    # any number you like; benchmarks/asked.py has all

The pages are written in benchmarks/pages, with ``{{saved alpha-0.2 alpha-0}}`` where a number goes. The records are
made by benchmarks/pack.py. Ends with code 1 where a run is missing or, with ``--check``, where a page differs.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import compare
from asked import SEED, MissingRunError, Numbers, ask
from packed import Records

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / "benchmarks" / "records" / "comparison"
DECODING = ROOT / "benchmarks" / "records" / "decoding"
PAGES = ROOT / "benchmarks" / "pages"
BEGIN, END = "<!-- results: made by benchmarks/published.py -->\n", "<!-- end of results -->\n"
QUESTION = re.compile(r"\{\{([^{}]+)\}\}")
PENDING = "…"
"""Where the records lack a run."""
MEASURED = ("tokens", "accuracy", "saved base", "change base", "saved alpha-0", "change alpha-0")
"""Columns of models.csv, each with its interval over problems."""


def fill(text: str, numbers: Numbers, missing: set[str]) -> str:
    """The text with its questions answered; runs that are not there are added to ``missing``."""

    def answer(found: re.Match[str]) -> str:
        try:
            return ask(numbers, found[1])
        except MissingRunError as error:
            missing.add(str(error))
            return PENDING

    return QUESTION.sub(answer, text)


def models_csv(numbers: Numbers) -> str:
    """Every finished run of every seed in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = ("", "_low", "_high")
    names = [f"{name.replace(' ', '_against_')}{end}" for name in MEASURED for end in ends]
    writer.writerow(["run", "seed", *names])
    for run in sorted({run for runs in numbers.records.seeds.values() for run in runs if "@step" not in run}):
        for seed in numbers.seeds:
            if run in numbers.records.seeds.get(seed, {}):
                writer.writerow([run, seed, *_cells(numbers, run, seed)])
    return text.getvalue()


def _cells(numbers: Numbers, run: str, seed: int) -> Iterator[float | None]:
    for name in MEASURED:
        quantity, *against = name.split()
        if against == [run] or not all(other in numbers.records.seeds[seed] for other in against):
            yield from (None, None, None)
        else:
            found = SEED[quantity][0](numbers, seed, run, *against)
            yield from (found.value, found.low, found.high)


def pages(numbers: Numbers, missing: set[str]) -> dict[Path, str]:
    """Path -> what should stand there."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    if BEGIN not in readme or END not in readme:
        raise SystemExit(f"README.md has no place for its results: it lacks {BEGIN.strip()} or {END.strip()}")
    before, _, rest = readme.partition(BEGIN)
    results = fill((PAGES / "readme.md").read_text(encoding="utf-8"), numbers, missing)
    reading = fill((PAGES / "reading.md").read_text(encoding="utf-8"), numbers, missing)
    return {
        ROOT / "README.md": f"{before}{BEGIN}{results}{END}{rest.partition(END)[2]}",
        ROOT / "docs" / "results" / "reading.md": reading,
        ROOT / "docs" / "results" / "models.csv": models_csv(numbers),
        ROOT / "benchmarks" / "results" / "decoding.md": decoding(numbers, missing),
    }


def decoding(numbers: Numbers, missing: set[str]) -> str:
    """Options of decoding beside the family, whose records they stand beside."""
    found = Numbers(Records(numbers.records.folder, DECODING), numbers.seeds)
    text, about = (PAGES / "decoding.md").read_text(encoding="utf-8"), Records(DECODING).about
    for name in ("date", "commit"):
        text = text.replace(f"[[{name}]]", about[name])
    return fill(text, found, missing)


def differing(path: Path, wanted: str) -> list[str]:
    """Lines that should stand in the file and do not."""
    there = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    lines = [line for line in wanted.splitlines() if line not in there]
    return lines or ([] if there == wanted.splitlines() else ["(lines that should not be there)"])


def answer_one(numbers: Numbers, question: str) -> int:
    try:
        print(ask(numbers, question))
    except MissingRunError as error:
        print(f"the records lack {error}", file=sys.stderr)
    except (KeyError, TypeError, ValueError, IndexError):
        known = ", ".join((*SEED, "step"))
        print(f"{question!r} is no question: say one of {known} and its runs, as in benchmarks/pages", file=sys.stderr)
    else:
        return 0
    return 2


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--ask", metavar="QUESTION")
    args = parser.parse_args()
    numbers = Numbers(Records(args.records), compare.SEEDS)
    if args.ask:
        return answer_one(numbers, args.ask)
    missing: set[str] = set()
    found = {path: text for path, text in pages(numbers, missing).items() if differing(path, text)}
    for path, text in found.items():
        print(f"{path.relative_to(ROOT)} differs:", *differing(path, text)[:20], sep="\n  ")
        if not args.check:
            path.write_text(text, encoding="utf-8")
    if missing:
        print(f"the records lack {len(missing)} runs: {', '.join(sorted(missing))}", file=sys.stderr)
    return int(bool(missing or (args.check and found)))


if __name__ == "__main__":
    sys.exit(main())
