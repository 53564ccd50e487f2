"""The page of one `tersely tune` shows what lies in its folder: path, frontier, floor, choice, certificate."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import fake_runs
from pages import PAYLOADS, Page, blank_figures
from tersely.cli import main
from tersely.errors import StorageError, UserError
from tersely.page.render import write_tuned
from tersely.runs.logs import read_log
from tersely.tune.found import Tuned, is_tuned, read_tuned
from tersely.tune.measured import Measured

SENTENCE = "step-000010 loses at most 3 points against the base: on 600 problems. It is right in 97 %."
MIX = "mix-0.5000-step-000005-0.5000-step-000010"


def measured(member: str, step: int, alpha: float | None, right: int, tokens: int) -> Measured:
    """Of 60 problems, two responses each."""
    return Measured(member, step, alpha, (2,) * right + (0,) * (60 - right), (2,) * 60, ((tokens, tokens),) * 60)


def certificate(target: dict[str, Any], member: str, sentence: str, trials: list[dict[str, Any]]) -> dict[str, Any]:
    return {"target": target, "member": member, "reference": "base", "sentence": sentence, "trials": trials}


def make_tuned(root: Path, sentence: str = SENTENCE) -> Path:
    """A folder as `tersely tune` leaves it: cut at step 10, one mix, a floor and a length."""
    base = fake_runs.make_base(root)
    tuned = root / "tuned"
    (tuned / "certificates").mkdir(parents=True)
    fake_runs.make_run(root, base, 0.2, steps=15).rename(tuned / "run")
    shutil.rmtree(tuned / "run" / "evaluation")
    alphas = [0.025 * step for step in range(1, 11)] + [0.075] * 5
    journal = read_log(tuned / "run/journal.jsonl")
    steps = [{**line, "alpha": alpha} for line, alpha in zip(journal, alphas, strict=True)]
    fake_runs.write_jsonl(tuned / "run/journal.jsonl", steps)
    seen = [
        measured("base", 0, None, 57, 80),
        measured("step-000005", 5, 0.125, 60, 50),
        measured("step-000010", 10, 0.25, 57, 40),
        measured("step-000015", 15, 0.075, 54, 45),
    ]
    fake_runs.write_jsonl(tuned / "run/screen.jsonl", [one.to_json() for one in seen])
    records = fake_runs.make_records(0.2, 3)
    for part in (f"screen/{MIX}", "last_word/step-000010"):
        fake_runs.write_evaluation(tuned / "measured" / part, records, 2)
        (tuned / "measured" / part / "evaluation/arithmetic").rename(tuned / "measured" / part / "arithmetic")
    trials = [
        {"member": "step-000005", "test": "test", "problems": 600, "passed": True},
        {"member": "step-000010", "test": "test", "problems": 1200, "passed": True},
        {"member": MIX, "test": "guard-gsm8k", "problems": 300, "passed": False},
    ]
    for name, content in {
        "lose-at-most-3": certificate({"loss": 0.03}, "step-000010", sentence, trials),
        "tokens-50": certificate({"tokens": 50}, "step-000005", "step-000005 needs at most 50 tokens.", []),
    }.items():
        (tuned / "certificates" / f"{name}.json").write_text(json.dumps(content))
    return tuned


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tuned(tmp_path_factory.mktemp("tuned"))


@pytest.fixture(scope="module")
def found(tuned: Path) -> Tuned:
    return read_tuned(tuned)


def test_a_folder_is_read_as_it_was_written(found: Tuned) -> None:
    assert [one.member for one in found.way] == ["base", "step-000005", "step-000010", "step-000015"]
    assert found.alphas[9:12] == ((10, pytest.approx(0.25)), (11, 0.075), (12, 0.075))
    by_name = {one.member: one for one in found.seen}
    assert by_name["step-000005"].change == pytest.approx(0.05)  # 60 of 60 right instead of 57
    assert {name: one.kind for name, one in by_name.items()} == {
        "base": "base", "step-000005": "chosen", "step-000010": "chosen", "step-000015": "checkpoint",
        MIX: "weights in between",
    }  # fmt: skip
    assert by_name["step-000005"].came == "chosen: needs at most 50 tokens on average"
    assert by_name[MIX].came == "failed (loses at most 3 points) on 300 problems of guard-gsm8k"
    assert by_name[MIX].alpha is None
    assert found.floors == [pytest.approx(0.95 - 0.03)]
    assert found.lengths == [50]
    assert found.cost.sampled == sum(step.response_tokens or 0 for step in found.run.journal)


@pytest.mark.slow
def test_the_page_says_the_certificate_and_shows_every_model(tuned: Path, tmp_path: Path) -> None:
    page = write_tuned(tuned, tmp_path / "page", commands=["tersely tune --out tuned"])
    text = "".join(Page(page.read_text(encoding="utf-8")).texts)
    assert SENTENCE.partition(". ")[0] in text
    assert "It is right in 97\u00a0%." in text
    assert "step-000005 needs at most 50 tokens." in text
    assert "tersely tune --out tuned" in text
    rows = list(csv.DictReader(io.StringIO((tmp_path / "page/tables/tune.csv").read_text(encoding="utf-8"))))
    assert [(row["member"], row["alpha"], row["tokens"]) for row in rows[:2]] == [
        ("base", "", "80.0"), ("step-000005", "0.125", "50.0"),
    ]  # fmt: skip
    svg = (tmp_path / "page/figures/tune.svg").read_text(encoding="utf-8")
    for words in ("chosen", "weights in between", "α of every step", "step-000010"):
        assert words in svg
    assert (tmp_path / "page/report.md").read_text(encoding="utf-8").startswith("# step-000010 loses at most 3 points")


def test_the_command_takes_such_a_folder_alone(
    tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blank_figures(monkeypatch)
    assert main(["report", str(tuned), "--out", str(tmp_path / "page")]) == 0
    assert "loses at most 3 points against the base" in capsys.readouterr().out
    for options, said in ((["other"], "report it alone"), (["--price", "2"], "--price does not go with")):
        assert main(["report", str(tuned), *options, "--out", str(tmp_path / "none")]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_what_is_missing_or_damaged_is_said(tmp_path: Path) -> None:
    tuned = make_tuned(tmp_path)
    other = tuned / "measured/screen/mix-other"
    shutil.copytree(tuned / "measured/screen" / MIX, other)
    responses = other / "arithmetic/responses.jsonl"
    responses.write_text("".join(responses.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(StorageError, match=r"mix-other.*60 screening problems: remove it"):
        read_tuned(tuned)
    shutil.rmtree(tuned / "measured" / "last_word")
    with pytest.raises(UserError, match=r"no finished last word: run its `tersely tune` again"):
        read_tuned(tuned)
    (tuned / "certificates" / "tokens-50.json").write_text('{"target": {"tokens": 50}}')
    with pytest.raises(StorageError, match=r"tokens-50\.json.*certificate"):
        read_tuned(tuned)
    shutil.rmtree(tuned / "certificates")
    assert not is_tuned(tuned)


def test_no_text_of_a_certificate_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blank_figures(monkeypatch)
    page = Page(write_tuned(make_tuned(tmp_path, " ".join(PAYLOADS)), tmp_path / "page").read_text(encoding="utf-8"))
    assert not any(tag in ("script", "img", "iframe") for tag, _ in page.tags)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
