"""Attention within packed sequences, for the passes of an update: no mask of tokens x tokens ever exists.

The attention of an update is switched on around it and off again (``switched``): sampling goes on with what the model
was loaded with, so that a KV cache, padding on the left or paged attention never meet ours.

``VARLEN`` is torch's variable-length kernel (torch.nn.attention.varlen: FlashAttention, part of torch, CUDA, 16 bit);
where that cannot run, one scaled-dot-product attention a sequence computes the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface
from transformers.utils.import_utils import is_flash_attn_2_available, is_flash_attn_3_available

VARLEN = "tersely_varlen"

VARIABLE_LENGTH = ("flash_attention_2", "flash_attention_3", "flash_attention_4", "flex_attention", VARLEN)
"""Attention implementations that skip what lies between packed sequences."""

BOUNDED = ("flash_attention_2", "flash_attention_3", "flash_attention_4", VARLEN)
"""Those that take the bounds of the sequences as arguments instead of finding them in the positions."""

HALF = (torch.bfloat16, torch.float16)


def packs(name: str, layout: str) -> bool:
    """Whether the layout "auto", "packed" or "padded" means packing under the attention ``name``."""
    return layout == "packed" or (layout == "auto" and name in VARIABLE_LENGTH)


def attention_of_update(model: Any, layout: str, dtype: torch.dtype) -> str:
    """Name of the attention implementation that the passes of an update should run under.

    The model's own where rows are padded, where it skips between sequences already, or where ours does not know the
    architecture. On a GPU in 16 bits: FlashAttention where its package is installed, else VARLEN. Elsewhere VARLEN
    where packing was asked for by name.
    """
    present: str = model.config._attn_implementation
    if layout == "padded" or present in VARIABLE_LENGTH or not is_plain(model):
        return present
    if model.device.type == "cuda" and dtype in HALF:
        return _installed(model) or VARLEN
    return VARLEN if layout == "packed" else present


def is_plain(model: Any) -> bool:
    """Full causal attention without windows, soft caps or sinks, through transformers' attention interface."""
    config = model.config
    windowed = any(kind != "full_attention" for kind in getattr(config, "layer_types", None) or [])
    windowed |= not getattr(config, "layer_types", None) and getattr(config, "sliding_window", None) is not None
    capped = getattr(config, "attn_logit_softcapping", None) is not None
    known = config.model_type in {"llama", "mistral", "qwen2", "qwen3"}
    return known and not windowed and not capped


def _installed(model: Any) -> str | None:
    """The newest FlashAttention package that is there and works with the model."""
    before = model.config._attn_implementation
    for name, there in (
        ("flash_attention_3", is_flash_attn_3_available()),
        ("flash_attention_2", is_flash_attn_2_available()),
    ):
        if not there:
            continue
        try:
            model.set_attn_implementation(name)
        except (ImportError, ValueError):
            continue
        finally:
            model.config._attn_implementation = before
        return name
    return None


@contextmanager
def switched(models: Sequence[Any], name: str) -> Iterator[None]:
    """These models attend with ``name`` inside the block. Backward passes belong inside too: under gradient
    checkpointing they run the forward pass again."""
    before = [model.config._attn_implementation for model in models]
    for model in models:
        model.config._attn_implementation = name
    try:
        yield
    finally:
        for model, old in zip(models, before, strict=True):
            model.config._attn_implementation = old


def bounds(lengths: Sequence[int], device: torch.device) -> dict[str, Any]:
    """Where sequences of these lengths begin and end, as transformers names it for variable-length attention."""
    ends = F.pad(torch.tensor(lengths, dtype=torch.int32).cumsum(0, dtype=torch.int32), (1, 0)).to(device)
    longest = max(lengths)
    return {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}


def varlen_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    *,
    cu_seq_lens_q: Tensor,
    max_length_q: int,
    **_: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each sequence of one packed row.

    ``query`` [1, H, N, D], ``key`` and ``value`` [1, H_kv, N, D]; ``cu_seq_lens_q`` [sequences + 1] int32. Returns
    [1, N, H, D]. Without bounds it fails (TypeError): it must not take sequences for one.
    """
    device = query.device.type
    # Rotary embedding in fp32 leaves query and key wider than the value, and custom operators are not autocast.
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else value.dtype
    query, key, value = (x.to(dtype) for x in (query, key, value))
    if device == "cuda" and dtype in HALF:
        q_NHD, k_NKD, v_NKD = (x[0].transpose(0, 1) for x in (query, key, value))
        return flash(q_NHD, k_NKD, v_NKD, cu_seq_lens_q, max_length_q, scaling)[None], None
    return one_by_one(query, key, value, cu_seq_lens_q, scaling), None


@cache
def varlen_kernel() -> tuple[Callable[..., object], bool]:
    """torch's kernel, and whether it takes grouped heads (torch 2.11 does not yet). Imported at its first use, because
    torch._dynamo comes with it."""
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn, "enable_gqa" in inspect.signature(varlen_attn).parameters


def flash(q_NHD: Tensor, k_NKD: Tensor, v_NKD: Tensor, ends: Tensor, longest: int, scale: float | None) -> Tensor:
    """torch's variable-length FlashAttention, causal: [N, H, D]."""
    kernel, groups = varlen_kernel()
    grouped: dict[str, Any] = {"enable_gqa": True} if groups else {}
    if not grouped:
        share = q_NHD.shape[1] // k_NKD.shape[1]
        k_NKD, v_NKD = k_NKD.repeat_interleave(share, 1), v_NKD.repeat_interleave(share, 1)
    out = kernel(q_NHD, k_NKD, v_NKD, ends, ends, longest, longest, scale=scale, window_size=(-1, 0), **grouped)
    assert isinstance(out, Tensor)  # a pair only where auxiliary output is asked for
    return out


def one_by_one(query: Tensor, key: Tensor, value: Tensor, ends: Tensor, scale: float | None) -> Tensor:
    """The same by one call a sequence, on any device and in any type: [1, N, H, D]."""
    lengths = ends.diff().tolist()
    share = query.shape[1] // key.shape[1]
    # Repeated here: with enable_gqa the kernels for fp32 would keep all scores.
    key, value = key.repeat_interleave(share, 1), value.repeat_interleave(share, 1)
    queries, keys, values = (x.split(lengths, dim=2) for x in (query, key, value))
    mixed = [
        F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
        for q, k, v in zip(queries, keys, values, strict=True)
    ]
    return torch.cat(mixed, dim=2).transpose(1, 2)


AttentionInterface.register(VARLEN, varlen_attention)
