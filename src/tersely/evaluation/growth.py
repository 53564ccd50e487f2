"""Work that asks more than what is in its folder: what is there is kept, and what is missing is added."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tersely.models.prompt_identity import prompts_digest
from tersely.records import Json, Problem
from tersely.runs.identity import Grows, same_work
from tersely.tasks.load import beginning
from tersely.tasks.prompts import PromptIds

PromptsOf = Callable[[Problem], PromptIds]
"""What a problem is asked, by the names that the digest of all prompts has."""


def more_of_it(wanted: Mapping[str, Any], problems: Sequence[Problem], prompts_of: PromptsOf) -> Grows:
    """An evaluation of the first of these problems, or with fewer responses to each, is a beginning of the wanted one:
    each response is a function of weights, seed, problem and its number among the siblings.

    ``wanted`` is the identity of the larger one.
    """

    def grows(old: Json) -> bool:
        k = old.get("k")
        return type(k) is int and k <= wanted["k"] and _begins(old, {**wanted, "k": k}, problems, prompts_of, "size")

    return grows


def more_samples(wanted: Mapping[str, Any], problems: Sequence[Problem], prompts_of: PromptsOf) -> Grows:
    """Samples of the first of these problems, or with fewer responses to each, are a beginning of the wanted ones."""

    def grows(old: Json) -> bool:
        n = old.get("n")
        if type(n) is not int or n > wanted["n"]:
            return False
        fewer = {**wanted, "n": n, "sampling": {**wanted["sampling"], "n": n}}
        return _begins(old, fewer, problems, prompts_of, "train_size")

    return grows


def _begins(
    old: Json, wanted: Mapping[str, Any], problems: Sequence[Problem], prompts_of: PromptsOf, size: str
) -> bool:
    """Whether the older work is the wanted one of its first problems. ``size``: the setting that says how many."""
    first = beginning(problems, str(old.get("task_sha256")))
    if first is None:
        return False
    asked = {name: ids for problem in first for name, ids in prompts_of(problem).items()}
    smaller = {size: old.get(size), "task_sha256": old["task_sha256"], "prompts_sha256": prompts_digest(asked)}
    return same_work(old, {**wanted, **smaller})
