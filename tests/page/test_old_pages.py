"""The numbers are those that the two pages before this one showed for the same records (``old_pages.json``).

Intervals are left out: they may become better ones.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import fake_runs
from fake_runs import make_baseline, write_variant
from pages import blank_figures
from tersely.page.block import Options
from tersely.page.render import write_comparison, write_report

OLD = json.loads((Path(__file__).parent / "old_pages.json").read_text(encoding="utf-8"))
SET = fake_runs.TASK
RENAMED = {
    "saving_by_difficulty": "by_difficulty",
    "accuracy_by_difficulty": "by_difficulty",
    "dynamics": "checkpoints",
    "frontier": "plane",
    "curves": "curves_training",
    "behaviours_of_ablations": "behaviours",
    "overthinking_of_ablations": "overthinking",
}
KEYS = ("model", "run", "seed", "step", "difficulty", "dataset", "axis", "method", "currency", "iteration", "source")
"""Columns that say what a row is about."""
ELSEWHERE = {"truncated", "pass_at_k"}
"""Columns of the old overview that have moved to the details."""


def runs_of_one_seed(root: Path) -> tuple[Path, list[Path], list[Path]]:
    """The base, what was trained by RL, and the baselines."""
    base, (a0, a2) = fake_runs.make_family(root, alphas=(0.0, 0.2), steps=20)
    write_variant(base, f"{SET}@limit-64", fake_runs.make_records(0.0, 5), instruction="limit:64")
    write_variant(base, f"{SET}@repeat-1", fake_runs.make_records(None, 9), seed=8, repeat=1)
    for run, alpha in ((a0, 0.0), (a2, 0.2)):
        for step in (10, 20):
            write_variant(run, f"{SET}@step-{step:06d}", fake_runs.make_records(alpha, step), step=step)
    trained = [a0, a2, fake_runs.make_run(root, base, 0.2, steps=20, normalize="group")]
    tuned = [make_baseline(root, base, "sft", 1e-5, 0.05, (200_000, 100_000, 11.0))]
    tuned.append(make_baseline(root, base, "dpo", 5e-6, 0.1, (200_000, 200_000, 15.0)))
    return base, trained, tuned


def runs_of_three_seeds(root: Path) -> list[Path]:
    runs = []
    for seed in range(3):
        own = fake_runs.make_base(root, seed=seed, name=f"base-{seed}")
        runs += [fake_runs.make_run(root / "three", own, alpha, seed=seed, steps=6) for alpha in (0.0, 0.2)]
    return runs


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """From the name of an old page to the tables of the new one about the same runs, each made when it is asked for."""
    root = tmp_path_factory.mktemp("golden")
    one, three = cache(lambda: runs_of_one_seed(root)), cache(lambda: runs_of_three_seeds(root))
    pages: dict[str, Callable[[], Path]] = {
        "report": lambda: write_report(one()[1], one()[0], root / "r1"),
        "compare": lambda: write_comparison(one()[1] + one()[2], None, root / "c1", Options(2.0, 3.0, "money")),
        "report of three seeds": lambda: write_report(three(), None, root / "r3"),
        "compare of three seeds": lambda: write_comparison(three(), None, root / "c3"),
    }

    @cache
    def made(name: str) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            blank_figures(patch)
            return pages[name]().parent / "tables"

    return made


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def found_at(folder: Path, table: str) -> Path | None:
    """The file of an old table: names of data sets stand at the end of all that are about one."""
    stem = table.removesuffix(f"_{SET}")
    names = (RENAMED.get(stem, stem), f"{RENAMED.get(stem, stem)}_{SET}")
    return next((folder / f"{name}.csv" for name in names if (folder / f"{name}.csv").is_file()), None)


def same(old: str, new: str) -> bool:
    try:
        return float(new) == pytest.approx(float(old), rel=1e-12, abs=1e-12)
    except ValueError:
        return old == new


def numbered(rows: list[dict[str, str]], keys: list[str]) -> dict[tuple[str, ...], dict[str, str]]:
    """Rows by what they are about, and by their place among those about the same."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        ident = tuple(row.get(key, "") for key in keys)
        found[(*ident, str(sum(other[:-1] == ident for other in found)))] = row
    return found


def differing(folder: Path, table: str, rows: list[dict[str, str]]) -> list[str]:
    """What an old table said and the new one does not."""
    path = found_at(folder, table)
    if path is None:
        return [f"{table} is missing"]
    known = [key for key in KEYS if key in rows[0]]
    fresh = numbered(rows_of(path), known)
    details = {row["model"]: row for row in rows_of(folder / f"details_{SET}.csv")}
    faults = []
    for ident, row in numbered(rows, known).items():
        for column, old in row.items():
            gone = "overview" in table and column.removesuffix("_n") in ELSEWHERE
            place = details if gone else None
            mine = place[row["model"]] if place is not None else fresh.get(ident)
            name = column.replace("pass_at_k", "pass_at_2") if place is not None else column
            if mine is None or name not in mine or not same(old, mine[name]):
                faults.append(f"{table} {ident} {column}: {old} is now {None if mine is None else mine.get(name)}")
    return faults


LEFT_OUT_TABLES = {"ratios"}
"""On one data set its rows are those of the aggregate, which has AES beside them."""
LEFT_OUT = {"event", "queries", "dominated_by", "clearly_dominated_by", "saving_reach", "accuracy_reach"}
"""Words, such as STEP that is now "step"; sentences, which follow from the numbers, and intervals by another name."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "report" else [pytest.mark.slow]) for name in sorted(OLD)]
)
def test_every_number_of_the_old_page_stands_on_the_new_one(tables: Callable[[str], Path], name: str) -> None:
    faults = []
    for table, rows in OLD[name].items():
        if table not in LEFT_OUT_TABLES and not (table == "aggregate" and name.startswith("report")):
            kept = [{key: value for key, value in row.items() if key not in LEFT_OUT} for row in rows]
            faults += differing(tables(name), table, kept)
    assert faults == []
    assert sum(len(rows) for rows in OLD[name].values()) > 60


def test_a_number_that_changed_is_seen(tables: Callable[[str], Path]) -> None:
    (row, *_) = OLD["report"]["overview"]
    assert len(differing(tables("report"), "overview", [{**row, "tokens": str(float(row["tokens"]) + 0.1)}])) == 1
