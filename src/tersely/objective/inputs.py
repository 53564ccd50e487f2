"""Checks on what callers hand to the objective: lists and arrays in, a validated ``GroupView`` out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tersely.errors import UserError
from tersely.objective.group import GroupView
from tersely.records import BoolArray, FloatArray, Group


def read_group(
    correct_G: ArrayLike,
    lengths_G: ArrayLike,
    judged_G: ArrayLike | None = None,
    where: str = "",
    *,
    truncated_G: ArrayLike | None = None,
    cap: int | None = None,
    budgets_G: ArrayLike | None = None,
    texts_G: Sequence[str] | None = None,
    problem_id: str | None = None,
) -> GroupView:
    """Validate one group; ``where`` (such as ``"group 3: "``) opens the message of every UserError.

    ``correct_G`` [G] True or False, or scores in [0, 1]; the others as in ``GroupView``.
    """
    scores, lengths = _scores(correct_G, where), _numbers(lengths_G, "lengths", where)
    judged = np.ones(scores.shape, dtype=np.bool_) if judged_G is None else _truths(judged_G, "judged", where)
    truncated = None if truncated_G is None else _truths(truncated_G, "truncated", where)
    budgets = None if budgets_G is None else _numbers(budgets_G, "budgets", where)
    texts = None if texts_G is None else _texts(texts_G, where)
    sizes = {"correct": scores.size, "lengths": lengths.size, "judged": judged.size}
    further = {"truncated": truncated, "budgets": budgets, "texts": texts}
    _require_equal(sizes | {name: len(values) for name, values in further.items() if values is not None}, where)
    if scores.size == 0:
        raise UserError(f"{where}a group needs at least one response, this one has none")
    view = GroupView(scores, lengths, judged, truncated, _cap(cap, where), budgets, texts, problem_id)
    _require_sense(view, where)
    return view


def view_of(
    group: Group, *, cap: int | None = None, budgets_G: ArrayLike | None = None, level: str | None = None
) -> GroupView:
    """What a method is shown of a group of responses: scores, lengths, verdicts, truncation, texts, problem.

    ``budgets_G`` [G] tokens, or ``level`` of effort, that the prompt asked for.
    """
    view = read_group(
        group.scores_G,
        group.lengths_G,
        group.judged_G,
        f"problem {group.problem.id}: ",
        truncated_G=group.truncated_G,
        cap=cap,
        budgets_G=budgets_G,
        texts_G=[rollout.text for rollout in group.rollouts],
        problem_id=group.problem.id,
    )
    return view if level is None else replace(view, level=level)


def _require_equal(sizes: dict[str, int], where: str) -> None:
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise UserError(f"{where}one value a response is needed in each array, but sizes differ: {said}")


def _require_sense(view: GroupView, where: str) -> None:
    counted_lengths = view.lengths_G[view.counted_G]
    if (counted_lengths < 0).any():
        raise UserError(f"{where}lengths count tokens and cannot be negative, but one is {counted_lengths.min():g}")
    if view.budgets_G is not None and (view.budgets_G <= 0).any():
        raise UserError(f"{where}budgets count tokens and must be above 0, but one is {view.budgets_G.min():g}")
    if view.truncated_G is not None and (view.truncated_G & view.earning_G).any():
        raise UserError(f"{where}a truncated response is never correct, but one is marked as both: mark it as wrong")


def _array(values: ArrayLike, name: str, where: str) -> NDArray[np.generic]:
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged nesting, or a tensor that numpy cannot take
        raise UserError(f"{where}{name} must be a flat list or a one-dimensional array: {error}") from error
    if array.ndim != 1:
        raise UserError(f"{where}{name} must be one-dimensional, one value a response, but has shape {array.shape}")
    return array


def _truths(values: ArrayLike, name: str, where: str, may_be: str = "True or False (or 1 or 0)") -> BoolArray:
    """Booleans, or numbers that are exactly 0 or 1."""
    array = _array(values, name, where)
    _require_kind(array, name, may_be, where)
    odd = array[(array != 0) & (array != 1)] if array.size else array
    if odd.size:
        raise UserError(f"{where}{name} must hold {may_be}, but one value is {odd[0]}")
    return np.array(array, dtype=np.bool_)


def _scores(values: ArrayLike, where: str) -> FloatArray:
    """Booleans as 1 and 0, or numbers in [0, 1]."""
    may_be = "True or False (or scores from 0 to 1)"
    array = _array(values, "correct", where)
    _require_kind(array, "correct", may_be, where)
    scores = array.astype(np.float64)
    odd = scores[~((scores >= 0) & (scores <= 1))]  # NaN is odd too
    if odd.size:
        raise UserError(f"{where}correct must hold {may_be}, but one value is {odd[0]:g}")
    return scores


def _require_kind(array: NDArray[np.generic], name: str, may_be: str, where: str) -> None:
    if array.size and array.dtype.kind not in "biuf":
        raise UserError(f"{where}{name} must hold {may_be}, not values like {array[0]!r}")


def _numbers(values: ArrayLike, name: str, where: str) -> FloatArray:
    array = _array(values, name, where)
    # kind "O" is how numpy holds integers beyond 64 bits; float64 takes them up to 1e308.
    if array.size and (array.dtype.kind not in "iufO" or any(isinstance(v, bool) for v in array.tolist())):
        raise UserError(f"{where}{name} must be numbers of tokens, not values like {array[0]!r}")
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{where}{name} must be numbers of tokens: {error}") from error
    if not np.isfinite(numbers).all():
        raise UserError(f"{where}{name} must be finite, but one is {numbers[~np.isfinite(numbers)][0]}")
    return numbers


def _texts(values: Sequence[str], where: str) -> tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(text, str) for text in values):
        raise UserError(f"{where}texts must hold one string a response")
    return tuple(values)


def _cap(cap: object, where: str) -> int | None:
    if cap is None:
        return None
    if isinstance(cap, bool) or not isinstance(cap, int | np.integer) or cap < 1:
        raise UserError(f"{where}cap must be a whole number of tokens of at least 1, not {cap!r}")
    return int(cap)
