"""Sets that share nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tersely.analysis.bounded import fewest_problems
from tersely.config import TrainConfig, resolve
from tersely.errors import UserError
from tersely.tasks import load_task
from tersely.tune.split import Sets, deal, fewest_held_out, make_sets
from tersely.verify import Judge


def rows(path: Path, count: int, start: int = 0) -> Path:
    lines = [{"problem": f"What is {i} + 1?", "answer": str(i + 1)} for i in range(start, start + count)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def config(task: str | Path, **more: object) -> TrainConfig:
    return resolve({"model": "m", "task": str(task), "template": "question", **more})


def made(task: str | Path, held_out: str | None = None, **more: object) -> Sets:
    with Judge(workers=1) as judge:
        return make_sets(config(task, **more), held_out, judge)


def require_disjoint(sets: Sets) -> None:
    parts = [{p.id for p in part} for part in (sets.training, sets.screen, sets.test, sets.last_word)]
    assert len(set.union(*parts)) == sum(map(len, parts))


def test_a_file_alone_is_split_and_the_order_of_its_lines_does_not_matter(tmp_path: Path) -> None:
    task = rows(tmp_path / "t.jsonl", 1000)
    sets = made(task)
    require_disjoint(sets)
    assert [len(sets.training), len(sets.screen), len(sets.test), len(sets.last_word)] == [600, 60, 220, 120]
    turned = tmp_path / "turned.jsonl"
    turned.write_text("".join(reversed(task.read_text().splitlines(keepends=True))))
    assert [p.id for p in made(turned).test] == [p.id for p in sets.test]


@pytest.mark.slow
def test_held_out_problems_leave_the_task_whole(tmp_path: Path) -> None:
    sets = made(rows(tmp_path / "t.jsonl", 50), str(rows(tmp_path / "h.jsonl", 5000, 100)))
    require_disjoint(sets)
    assert [len(sets.training), len(sets.screen), len(sets.test), len(sets.last_word)] == [50, 400, 2400, 1200]


@pytest.mark.slow
def test_the_embedded_task_makes_its_own(tmp_path: Path) -> None:
    sets = made("arithmetic", train_size=64)
    require_disjoint(sets)
    assert [len(sets.training), len(sets.screen), len(sets.test), len(sets.last_word)] == [64, 400, 2400, 1200]


def test_shared_problems_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not held out"):
        made(rows(tmp_path / "t.jsonl", 300), str(rows(tmp_path / "h.jsonl", 300, 299)))


def test_too_few_are_refused_with_the_number_needed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="130 are the least"):
        made(rows(tmp_path / "t.jsonl", 100))
    with pytest.raises(UserError, match="lower it to 600"):
        made(rows(tmp_path / "u.jsonl", 1000), train_size=700)


def test_what_is_said_to_be_the_least_is_enough_and_one_less_is_not() -> None:
    problems, least = load_task("arithmetic", "held_out", 600), fewest_held_out(0.01)
    with pytest.raises(UserError, match=f"too few for what is asked.*{least} are the least"):
        deal(problems[: least - 1], "arithmetic", least)
    _, test, _ = deal(problems[:least], "arithmetic", least)
    assert len(test) == fewest_problems(0.01, 0.95) == 299
    assert fewest_held_out(0.03) < least


def test_a_loss_that_no_number_of_problems_shows_is_refused_with_one_that_can_be() -> None:
    with pytest.raises(UserError, match=r"allow 0\.2 points or more"):
        fewest_held_out(0.001)
    assert fewest_held_out(0.002) > 0
