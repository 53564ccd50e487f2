"""Models without weights: what a process holds until its share of them comes from another one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from tersely.errors import UserError, first_line
from tersely.models.load import load_config, load_generation

META = torch.device("meta")
"""Where tensors have a size and no memory."""


def skeleton(folder: Path, dtype: torch.dtype) -> Any:
    """What ``load_model`` gives, with every tensor on "meta". Draws no random number.

    UserError where config.json alone makes no model.
    """
    config, generation = load_config(folder), load_generation(folder)
    try:
        with META, torch.random.fork_rng(devices=[]):
            model = AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
    # Whatever an architecture of somebody else's asks of the device it is made on.
    except Exception as error:
        raise UserError(
            f"the model in {folder} cannot be shared out among processes ({first_line(error)}): train it in one process"
        ) from error
    if generation is not None:
        model.generation_config = generation
    return model.eval()


def without_weights(model: Any, dtype: torch.dtype) -> Any:
    """A copy of the model with its parameters in ``dtype`` on "meta"; everything else is copied as it is."""
    empty = {id(p): nn.Parameter(torch.empty_like(p, dtype=dtype, device=META)) for p in model.parameters()}
    # deepcopy takes what its memo has under an object's id for the copy of that object.
    return copy.deepcopy(model, empty)


def beside_weights(model: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    """(module, name, tensor) of all that is no parameter: buffers, and tensors kept as plain attributes."""
    found: list[tuple[nn.Module, str, Tensor]] = []
    for module in model.modules():
        plain = {name: value for name, value in vars(module).items() if isinstance(value, Tensor)}
        buffers = {name: buffer for name, buffer in module._buffers.items() if buffer is not None}
        found += [(module, name, tensor) for name, tensor in sorted({**plain, **buffers}.items())]
    return found


def described(model: nn.Module) -> list[list[Any]]:
    """Name, shape and type of every tensor, by which two processes know that they hold the same model."""
    named: list[tuple[str, Tensor]] = list(model.named_parameters())
    named += [(f"{type(module).__name__}.{name}", tensor) for module, name, tensor in beside_weights(model)]
    return [[name, list(tensor.shape), str(tensor.dtype)] for name, tensor in named]
