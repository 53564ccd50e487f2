"""Every embedded task agrees with the checker of its answers, and one that does not fails when it is made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tersely.errors import RunError
from tersely.records import Kind, Problem, Status
from tersely.tasks.load import load_task
from tersely.tasks.sources.countdown import countdown_problems
from tersely.tasks.sources.embedded import EMBEDDED_TASKS, EmbeddedTask, require_agreement
from tersely.verify import KINDS, AnswerKind, Judge


@pytest.mark.parametrize("name", EMBEDDED_TASKS)
def test_a_task_s_own_solutions_are_right(name: str) -> None:
    problems = load_task(name, "held_out", 60)
    with Judge(workers=1) as judge:
        assert judge.check_golds([(p.gold, p.kind) for p in problems]) == [None] * 60
        said = judge.grade([(p, rf"so \boxed{{ {EMBEDDED_TASKS[name].solve(p)} }}") for p in problems])
    assert {verdict.status for verdict in said} == {Status.CORRECT}


def test_a_broken_checker_stops_the_task_when_it_is_made() -> None:
    def off_by_one(gold: str, answer: str) -> tuple[Status, str]:
        return KINDS[Kind.COUNTDOWN].decide(gold.replace("1", "2"), answer)

    broken = {**KINDS, Kind.COUNTDOWN: AnswerKind(Kind.COUNTDOWN, off_by_one)}  # type: ignore[arg-type]
    solve, problems = EMBEDDED_TASKS["countdown"].solve, countdown_problems("train", 40, 0)
    require_agreement(problems, solve)
    with pytest.raises(RunError, match=r"the task and its checker disagree: '.*' solves '.*', and the answer kind"):
        require_agreement(problems, solve, broken)


def test_a_task_whose_golds_are_wrong_fails_when_it_is_made() -> None:
    def liars(split: str, size: int, seed: int) -> list[Problem]:
        return [replace(p, answer=p.gold.replace(" from ", "7 from ")) for p in countdown_problems("train", size, seed)]

    task = EmbeddedTask(liars, {"train": 8}, {"train": 0}, solve=EMBEDDED_TASKS["countdown"].solve)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="mend the task's file or the kind's"):
        task.load("train", None)
