"""Samples from an engine that refills its rows: full until the last problem, and nothing that has ended is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from graders import ParityJudge
from refilling_engine import RefillingSampler
from tersely.baselines.kept import read_groups
from tersely.baselines.samples import Part, draw_samples
from tersely.baselines.settings import resolve_samples
from tersely.runs import ended
from tersely.runs.ended import ended_logs, read_ended
from tersely.stop import Stopped
from tiny_models import make_model_folder, make_task
from training import QUIET

pytestmark = pytest.mark.slow
ROWS = 8


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tersely.rollouts.Judge", ParityJudge)
    monkeypatch.setattr(ended, "SECONDS", -1.0)
    for name, value in (("rows", []), ("asked", []), ("stop_after", None)):
        monkeypatch.setattr(RefillingSampler, name, value)
    make_model_folder(tmp_path / "model")
    make_task(tmp_path / "task.jsonl", 8)
    return tmp_path


def draw(root: Path, out: str, engine: str = "refilling_engine:SPEC", n: int = 4, part: Part | None = None) -> list:
    given = {"model": str(root / "model"), "task": str(root / "task.jsonl"), "template": "question", "seed": 3}
    sampling = {"n": n, "max_new_tokens": 40, "max_rows": ROWS, "engine": engine}
    run = {"threads": 1, "judge_workers": 1, "device": "cpu"}
    draw_samples(resolve_samples({**given, "sampling": sampling, "run": run}), root / out, QUIET, part=part)
    return list(read_groups(root / out))


def test_the_samples_are_those_of_blocks_with_their_logprobs_and_no_row_is_idle(root: Path) -> None:
    groups, blocks = draw(root, "full"), draw(root, "blocks", "transformers")
    assert [[(r.index, r.tokens, r.text) for r in g.rollouts] for g in groups] == [
        [(r.index, r.tokens, r.text) for r in g.rollouts] for g in blocks
    ]
    assert [g.verdicts for g in groups] == [g.verdicts for g in blocks]
    for one, other in zip(groups, blocks, strict=True):
        for ours, theirs in zip(one.rollouts, other.rollouts, strict=True):
            assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)
    assert RefillingSampler.rows == sorted(RefillingSampler.rows, reverse=True)
    assert ended_logs(root / "full") == []


def test_a_stop_keeps_what_has_ended_and_more_responses_go_on_with_it(root: Path) -> None:
    RefillingSampler.stop_after = 12
    with pytest.raises(Stopped, match=r"1\d of 32 responses are kept"):
        draw(root, "out")
    RefillingSampler.stop_after = None
    kept = len({line["key"] for line in read_ended(root / "out")})
    assert kept >= 12
    RefillingSampler.asked.clear()
    grown = draw(root, "out")
    assert len(RefillingSampler.asked) == 32 - kept
    whole = draw(root, "whole")
    assert grown == whole
    RefillingSampler.asked.clear()
    assert [len(group.rollouts) for group in draw(root, "out", n=6)] == [6] * 8
    assert sorted(index for _, index in RefillingSampler.asked) == [4] * 8 + [5] * 8


def test_a_part_draws_nothing_beyond_its_end(root: Path) -> None:
    draw(root, "part", part=Part(0, 1))
    assert RefillingSampler.asked == RefillingSampler.rows == []
