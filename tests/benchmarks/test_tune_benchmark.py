"""What the benchmark of `tersely tune` says is what plain arithmetic gives from its records."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import tune
import tune_records
import tune_table
from packed import write_csv
from tune_facts import at_tokens, best_fixed, lag, rows, share
from tune_records import ANSWERED, TuneRecords

from tersely.tune.measured import Measured

KEPT = tune_records.RECORDS
Answers = list[tuple[int, tuple[int, int]]]
"""A problem's right responses of two, and their tokens."""

BASE: Answers = [(2, (80, 70)), (1, (90, 60)), (2, (70, 70)), (2, (60, 80))]
SHORT: Answers = [(2, (30, 34)), (2, (40, 32)), (2, (30, 34)), (1, (30, 34))]
LONG: Answers = [(2, (50, 46)), (2, (50, 46)), (2, (50, 46)), (2, (48, 48))]


def models() -> dict[tuple[str, str], Answers]:
    """Of both temperatures: base, the chosen, two fixed alphas."""
    found = {("base", "0.6"): BASE, ("step-000045", "0.6"): SHORT, ("step-000020", "0.6"): LONG}
    found |= {("alpha-0.05", "0.6"): LONG, ("alpha-0.2", "0.6"): SHORT}
    return found | {(name, "1"): answers for (name, _), answers in found.items() if name != "base"}


def about_seed() -> dict[str, Any]:
    kept = {"confidence": 0.95, "trials": [], "problems_that_would_decide": None, "shortest_found": None}
    cost = {"steps": 60, "tokens": 800_000, "seconds": 90.0, "sampling_us_per_token": 50.0}
    return {
        "targets": {
            "lose-at-most-1": {"verdict": "not certified", "member": "base", "target": {"loss": 0.01}, **kept},
            "lose-at-most-3": {"verdict": "certified", "member": "step-000045", "target": {"loss": 0.03}, **kept},
            "tokens-34": {"verdict": "met", "member": "step-000045", "target": {"tokens": 34.0}, **kept},
        },
        "screened": ["step-000020", "step-000045"],
        "path": [],
        "cost": {
            "training": {**cost, "steps": 100, "tokens": 1_200_000},
            "screening": 700_000,
            "mixes": 50_000,
            "test": 200_000,
            "last_word": 300_000,
        },
        "fixed": {"0.05": cost, "0.2": cost},
    }


@pytest.fixture
def records(tmp_path: Path) -> TuneRecords:
    for seed in range(5):
        lines = [
            (model, temperature, number, right, 2, " ".join(map(str, tokens)))
            for (model, temperature), answers in models().items()
            for number, (right, tokens) in enumerate(answers)
        ]
        write_csv(tmp_path / f"measured-seed-{seed}.csv.gz", ANSWERED, lines)
    about = {"commit": "0123abc", "machine": "m", "seeds": {str(seed): about_seed() for seed in range(5)}}
    (tmp_path / "runs.json").write_text(json.dumps(about), encoding="utf-8")
    return TuneRecords(tmp_path)


def test_a_row_says_what_the_chosen_model_did_on_the_further_problems(records: TuneRecords) -> None:
    one, three, length = rows(records, 0)
    assert (one.found, one.member, one.change, one.kept) == (False, "base", 0.0, None)
    # +1/2 on the second problem, -1/2 on the fourth: nothing on the average, which 3 points allow.
    assert (three.found, three.change, three.kept) == (True, 0.0, True)
    assert three.low < -0.03
    # (64 + 72 + 64 + 64) / 8 = 33: within 5 % of 34.
    assert (length.tokens.value, length.kept) == (33.0, True)


def test_a_share_has_the_exact_interval() -> None:
    # Clopper and Pearson for 10 of 10: 0.025^(1/10) = 0.6915; for 8 of 10 the textbook's 44.4 to 97.5.
    assert share(10, 10) == "10 of 10 (69 to 100 %)"
    assert share(8, 10) == "8 of 10 (44 to 97 %)"
    assert share(0, 10) == "0 of 10 (0 to 31 %)"


def test_the_best_fixed_alpha_is_the_shortest_that_keeps_the_floor(records: TuneRecords) -> None:
    found = best_fixed(records, 0, 0.01, surely=False)
    assert found is not None
    assert (found.alpha, found.tokens) == (0.2, 33.0)
    assert best_fixed(records, 0, 0.01, surely=True) is None  # four problems prove nothing


