"""Batched decoding with a KV cache, one token a row a step; rows that have ended are dropped from the batch.

Two decoders with one face (``start``, ``step``, ``keep``):

- ``ModelDecoder`` calls any transformers causal language model.
- ``FusedDecoder`` computes the Llama family (Llama, Qwen2, Mistral without a window) itself, with joined q/k/v and
  gate/up projections and attention as one batched matrix product. On a CPU and a small model it is several times
  faster, because transformers spends most of a decode step outside arithmetic. ``fused_supports`` says where it
  applies.

Neither is trusted unseen: ``samplers.decoder_check`` compares both with the model's own forward, and takes one of
``samplers.slow_decoders`` where both are wrong.

Prompts are padded on the left, so that all rows write the same cache position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache

GROW = 64
"""Cache positions added at a time, so that short responses never pay for the longest one allowed."""


class Decoder(Protocol):
    def start(self, prompts: Sequence[Sequence[int]], n: int, pad: int) -> Tensor:
        """Read the prompts, each to be answered n times. Returns logits [P*n, V] of the next token."""

    def step(self, tokens_B: Tensor) -> Tensor:
        """Append one token a row. Returns logits [B, V]."""

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows (indices into the present batch) only."""


def left_pad(prompts: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(tokens [P, T], pads [P]): prompts flush right, and how many pads stand before each."""
    width = max(len(p) for p in prompts)
    pads = [width - len(p) for p in prompts]
    rows = [[pad] * k + list(p) for k, p in zip(pads, prompts, strict=True)]
    return torch.tensor(rows, device=device), torch.tensor(pads, device=device)


class ModelDecoder:
    """Any causal language model of transformers, through its own forward."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def start(self, prompts: Sequence[Sequence[int]], n: int, pad: int) -> Tensor:
        tokens_PT, pads_P = left_pad(prompts, pad, self.model.device)
        width = tokens_PT.shape[1]
        columns = torch.arange(width, device=tokens_PT.device)
        mask = (columns[None, :] >= pads_P[:, None]).long()
        positions = (columns[None, :] - pads_P[:, None]).clamp_min(0)
        self.cache = DynamicCache(config=self.model.config)
        out = self.model(
            input_ids=tokens_PT,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._take(torch.arange(len(prompts), device=tokens_PT.device).repeat_interleave(n))
        self.mask = mask.repeat_interleave(n, 0)
        self.next_position = (width - pads_P).repeat_interleave(n, 0)
        logits: Tensor = out.logits[:, -1].float()
        return logits.repeat_interleave(n, 0)

    def step(self, tokens_B: Tensor) -> Tensor:
        self.mask = F.pad(self.mask, (0, 1), value=1)
        out = self.model(
            input_ids=tokens_B[:, None],
            attention_mask=self.mask,
            position_ids=self.next_position[:, None],
            past_key_values=self.cache,
            use_cache=True,
        )
        self.next_position = self.next_position + 1
        logits: Tensor = out.logits[:, -1].float()
        return logits

    def keep(self, rows: Tensor) -> None:
        self._take(rows.to(self.mask.device))
        self.mask, self.next_position = self.mask[rows], self.next_position[rows]

    def _take(self, rows: Any) -> None:
        # The one change of rows that caches of every kind know, recurrent states among them.
        self.cache.reorder_cache(rows)


def fused_supports(model: Any) -> bool:
    """True for plain Llama-family models: full attention, default rotary embedding, SiLU, no query/key norms, no
    adapters or quantisation in the projections (what adds to a weight would be left out), no biases that are never
    read: zeros when a model is loaded and compared, they are trained later."""
    config = model.config
    if getattr(config, "mlp_bias", False):
        return False
    projections = [m for name, m in model.named_modules() if name.endswith("_proj")]
    if any(type(projection) is not torch.nn.Linear for projection in projections):
        return False
    if config.model_type not in {"llama", "qwen2", "mistral"}:
        return False
    rope = getattr(config, "rope_parameters", None) or {}
    windowed = any(kind != "full_attention" for kind in getattr(config, "layer_types", None) or [])
    if config.model_type == "mistral" and getattr(config, "sliding_window", None):
        windowed = True
    plain_rope = rope.get("rope_type", "default") == "default" and "partial_rotary_factor" not in rope
    return plain_rope and not windowed and config.hidden_act == "silu"


class _Layer:
    """One transformer layer's weights, joined where one matrix product can serve for several."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        self.qkv = torch.cat([p.weight.detach() for p in projections])
        biases = [p.bias for p in projections]
        self.qkv_bias = None if biases[0] is None else torch.cat([b.detach() for b in biases])
        self.out = attention.o_proj.weight.detach()
        self.out_bias = None if attention.o_proj.bias is None else attention.o_proj.bias.detach()
        self.gate_up = torch.cat([mlp.gate_proj.weight.detach(), mlp.up_proj.weight.detach()])
        self.down = mlp.down_proj.weight.detach()
        self.norm_in = layer.input_layernorm.weight.detach()
        self.norm_mlp = layer.post_attention_layernorm.weight.detach()


class FusedDecoder:
    """The Llama family on few, large operations. Weights are read when it is made: make a new one after an update."""

    def __init__(self, model: Any) -> None:
        config = model.config
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.eps = config.rms_norm_eps
        self.embedding = model.get_input_embeddings().weight.detach()
        self.lm_head = model.get_output_embeddings().weight.detach()
        self.layers = [_Layer(layer) for layer in model.model.layers]
        self.norm = model.model.norm.weight.detach()
        self.inverse_frequencies = model.model.rotary_emb.inv_freq.detach().float()
        self.device = self.embedding.device

    def start(self, prompts: Sequence[Sequence[int]], n: int, pad: int) -> Tensor:
        tokens_PT, pads_P = left_pad(prompts, pad, self.device)
        width = tokens_PT.shape[1]
        self.filled, self.rows = 0, len(prompts)
        self.pads_B = pads_P
        shape = (len(prompts), self.kv_heads, width, self.head_dim)
        self.keys = [self.embedding.new_empty(shape) for _ in self.layers]
        self.values = [self.embedding.new_empty(shape) for _ in self.layers]
        columns = torch.arange(width, device=self.device)
        causal = columns[None, :] <= columns[:, None]
        real = columns[None, :] >= pads_P[:, None]
        # A padding query would see nothing at all; letting it see itself keeps its (unused) softmax finite.
        visible = (causal[None] & real[:, None, :]) | torch.eye(width, dtype=torch.bool, device=self.device)
        self.bias = torch.zeros(visible.shape, dtype=self.embedding.dtype, device=self.device)
        self.bias.masked_fill_(~visible, float("-inf"))
        logits = self._forward(tokens_PT)
        self._repeat(n)
        # From here on a query sees every filled position except the pads on its left.
        self.bias = torch.zeros((self.rows, 1, width), dtype=self.embedding.dtype, device=self.device)
        self.bias.masked_fill_(~real.repeat_interleave(n, 0)[:, None, :], float("-inf"))
        return logits.repeat_interleave(n, 0)

    def step(self, tokens_B: Tensor) -> Tensor:
        if self.filled == self.keys[0].shape[2]:
            self.keys = [F.pad(k, (0, 0, 0, GROW)) for k in self.keys]
            self.values = [F.pad(v, (0, 0, 0, GROW)) for v in self.values]
            self.bias = F.pad(self.bias, (0, GROW))
        return self._forward(tokens_B[:, None])

    def keep(self, rows: Tensor) -> None:
        self.rows = rows.shape[0]
        # Only the filled part is copied; what lies beyond is written before it is read.
        self.keys = [self._select(k, rows) for k in self.keys]
        self.values = [self._select(v, rows) for v in self.values]
        self.bias, self.pads_B = self.bias[rows], self.pads_B[rows]

    def _select(self, cache: Tensor, rows: Tensor) -> Tensor:
        kept = cache.new_empty((rows.shape[0], *cache.shape[1:]))
        kept[:, :, : self.filled] = cache[rows, :, : self.filled]
        return kept

    def _repeat(self, n: int) -> None:
        self.rows *= n
        self.keys = [k.repeat_interleave(n, 0) for k in self.keys]
        self.values = [v.repeat_interleave(n, 0) for v in self.values]
        self.pads_B = self.pads_B.repeat_interleave(n, 0)

    def _rotary(self, width: int) -> tuple[Tensor, Tensor]:
        """cos and sin [B, 1, width, head_dim] at the rows' own positions (pads do not count); sin carries the sign."""
        columns = torch.arange(self.filled, self.filled + width, device=self.device)
        positions = (columns[None, :] - self.pads_B[:, None]).clamp_min(0).float()
        angles = positions[:, None, :, None] * self.inverse_frequencies
        cos, sin = angles.cos(), angles.sin()
        dtype = self.embedding.dtype
        return torch.cat((cos, cos), -1).to(dtype), torch.cat((-sin, sin), -1).to(dtype)

    def _forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits [B, V] after the last of the given tokens."""
        width = tokens_BT.shape[1]
        cos, sin = self._rotary(width)
        x = self.embedding[tokens_BT]
        for i, layer in enumerate(self.layers):
            x = x + self._attend(i, layer, F.rms_norm(x, x.shape[-1:], layer.norm_in, self.eps), cos, sin)
            gate, up = F.linear(F.rms_norm(x, x.shape[-1:], layer.norm_mlp, self.eps), layer.gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, layer.down)
        self.filled += width
        return F.linear(F.rms_norm(x[:, -1], x.shape[-1:], self.norm, self.eps), self.lm_head).float()

    def _attend(self, index: int, layer: _Layer, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        rows, width, _ = x.shape
        heads, kv_heads, dim = self.heads, self.kv_heads, self.head_dim
        qkv = F.linear(x, layer.qkv, layer.qkv_bias).view(rows, width, heads + 2 * kv_heads, dim).transpose(1, 2)
        turned = qkv[:, : heads + kv_heads]
        turned = turned * cos + turned.roll(dim // 2, -1) * sin
        end = self.filled + width
        self.keys[index][:, :, self.filled : end] = turned[:, heads:]
        self.values[index][:, :, self.filled : end] = qkv[:, heads + kv_heads :]
        share = heads // kv_heads
        query = turned[:, :heads].reshape(rows * kv_heads, share * width, dim)
        keys = self.keys[index].flatten(0, 1)[:, :end]
        values = self.values[index].flatten(0, 1)[:, :end]
        scores = torch.bmm(query, keys.transpose(1, 2)).mul_(dim**-0.5).view(rows, kv_heads * share, width, end)
        scores += self.bias[:, None, :, :end]
        mixed = torch.bmm(scores.softmax(-1).view(rows * kv_heads, share * width, end), values)
        mixed = mixed.view(rows, heads, width, dim).transpose(1, 2).reshape(rows, width, heads * dim)
        return F.linear(mixed, layer.out, layer.out_bias)
