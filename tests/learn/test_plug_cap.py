"""The cap on a schedule: what a step has, what the journal says, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tersely.errors import UserError
from tersely.learn import caps
from tersely.learn.caps import CAP_SCHEDULES, CapSchedule, LinearCap, StagedCap
from tersely.models.digest import weights_digest
from tersely.runs.folder import read_config
from tersely.runs.logs import read_log
from tersely.tune.run import require_tunable
from tiny_models import make_model_folder, make_task
from training import settings, train_for_odd_texts


@dataclass(frozen=True)
class Halved(CapSchedule):
    """A toy: half of it until ``until``."""

    until: int = 1

    def cap_at(self, most: int, step: int) -> int:
        return most // 2 if step <= self.until else most


class TakesNoStep(CapSchedule):
    def cap_at(self, most: int) -> int:  # type: ignore[override]
        return most


class Breaks(CapSchedule):
    def cap_at(self, most: int, step: int) -> int:
        return most // (3 - step)


OWN = f"{__name__}:Halved"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("caps")
    make_model_folder(folder / "model")
    make_task(folder / "task.jsonl")
    return folder


def test_linear_falls_from_the_cap_or_rises_to_it_and_then_stays() -> None:
    falls, rises = LinearCap(steps=4, end=2000), LinearCap(steps=4, start=2000)
    # 4000 - 2000 * k / 4, and back.
    assert [falls.cap_at(4000, k) for k in (1, 2, 3, 4, 5, 99)] == [3500, 3000, 2500, 2000, 2000, 2000]
    assert [rises.cap_at(4000, k) for k in (1, 2, 3, 4, 5, 99)] == [2500, 3000, 3500, 4000, 4000, 4000]


def test_stages_are_thinkprunes() -> None:
    staged = StagedCap([4000, 3000, 2000], steps=180)
    assert [staged.cap_at(4000, k) for k in (1, 180, 181, 360, 361, 9999)] == [4000, 4000, 3000, 3000, 2000, 2000]


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 60), st.integers(1, 100))
def test_linear_never_leaves_its_ends(start: int, end: int, steps: int, step: int) -> None:
    low, high = sorted((start, end))
    assert low <= LinearCap(steps, start, end).cap_at(500, step) <= high


def trained(root: Path, out: Path, **run: Any) -> list[dict[str, Any]]:
    train_for_odd_texts(settings(root, run=run), out)
    return read_log(out / "journal.jsonl")


FALLS = {"cap_schedule": "linear", "cap_settings": {"steps": 4, "end": 8}}


@pytest.mark.slow
def test_a_step_samples_under_its_own_cap_and_the_journal_says_which(root: Path, tmp_path: Path) -> None:
    journal = trained(root, tmp_path / "run", **FALLS)
    assert [line["cap"] for line in journal] == [32, 24, 16, 8]
    for line in journal:
        assert line["response_tokens"] <= 16 * line["cap"]
        assert line["truncated"] > 0  # a random model runs into it
    assert read_config(tmp_path / "run")["run"]["cap_settings"] == {"steps": 4, "end": 8}


def test_a_run_without_a_schedule_tells_of_none(root: Path, tmp_path: Path) -> None:
    assert "cap" not in trained(root, tmp_path / "run", steps=1)[0]
    assert not {"cap_schedule", "cap_settings"} & read_config(tmp_path / "run")["run"].keys()


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_bits(root: Path, tmp_path: Path) -> None:
    whole = trained(root, tmp_path / "run", **FALLS)
    digest = weights_digest(tmp_path / "run/checkpoints/step-000004")
    shutil.rmtree(tmp_path / "run/checkpoints/step-000004")
    (tmp_path / "run/done.json").unlink()
    assert trained(root, tmp_path / "run", **FALLS) == whole
    assert weights_digest(tmp_path / "run/checkpoints/step-000004") == digest


@pytest.mark.slow
def test_a_users_own_schedule_and_one_in_the_table(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = trained(root, tmp_path / "own", steps=2, cap_schedule=OWN)
    monkeypatch.setattr(caps, "CAP_SCHEDULES", MappingProxyType({**CAP_SCHEDULES, "halved": Halved}))
    assert trained(root, tmp_path / "ours", steps=2, cap_schedule="halved") == own
    assert [line["cap"] for line in own] == [20, 40]


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"cap_schedule": "linaer"}, "unknown cap schedule 'linaer' .did you mean 'linear'"),
        ({"cap_schedule": "linear"}, "cap schedule 'linear' needs steps"),
        ({"cap_schedule": "linear", "cap_settings": {"steps": 3}}, "moves nothing: give start, or end"),
        ({"cap_settings": {"end": 3}}, "unknown setting 'end' of cap schedule 'constant'"),
        ({"cap_schedule": "linear", "cap_settings": {"steps": 0, "end": 8}}, "steps .* at least 1, not 0"),
        ({"cap_schedule": "linear", "cap_settings": {"steps": 2, "end": 8.5}}, "end .* whole number .* not 8.5"),
        (
            {"cap_schedule": "linear", "cap_settings": {"steps": 2, "end": 80}},
            "gives 60 at step 1: .*max_new_tokens = 40",
        ),
        ({"cap_schedule": "stages", "cap_settings": {"caps": [], "steps": 2}}, r"a list such as \[4000,3000,2000\]"),
        ({"cap_schedule": "stages", "cap_settings": {"caps": [40, 0], "steps": 2}}, "caps .* not 0"),
        ({"cap_schedule": f"{__name__}:gone"}, "cannot be imported"),
        ({"cap_schedule": "json:dumps"}, "must be a subclass of tersely.learn.caps.CapSchedule"),
        ({"cap_schedule": f"{__name__}:TakesNoStep"}, r"must take \(most, step\)"),
        ({"cap_schedule": f"{__name__}:Breaks"}, "cannot be followed at step 3 .ZeroDivisionError"),
    ],
)
def test_what_is_no_schedule_is_refused_and_nothing_is_written(
    over: dict[str, Any], said: str, root: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        train_for_odd_texts(settings(root, run=over), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"objective": {"method": "cosine", "alpha": None}}, "'cosine' measures lengths by the cap"),
        ({"objective": {"method": "laser-d", "alpha": None}}, "'laser-d' measures lengths by the cap"),
        (
            {"objective": {"method": "l1-exact", "alpha": 3e-4}, "budgets": [4, 40]},
            "prompts ask for budgets up to the cap",
        ),
        # Its target must lie below every cap, not below the first alone.
        (
            {"objective": {"method": "laser", "alpha": None, "settings": {"target": 20}}},
            "not below the cap, which is 16",
        ),
    ],
)
def test_objectives_whose_meaning_would_move_with_the_cap_are_refused(
    over: dict[str, Any], said: str, root: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        train_for_odd_texts(settings(root, run=FALLS, **over), tmp_path / "run")
    train_for_odd_texts(
        settings(root, run={"steps": 1}, objective={"method": "truncation", "alpha": None}), tmp_path / "ok"
    )


def test_tune_measures_under_one_cap(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="moves the cap, by which tune measures every checkpoint"):
        require_tunable(settings(root, run=FALLS), tmp_path / "tuned")