def test_a_frontier_is_interpolated_between_the_two_models_around_a_length() -> None:
    line = [
        Measured("a", 0, None, (2, 2), (2, 2), ((50, 50), (50, 50))),
        Measured("b", 0, None, (0, 2), (2, 2), ((30, 30), (30, 30))),
    ]
    between = at_tokens(line, 35)
    assert between is not None
    assert between.tolist() == pytest.approx([0.25, 1.0])
    assert at_tokens(line, 51) is None
    assert at_tokens(line, 29) is None


def test_the_frontier_lags_by_nothing_behind_itself(records: TuneRecords) -> None:
    found = lag(records, 0, 0.6, (40,))
    assert found is not None
    assert found.value == 0.0
    assert lag(records, 0, 0.6, (20,)) is None


@pytest.mark.slow
def test_the_page_counts_failures_and_compares_with_two_runs(records: TuneRecords) -> None:
    page = tune_table.page(records)
    assert "| lose-at-most-1 | 0 of 5 (0 to 52 %) |" in page
    assert "| lose-at-most-3 | 5 of 5 (48 to 100 %) |" in page
    # 1.2 M of 2 x 0.8 M tokens; choosing: .75 M at 50 us.
    assert "| 0 | 100 | 1,200 | 90 | 0.75 | 0.50 | 750 (38) | 200 (10) | 300 (15) |" in page


@pytest.mark.slow
def test_further_problems_are_none_that_tune_has_seen(tmp_path: Path) -> None:
    tune.write_fresh(tmp_path / "fresh.jsonl", 300)
    asked = [json.loads(line)["problem"] for line in (tmp_path / "fresh.jsonl").read_text().splitlines()]
    known = {one.question for one in tune.EMBEDDED_TASKS["arithmetic"].load("held_out", 4000)}
    assert len(set(asked)) == 300
    assert not known & set(asked)


def test_seeds_are_read_as_they_are_written() -> None:
    assert tune.seeds_of("0-2,7") == [0, 1, 2, 7]


def test_the_other_benchmarks_runs_are_taken_with_their_base_or_not_at_all(tmp_path: Path) -> None:
    at = tune.Place(tmp_path / "out", 0, tmp_path / "bases")
    other = tmp_path / "bases" / "seed-0"
    assert at.base == at.folder / "base"
    for run in ("base", "alpha-0.2"):
        (other / run).mkdir(parents=True)
        (other / run / "done.json").touch()
    assert (at.base, at.fixed(0.2), at.fixed(0.3)) == (other / "base", other / "alpha-0.2", at.folder / "alpha-0.3")
    (at.folder / "base").mkdir(parents=True)
    assert (at.base, at.fixed(0.2)) == (at.folder / "base", at.folder / "alpha-0.2")


@pytest.mark.slow
@pytest.mark.skipif(not KEPT.is_dir(), reason="the records of this benchmark are not packed yet")
def test_the_published_page_is_what_the_committed_records_give() -> None:
    kept = TuneRecords(KEPT)
    page = tune_table.RESULT.read_text(encoding="utf-8")
    assert page == tune_table.page(kept)
    seed = kept.seeds[0]
    for name, told in kept.of_seed(seed)["targets"].items():
        change, tokens = plainly(seed, told)
        line = next(line for line in page.splitlines() if line.startswith(f"| {seed} | {name} |"))
        assert f" | {100 * change:+.2f} | " in line
        assert f" | {tokens:.1f} (" in line


def plainly(seed: int, told: Mapping[str, Any]) -> tuple[float, float]:
    """(change of accuracy, tokens) of a chosen model, without any code of ours."""
    text = gzip.decompress((KEPT / f"measured-seed-{seed}.csv.gz").read_bytes()).decode()
    lines = [row for row in csv.DictReader(io.StringIO(text)) if row["temperature"] == "0.6"]
    rates: dict[str, dict[str, float]] = {"base": {}, told["member"]: {}}
    tokens: list[int] = []
    for row in lines:
        if row["model"] in rates and int(row["judged"]):
            rates[row["model"]][row["problem"]] = int(row["right"]) / int(row["judged"])
        if row["model"] == told["member"]:
            tokens += map(int, row["tokens"].split())
    both = rates["base"].keys() & rates[told["member"]].keys()
    changed = [rates[told["member"]][n] - rates["base"][n] for n in both]
    return sum(changed) / len(changed), sum(tokens) / len(tokens)
