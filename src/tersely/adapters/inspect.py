"""Our judge as a scorer of inspect-ai: ``Task(dataset=..., solver=generate(), scorer=judge())``."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from tersely.adapters.grading import problem_of, shared_judge
from tersely.errors import UserError
from tersely.extras import install_command
from tersely.records import Finish, Kind, Rollout, Status, Verdict
from tersely.rollouts import Grader, judged

FINISHES: Mapping[str, Finish] = {
    **dict.fromkeys(("stop", "tool_calls", "unknown"), Finish.EOS),
    **dict.fromkeys(("max_tokens", "model_length"), Finish.LENGTH),
}
"""By inspect's stop reason; any other one (a filter) aborted the response. An agent may end with the call that submits
its answer."""
GRADES = {Status.CORRECT: "C", Status.WRONG: "I", Status.NO_ANSWER: "N", Status.UNJUDGED: math.nan}
"""inspect's own values; NaN is its "unscored", which enters no metric."""


def judge(kind: str | None = None, verifier: str | None = None, workers: int = 2) -> Any:
    """The scorer; it says C, I, N (no answer, or cut off) or NaN (nobody could say), or a verifier's score in [0, 1].

    ``kind`` is how an answer is compared with the target (math; choice where a sample has choices), ``verifier`` a
    ``package.module:Name`` that decides instead. Of several targets any one will do. UserError where inspect-ai is not
    installed.
    """
    return _factory()(kind=kind, verifier=verifier, workers=workers)


def verdict(text: str, finish: Finish, targets: Sequence[str], question: str, kind: str, by: Grader) -> Verdict:
    """Of one response: CORRECT where it is for any target, else UNJUDGED where it is for any."""
    problems = [problem_of(target, None, kind, question) for target in targets or [""]]
    pairs = [(problem, Rollout(problem.id, 0, (), (), None, text, finish, 0)) for problem in problems]
    found = judged(pairs, by, ())
    order = (Status.CORRECT, Status.UNJUDGED, Status.WRONG, Status.NO_ANSWER)
    return min(found, key=lambda one: (-one.credit, order.index(one.status)))


@lru_cache(maxsize=1)
def _factory() -> Callable[..., Any]:
    """Registered with inspect once, as ``tersely_judge``."""
    try:
        scoring = importlib.import_module("inspect_ai.scorer")
        run_in_thread = importlib.import_module("anyio.to_thread").run_sync
    except ModuleNotFoundError as error:
        raise UserError(f"our judge as a scorer needs inspect-ai: {install_command('inspect')}") from error

    def tersely_judge(kind: str | None, verifier: str | None, workers: int) -> Any:
        by = shared_judge(verifier, workers)

        async def score(state: Any, target: Any) -> Any:
            finish = FINISHES.get(state.output.stop_reason, Finish.ABORTED)
            how = kind or (Kind.CHOICE if len(state.choices) else Kind.MATH)
            asked = (state.output.completion, finish, list(target), state.input_text, how, by)
            # The judge may wait for its processes: not in the loop that the model's calls run in.
            found = await run_in_thread(verdict, *asked)
            value = GRADES[found.status] if found.score is None else found.score
            return scoring.Score(value=value, answer=found.extracted, explanation=found.reason)

        return score

    made: Callable[..., Any] = scoring.scorer(metrics=[scoring.accuracy(), scoring.stderr()])(tersely_judge)
    return made
