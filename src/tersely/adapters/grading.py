"""Our judge as the accuracy of an engine: a problem and a response in, one number out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

from tersely.adapters.rows import UNJUDGED
from tersely.errors import UserError
from tersely.records import Finish, Kind, Problem, Rollout, Status, content_id
from tersely.rollouts import Grader, judged
from tersely.verify import Judge


def described(problem: Problem) -> str:
    """The problem as text for a column of an engine's data set, whatever columns it has itself."""
    return json.dumps(problem.to_json(), ensure_ascii=False)


def problem_of(answer: str | None, text: str | None = None, kind: str | None = None, question: str = "") -> Problem:
    """The problem that ``described`` wrote as ``text``; without one, what a foreign data set knows of it: its gold
    ``answer`` and the ``kind`` of it (math). UserError where neither is there."""
    if text:
        return Problem(**json.loads(text))
    if answer is None:
        raise UserError("a response is judged by its problem's answer: give the data set a column 'answer'")
    gold = str(answer)
    return Problem(content_id(question, gold), question, gold, kind or Kind.MATH, "the engine's data set")


def scores(problems: Sequence[Problem], texts: Sequence[str], judge: Grader, opened: Sequence[bool]) -> list[float]:
    """In [0, 1] for each response, or ``UNJUDGED``; ``opened``: whether its prompt opens a thought."""
    pairs = [(p, Rollout(p.id, 0, (), (), None, text, Finish.EOS, 0)) for p, text in zip(problems, texts, strict=True)]
    thoughts = {problem.id for problem, opens in zip(problems, opened, strict=True) if opens}
    found = judged(pairs, judge, thoughts)
    return [UNJUDGED if verdict.status is Status.UNJUDGED else verdict.credit for verdict in found]


@lru_cache(maxsize=4)
def shared_judge(verifier: str | None = None, workers: int = 2) -> Judge:
    """This process's judge, for engines that give a function no place to keep one. Its workers end with the process."""
    return Judge(workers=workers, verifier=verifier)
