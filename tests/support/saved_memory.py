"""What autograd keeps of a forward pass, measured."""

from __future__ import annotations

from typing import Any

import torch

TINY: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 48,
    "intermediate_size": 280,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 8,
}


def saved_bytes(model: Any, vocabulary: int, tokens: int, autocast: bool) -> int:
    """Bytes of distinct storages that autograd keeps of a forward pass, parameters left out."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    ids = torch.arange(tokens)[None] % vocabulary
    with (
        torch.autocast("cpu", torch.bfloat16, enabled=autocast),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t),
    ):
        model.base_model(input_ids=ids, use_cache=False)
    return sum(storage.nbytes() for storage in kept.values())
