"""Copies of a model's weights in another type: what is sampled from beside what is trained."""

from __future__ import annotations

import copy
from typing import Any

import torch


def cast_copy(model: Any, dtype: torch.dtype) -> Any:
    """A copy of the model with its parameters in ``dtype``; a whole copy in the model's own type never exists.

    Parameters alone: rotary frequencies in bfloat16 would turn distant positions by wrong angles.
    """
    ready = {id(p): torch.nn.Parameter(p.detach().to(dtype, copy=True)) for p in model.parameters()}
    # deepcopy takes what its memo has under an object's id for the copy of that object.
    return copy.deepcopy(model, ready)
