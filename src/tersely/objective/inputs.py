"""Checks on what callers hand to the objective: lists and arrays in, validated arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tersely.errors import UserError
from tersely.records import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class GroupInput:
    """One validated group: three arrays of the same shape [G], G >= 1."""

    correct_G: BoolArray
    """[G] judged correct; a truncated response is the caller's to mark as wrong."""
    lengths_G: FloatArray
    """[G] finite tokens, >= 0 where counted."""
    counted_G: BoolArray
    """[G] False where the judge could not say."""


def read_group(correct_G: ArrayLike, lengths_G: ArrayLike, judged_G: ArrayLike | None, where: str = "") -> GroupInput:
    """Validate one group; ``where`` (such as ``"group 3: "``) opens the message of every UserError."""
    correct = _truths(correct_G, "correct", where)
    lengths = _lengths(lengths_G, where)
    judged = np.ones(correct.shape, dtype=np.bool_) if judged_G is None else _truths(judged_G, "judged", where)
    if not correct.shape == lengths.shape == judged.shape:
        shapes = f"correct {correct.size}, lengths {lengths.size}, judged {judged.size}"
        raise UserError(f"{where}one value a response is needed in each array, but sizes differ: {shapes}")
    if correct.size == 0:
        raise UserError(f"{where}a group needs at least one response, this one has none")
    if (lengths[judged] < 0).any():
        raise UserError(f"{where}lengths count tokens and cannot be negative, but one is {lengths[judged].min():g}")
    return GroupInput(correct, lengths, judged)


def _array(values: ArrayLike, name: str, where: str) -> NDArray[np.generic]:
    try:
        array = np.asarray(values)
    except ValueError as error:  # ragged nesting
        raise UserError(f"{where}{name} must be a flat list or a one-dimensional array: {error}") from error
    if array.ndim != 1:
        raise UserError(f"{where}{name} must be one-dimensional, one value a response, but has shape {array.shape}")
    return array


def _truths(values: ArrayLike, name: str, where: str) -> BoolArray:
    """Booleans, or numbers that are exactly 0 or 1."""
    array = _array(values, name, where)
    if array.size and array.dtype.kind not in "biuf":
        raise UserError(f"{where}{name} must hold True or False (or 1 or 0), not values like {array[0]!r}")
    odd = array[(array != 0) & (array != 1)] if array.size else array
    if odd.size:
        raise UserError(f"{where}{name} must hold True or False (or 1 or 0), but one value is {odd[0]}")
    return np.array(array, dtype=np.bool_)


def _lengths(values: ArrayLike, where: str) -> FloatArray:
    array = _array(values, "lengths", where)
    # kind "O" is how numpy holds integers beyond 64 bits; float64 takes them up to 1e308.
    if array.size and (array.dtype.kind not in "iufO" or any(isinstance(v, bool) for v in array.tolist())):
        raise UserError(f"{where}lengths must be numbers of tokens, not values like {array[0]!r}")
    try:
        lengths = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{where}lengths must be numbers of tokens: {error}") from error
    if not np.isfinite(lengths).all():
        raise UserError(f"{where}lengths must be finite, but one is {lengths[~np.isfinite(lengths)][0]}")
    return lengths
