"""An evaluation that asks more than the one in its folder: what is there is kept, and what is missing is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tersely.models.prompt_identity import prompts_digest
from tersely.records import Json, Problem
from tersely.rollouts import PromptIds
from tersely.runs.identity import Grows, same_work
from tersely.tasks.load import beginning


def more_of_it(wanted: Mapping[str, Any], problems: Sequence[Problem], prompts: PromptIds) -> Grows:
    """An evaluation of the first of these problems, or with fewer responses to each, is a beginning of the wanted one:
    each response is a function of weights, seed, problem and its number among the siblings.

    ``wanted`` is the identity of the larger one.
    """

    def grows(old: Json) -> bool:
        k, first = old.get("k"), beginning(problems, str(old.get("task_sha256")))
        if first is None or not isinstance(k, int) or k > wanted["k"]:
            return False
        asked = {problem.id: prompts[problem.id] for problem in first}
        smaller = {"size": old.get("size"), "k": k, "task_sha256": old["task_sha256"]}
        return same_work(old, {**wanted, **smaller, "prompts_sha256": prompts_digest(asked)})

    return grows
