"""What is published comes from the records: it is what plain arithmetic gives, and it stands on the pages."""

from __future__ import annotations

import csv
import gzip
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import compare
import pack
import published
from asked import SEED, MissingRunError, Numbers, ask, points, tenths
from packed import RESPONSE, Records

import fake_runs
from tersely.evaluation.records import read_evaluation

ROOT = Path(__file__).parents[2]
KEPT = published.RECORDS


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of a base and two members, made up."""
    root = tmp_path_factory.mktemp("tree")
    for seed in (0, 1):
        folder = root / f"seed-{seed}"
        base = fake_runs.make_base(folder, seed)
        for alpha in (0.0, 0.2):
            run = fake_runs.make_run(folder, base, alpha, seed=seed, steps=3)
            run.rename(folder / f"alpha-{alpha:g}")
    return root


@pytest.fixture(scope="module")
def records(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("records")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack, "TASK", fake_runs.TASK)
        pack.pack(tree, out, "0123abc")
    return out


def rows(folder: Path, seed: int, run: str) -> Iterator[dict[str, str]]:
    """Read without any code of ours."""
    text = gzip.decompress((folder / f"responses-seed-{seed}.csv.gz").read_bytes()).decode()
    return (row for row in csv.DictReader(io.StringIO(text)) if row["run"] == run)


def mean_tokens(folder: Path, seed: int, run: str) -> float:
    tokens = [int(row["tokens"]) for row in rows(folder, seed, run)]
    return sum(tokens) / len(tokens)


# --- packing -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_records_hold_every_response_as_it_was_evaluated(tree: Path, records: Path) -> None:
    found = Records(records).seeds[1]["alpha-0.2"]
    wanted = read_evaluation(tree / "seed-1" / "alpha-0.2" / "evaluation" / fake_runs.TASK).responses()
    assert len(found) == len(wanted) > 0
    for response, record in zip(found, wanted, strict=True):
        kept = response.record
        assert (kept.problem_id, kept.sample, kept.tokens) == (record.problem_id, record.sample, record.tokens)
        assert (kept.status, kept.finish, kept.correct) == (record.status, record.finish, record.correct)
        assert kept.difficulty == record.difficulty
    assert sum(response.checks for response in found) > 0


def test_the_same_runs_are_the_same_bytes_and_the_commands_begin_at_nothing(
    tree: Path, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "TASK", fake_runs.TASK)
    pack.pack(tree, tmp_path, "0123abc")
    names = sorted(path.name for path in records.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    assert all((records / name).read_bytes() == (tmp_path / name).read_bytes() for name in names)
    about = Records(records).about
    assert about["commit"] == "0123abc"
    assert about["commands"][0] == "tersely base --out runs/compare/seed-0/base --seed 0"
    assert set(about["runs"]) >= {"seed-0/alpha-0", "seed-1/alpha-0.2"}
    assert str(tree) not in (records / "runs.json").read_text()
    assert sum(1 for step in Records(records).steps() if step["run"] == "alpha-0.2") == 6


# --- asking ------------------------------------------------------------------------------------------------------


def test_what_is_asked_is_plain_arithmetic_on_the_lines(records: Path) -> None:
    numbers = Numbers(Records(records), (0, 1))
    tokens = {run: [mean_tokens(records, seed, run) for seed in (0, 1)] for run in ("base", "alpha-0", "alpha-0.2")}
    values = ", ".join(f"{tenths(value)}" for value in tokens["alpha-0.2"])
    assert ask(numbers, "tokens alpha-0.2") == f"{tenths(sum(tokens['alpha-0.2']) / 2)} ({values})"
    savings = [100 * (1 - one / other) for one, other in zip(tokens["alpha-0.2"], tokens["alpha-0"], strict=True)]
    assert ask(numbers, "mean saved alpha-0.2 alpha-0") == f"{tenths(sum(savings) / 2)} %"
    right = [[row["status"] == "CORRECT" for row in rows(records, seed, "base")] for seed in (0, 1)]
    shares = [100 * sum(seed) / len(seed) for seed in right]
    assert ask(numbers, "values accuracy base") == ", ".join(f"{tenths(share)}" for share in shares)
    cost = [numbers.spent("alpha-0.2", seed, "tokens_sampled") for seed in (0, 1)]
    gains = [base - member for base, member in zip(tokens["base"], tokens["alpha-0.2"], strict=True)]
    paid = [2 * spent / gain / 1000 for spent, gain in zip(cost, gains, strict=True)]  # each token is learnt once
    assert ask(numbers, "values payback alpha-0.2 base") == ", ".join(f"{value:,.0f}" for value in paid)
    both = [spent + numbers.spent("alpha-0", seed, "tokens_sampled") for seed, spent in enumerate(cost)]
    searched = [2 * spent / gain / 1000 for spent, gain in zip(both, gains, strict=True)]
    assert ask(numbers, "values payback alpha-0.2 base alpha-0") == ", ".join(f"{value:,.0f}" for value in searched)


def test_halves_are_rounded_alike_whatever_their_last_bits() -> None:
    assert [points(value) for value in (-0.0125, -0.012499999999999956, 0.0125, 0.0, -0.0004)] == [
        "-1.3", "-1.3", "+1.3", "0.0", "0.0",
    ]  # fmt: skip
    assert tenths(31.65) == tenths(31.649999999999999) == "31.7"


def test_a_missing_run_is_named_and_leaves_a_gap(records: Path) -> None:
    numbers, missing = Numbers(Records(records), (0, 1)), set[str]()
    with pytest.raises(MissingRunError, match="seed-0/sft-1e-3"):
        ask(numbers, "tokens sft-1e-3")
    assert published.fill("a {{tokens sft-1e-3}} b", numbers, missing) == "a … b"
    assert missing == {"seed-0/sft-1e-3"}
    with pytest.raises(KeyError):
        ask(numbers, "beauty alpha-0.2")


def test_three_seeds_have_no_interval_of_their_mean(records: Path) -> None:
    numbers = Numbers(Records(records), (0, 1))
    assert all("[" not in ask(numbers, f"{name} alpha-0.2") for name in ("tokens", "accuracy", "after", "checks"))
    assert ask(numbers, "problems change alpha-0.2 alpha-0").count("[") == 2


# --- what stands published ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", sorted(path.name for path in published.PAGES.iterdir()))
def test_every_number_of_a_page_is_asked_for_in_words_that_are_known(page: str) -> None:
    text = (published.PAGES / page).read_text(encoding="utf-8")
    asked = [question.split() for question in published.QUESTION.findall(text)]
    words = [question[1] if question[0] in ("mean", "values", "problems") else question[0] for question in asked]
    assert len(words) > 20
    assert set(words) <= {*SEED, "step"}


@pytest.mark.slow
@pytest.mark.skipif(not KEPT.is_dir(), reason="the comparison's records are not packed yet")
def test_the_published_pages_are_what_the_records_give() -> None:
    numbers, missing = Numbers(Records(KEPT), compare.SEEDS), set[str]()
    found = published.pages(numbers, missing)
    assert missing == set()
    assert {str(path): published.differing(path, text) for path, text in found.items()} == {str(p): [] for p in found}


@pytest.mark.slow
@pytest.mark.skipif(not KEPT.is_dir(), reason="the comparison's records are not packed yet")
def test_a_part_of_the_published_records_by_plain_arithmetic() -> None:
    with (ROOT / "docs" / "results" / "models.csv").open(encoding="utf-8") as file:
        told = {(row["run"], int(row["seed"])): row for row in csv.DictReader(file)}
    for run, seed in (("base", 0), ("alpha-0.2", 1), ("sft-1e-3", 2)):
        assert float(told[run, seed]["tokens"]) == pytest.approx(mean_tokens(KEPT, seed, run), rel=1e-12)
        kept = list(rows(KEPT, seed, run))
        assert set(kept[0]) == set(RESPONSE)
        assert len(kept) == 2400
        right = sum(row["status"] == "CORRECT" and row["finish"] == "eos" for row in kept)
        assert float(told[run, seed]["accuracy"]) == pytest.approx(right / len(kept), rel=1e-12)
