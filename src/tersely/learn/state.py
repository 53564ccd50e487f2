"""What a resume needs besides the served weights: moments, master weights, random state, as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tersely.errors import StorageError, first_line
from tersely.learn.optimizer import state_of_parts, state_parts
from tersely.learn.shards import like
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
        # One weight at a time: where weights are shared out, no process has room for the whole.
        with safe_open(place if place.exists() else folder / OPTIMIZER_FILE, "pt") as file:
            torch.set_rng_state(file.get_tensor("rng.torch"))
            kinds: dict[str, list[str]] = {}
            for key in file.keys():  # noqa: SIM118 - no mapping
                kind, _, name = key.partition(".")
                kinds.setdefault(name, []).append(kind)
            for name, parameter in model.named_parameters():
                parts = {kind: file.get_tensor(f"{kind}.{name}") for kind in kinds.get(name, [])}
                if MASTER in parts:
                    parameter.data.copy_(like(parts.pop(MASTER), parameter))
                if parts:
                    optimizer.state[parameter] = state_of_parts(parts, parameter, optimizer)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"the optimizer state in {folder} cannot be read: {first_line(error)}") from error
