"""The first two layers of a model as a model of their own: what is compared where no device holds the whole one."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tersely.errors import UserError, first_line
from tersely.models.shares import is_share, whole

LAYERS = 2


def holds_whole(model: Any) -> bool:
    """Whether every weight of the model is here, and not a share of it."""
    return not any(map(is_share, model.parameters()))


def first_layers(model: Any, device: torch.device | None = None) -> Any:
    """A model of the same kind with embedding, first layers, final norm and output head, whole, in their own weights,
    on ``device`` (None: where the model is).

    Shares are gathered one weight at a time: a collective, the same on every process. Draws no random number. UserError
    where the architecture cannot be had with so few layers.
    """
    own: dict[str, Tensor] = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.random.fork_rng(devices=[]):
        short = _of_few_layers(model).to(device or model.device)
    for name, tensor in [*short.named_parameters(), *short.named_buffers()]:
        found = own.get(name)
        if found is None or found.shape != tensor.shape:
            raise _refusal(model, f"{name} is another one there")
        with torch.no_grad():
            tensor.copy_(whole(found))
    return short.eval()


def _of_few_layers(model: Any) -> Any:
    config = copy.deepcopy(model.config)
    text = config.get_text_config()
    count = text.num_hidden_layers
    for name, value in list(vars(text).items()):
        # What is said layer by layer, such as the kinds of attention.
        if isinstance(value, list) and len(value) == count:
            setattr(text, name, value[:LAYERS])
    text.num_hidden_layers = min(LAYERS, count)
    try:
        return AutoModelForCausalLM.from_config(
            config, dtype=model.dtype, attn_implementation=model.config._attn_implementation
        )
    # Whatever an architecture of somebody else's asks of its layers.
    except Exception as error:
        raise _refusal(model, first_line(error)) from error


def _refusal(model: Any, reason: str) -> UserError:
    kind = model.config.model_type
    return UserError(
        f"no process holds the whole of this {kind} model, and its first {LAYERS} layers make no model that could be "
        f"checked ({reason}): take a model of another architecture"
    )
