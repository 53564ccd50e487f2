"""Flat batches, as other engines hold them: one row a response, siblings wherever they stand.

``_N``: the rows of the batch in the order given.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tersely.errors import UserError
from tersely.objective.group import GroupView, State
from tersely.objective.inputs import read_group
from tersely.records import BoolArray, Credit, FloatArray


@dataclass(frozen=True, slots=True)
class FlatCredit:
    """What each row of a flat batch earned: ``Credit`` laid out as the batch was given."""

    rewards_N: FloatArray
    """[N] 0 where not counted."""
    advantages_N: FloatArray
    """[N] 0 where not counted and in dropped groups."""
    counted_N: BoolArray
    """[N] False where the judge could not say."""
    dropped: Mapping[Hashable, str]
    """Why a whole group gives no credit, by its id; groups that do give credit are not in it."""
    parts: Mapping[str, FloatArray]
    """Named parts of the reward, each [N]."""
    state: State | None = None
    """What the method remembers after this batch; None for methods that remember nothing."""


def places_of(group_ids: Iterable[Hashable]) -> dict[Hashable, list[int]]:
    """Rows of each group by its id, groups in order of their first row. UserError for ids that cannot be compared."""
    # An array or a tensor hands out scalars of its own, which need not be equal where their values are.
    ids = group_ids.tolist() if hasattr(group_ids, "tolist") else group_ids
    places: dict[Hashable, list[int]] = {}
    try:
        for row, group in enumerate(ids):
            if group != group:
                raise UserError(f"row {row}: group_ids holds {group!r}, which equals nothing, not even itself")
            places.setdefault(group, []).append(row)
    except TypeError as error:
        raise UserError(f"group_ids must hold a string or an integer a response: {error}") from error
    return places


def split(
    places: Mapping[Hashable, Sequence[int]],
    columns: Mapping[str, ArrayLike | None],
    cap: int | None,
    problem_ids: Sequence[str] | None,
) -> list[GroupView]:
    """The batch as groups, in the order of ``places``; columns by the names of ``read_group``."""
    taken = {name: _column(name.removesuffix("_G"), values) for name, values in columns.items() if values is not None}
    total = sum(map(len, places.values()))
    sizes = {name.removesuffix("_G"): len(values) for name, values in taken.items()}
    if problem_ids is not None:
        sizes["problem_ids"] = len(problem_ids)
    if set(sizes.values()) - {total}:
        said = ", ".join(f"{name} {size}" for name, size in {"group_ids": total, **sizes}.items())
        raise UserError(f"one value a response is needed in each array, but sizes differ: {said}")
    return [
        read_group(
            **{name: [values[i] for i in rows] for name, values in taken.items()},
            where=f"group {group!r}: ",
            cap=cap,
            problem_id=None if problem_ids is None else _one_problem(group, [problem_ids[i] for i in rows]),
        )
        for group, rows in places.items()
    ]


def joined(places: Mapping[Hashable, Sequence[int]], credits: Sequence[Credit], state: State | None) -> FlatCredit:
    """Credits of groups laid out as their rows stood in the batch."""
    order = np.array([row for rows in places.values() for row in rows], dtype=np.intp)
    dropped = {g: credit.dropped for g, credit in zip(places, credits, strict=True) if credit.dropped is not None}
    names = list(dict.fromkeys(name for credit in credits for name in credit.parts))
    parts = {
        name: _laid_out(order, [credit.parts.get(name, np.zeros_like(credit.rewards_G)) for credit in credits])
        for name in names
    }
    return FlatCredit(
        _laid_out(order, [credit.rewards_G for credit in credits]),
        _laid_out(order, [credit.advantages_G for credit in credits]),
        _laid_out(order, [credit.counted_G for credit in credits], np.bool_),
        dropped,
        parts,
        state,
    )


def _laid_out(order_N: NDArray[np.intp], values: Sequence[NDArray[Any]], dtype: Any = np.float64) -> NDArray[Any]:
    flat_N = np.zeros(order_N.size, dtype=dtype)
    flat_N[order_N] = np.concatenate([flat_N[:0], *values])
    return flat_N


def _column(name: str, values: ArrayLike) -> list[Any]:
    """Plain values of a flat list, array or tensor."""
    array: Any = "" if isinstance(values, str) else values
    try:
        return list(array.tolist() if hasattr(array, "tolist") else array)
    except (TypeError, RuntimeError) as error:  # a single number, or a tensor that gives no values
        raise UserError(f"{name} must be a flat list or a one-dimensional array: {error}") from error


def _one_problem(group: Hashable, problems: Sequence[str]) -> str:
    if len(set(problems)) > 1:
        raise UserError(f"group {group!r} holds responses to several problems: {problems[0]!r} and others")
    return problems[0]
