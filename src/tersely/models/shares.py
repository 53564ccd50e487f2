"""Weights of which a process may hold a share only (a ``DTensor``, known by what only it has)."""

from __future__ import annotations

from torch import Tensor


def is_share(tensor: Tensor) -> bool:
    return hasattr(tensor, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself, or all of one that is shared out (then every rank must call)."""
    gather = getattr(tensor, "full_tensor", None)
    return tensor if gather is None else gather()
