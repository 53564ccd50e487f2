"""What stands on the page of decoding options: the copies that are measured, and the records of their points."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import decoding
import pack
from asked import Numbers, ask
from packed import Records

import fake_runs
from tersely.samplers.decoding import Decoding


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A seed of the comparison, made up."""
    folder = tmp_path / "runs/seed-0"
    base = fake_runs.make_base(folder)
    for name in decoding.FAMILY:
        alpha = float(name.removeprefix("alpha-"))
        fake_runs.make_run(folder, base, alpha, steps=2).rename(folder / name)
    fake_runs.write_evaluation(folder / "alpha-0.2", fake_runs.make_records(0.2, 0), 2, "arithmetic@step-000001")
    return tmp_path / "runs"


def test_base_and_family_are_copied_once_and_nothing_is_written_there(runs: Path, tmp_path: Path) -> None:
    before = sorted(runs.rglob("*"))
    decoding.copied(runs, tmp_path / "out", 0)
    assert {path.name for path in (tmp_path / "out/seed-0").iterdir()} == {"base", *decoding.FAMILY}
    there = tmp_path / "out/seed-0/alpha-0.2/evaluation"
    assert [path.name for path in there.iterdir()] == ["arithmetic"]
    (there / "mine").touch()
    decoding.copied(runs, tmp_path / "out", 0)
    assert (there / "mine").exists()
    assert sorted(runs.rglob("*")) == before


@pytest.mark.slow
def test_points_are_packed_beside_the_comparison_and_asked_like_its_runs(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "RECORDS", tmp_path / "comparison")
    pack.pack(runs, tmp_path / "comparison", "0123abc")
    decoding.copied(runs, tmp_path / "out", 0)
    base = tmp_path / "out/seed-0/base"
    records = fake_runs.make_records(0.4, 0)
    for name in ("arithmetic@budget-16", "arithmetic@nowait"):
        fake_runs.write_evaluation(base, records, 2, name)
    decoding.pack(tmp_path / "out", (0,), "4567def", tmp_path / "decoding")
    found = Numbers(Records(tmp_path / "comparison", tmp_path / "decoding"), (0,))
    mean = sum(record.tokens for record in records) / len(records)
    assert ask(found, "mean tokens base@budget-16") == f"{mean:.1f}"
    assert ask(found, "mean change base@budget-16 alpha-0.4").startswith(("+", "-", "0"))
    about = Records(tmp_path / "decoding").about
    assert about["commit"] == "4567def"
    assert about["commands"][0].startswith("tersely evaluate runs/decoding/seed-0/base --task arithmetic --size 1200")


def test_every_point_of_the_page_is_one_that_is_measured() -> None:
    text = (Path(decoding.__file__).parent / "pages/decoding.md").read_text(encoding="utf-8")
    for model, points in {"base": decoding.BASE, **decoding.TRAINED}.items():
        for point in points:
            assert f"{{{{tokens {model}@{Decoding(point).variant}}}}}" in text


def test_the_page_is_of_copies_against_their_own_base(tmp_path: Path) -> None:
    words = decoding.page(tmp_path).arguments
    assert words[words.index("--base") + 1] == str(tmp_path / "seed-0/base")
    assert str(tmp_path / "seed-0/alpha-0.2") in words
