"""What a resume needs besides the served weights: moments, master weights, random state, as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tersely.errors import StorageError, first_line
from tersely.learn.optimizer import state_of_parts, state_parts
from tersely.learn.parallel import like
from tersely.models.digest import OPTIMIZER_FILE
from tersely.models.save import save_model
from tersely.models.shares import whole

TRAINING_STATE = "training/optimizer.safetensors"
"""In a checkpoint, below the weights: engines that serve a folder take every safetensors file beside them for more."""

MASTER = "master"
"""Prefix of master weights in the optimizer file."""


def save_training_state(
    folder: Path, model: Any, tokenizer: Any, optimizer: torch.optim.Optimizer, dtype: torch.dtype = torch.float32
) -> None:
    """An ordinary model folder in ``dtype``, and beside it what else a resume needs (``training_state``)."""
    save_model(folder, model, tokenizer, dtype)
    write_training_state(folder, training_state(model, optimizer, has_separate_masters=dtype != model.dtype))


def training_state(
    model: Any, optimizer: torch.optim.Optimizer, has_separate_masters: bool, keep: bool = True
) -> dict[str, torch.Tensor]:
    """The optimizer's moments and torch's random state; the weights that train too where they are ``masters`` of those
    that are served.

    Where weights are shared out every rank must call, and those that ``keep`` have the whole at the end.
    """
    state: dict[str, torch.Tensor] = {"rng.torch": torch.get_rng_state()}
    for name, parameter in model.named_parameters():
        parts = {MASTER: parameter} if has_separate_masters and parameter.requires_grad else {}
        for key, value in {**parts, **state_parts(optimizer.state.get(parameter, {}))}.items():
            gathered = whole(value.detach())
            if keep:
                state[f"{key}.{name}"] = gathered.cpu().contiguous()
    return state


def write_training_state(folder: Path, state: dict[str, torch.Tensor]) -> None:
    place = folder / TRAINING_STATE
    place.parent.mkdir(exist_ok=True)
    save_file(state, place)


def load_training_state(folder: Path, model: Any, optimizer: torch.optim.Optimizer) -> None:
    """The other half of ``save_training_state``: master weights, moments, and the random state into torch."""
    place = folder / TRAINING_STATE
    try:
        state = load_file(place if place.exists() else folder / OPTIMIZER_FILE)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"the optimizer state in {folder} cannot be read: {first_line(error)}") from error
    torch.set_rng_state(state.pop("rng.torch"))
    by_name: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in state.items():
        kind, _, name = key.partition(".")
        by_name.setdefault(name, {})[kind] = value
    for name, parameter in model.named_parameters():
        if MASTER in by_name.get(name, {}):
            parameter.data.copy_(like(by_name[name].pop(MASTER), parameter))
        if by_name.get(name):
            optimizer.state[parameter] = state_of_parts(by_name[name], parameter, optimizer)
