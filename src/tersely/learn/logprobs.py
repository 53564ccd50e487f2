"""Log-probabilities and entropy of given response tokens under a causal language model.

Two layouts of a micro-batch, equal within rounding:

- padded: one row a response, padded on the right. With causal attention no real token sees a pad, so no attention mask
  is needed and the model takes its fastest path. For a CPU, where rows of similar width waste little.
- packed: all responses in one row, positions starting anew at each. Attention stays within a sequence: by
  variable-length kernels that are given the bounds (``tersely.learn.attention``), else by a mask that transformers
  makes from the positions.

Only positions that predict a response token go through the output head, and those in chunks, so that logits of a whole
micro-batch never exist at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint

from tersely.learn.attention import BOUNDED, bounds
from tersely.learn.batch import TrainingRow

CHUNK_LOGITS = 2**26
"""Logits computed at once (64 Mi, 256 MiB in fp32): chunk length = this / vocabulary size."""


class TokenLogprobs(NamedTuple):
    logprobs_N: Tensor
    """[N] of the response tokens, row after row."""
    entropy_N: Tensor
    """[N] in nats, no gradient."""


def token_logprobs(model: Any, rows: Sequence[TrainingRow], temperature: float, packed: bool = False) -> TokenLogprobs:
    """Response tokens of the rows, laid end to end in the order given: N = sum of their lengths."""
    ids = [torch.tensor(row.prompt_tokens + row.tokens) for row in rows]
    width = max(row.width for row in rows)
    # Where each row begins once the batch is laid flat.
    starts = np.cumsum([0] + [len(i) for i in ids])[:-1] if packed else np.arange(len(rows)) * width
    firsts = [int(s) + len(r.prompt_tokens) - 1 for s, r in zip(starts, rows, strict=True)]
    index_N = torch.cat([torch.arange(f, f + r.length) for f, r in zip(firsts, rows, strict=True)])
    targets_N = torch.cat([i[len(r.prompt_tokens) :] for i, r in zip(ids, rows, strict=True)])
    if packed:
        inputs = {
            "input_ids": torch.cat(ids)[None],
            "position_ids": torch.cat([torch.arange(len(i)) for i in ids])[None],
        }
    else:
        inputs = {"input_ids": pad_sequence(ids, batch_first=True)}
    inputs = {name: tensor.to(model.device) for name, tensor in inputs.items()}
    if packed and model.config._attn_implementation in BOUNDED:
        inputs |= bounds([len(i) for i in ids], model.device)
    hidden_BTD = model.base_model(**inputs, use_cache=False).last_hidden_state
    hidden_ND = hidden_BTD.flatten(0, 1)[index_N.to(model.device)]
    return head_logprobs(model, hidden_ND, targets_N.to(model.device), temperature)


class Scorer(torch.nn.Module):
    """``token_logprobs`` as a module: sharded weights are gathered by hooks around a forward, and this one holds all
    uses of them, the output head included."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: Sequence[TrainingRow], temperature: float, packed: bool) -> TokenLogprobs:
        return token_logprobs(self.model, rows, temperature, packed)


def head_logprobs(model: Any, hidden_ND: Tensor, targets_N: Tensor, temperature: float) -> TokenLogprobs:
    """The output head over N positions in chunks; in the backward pass each chunk is computed again."""
    head = model.get_output_embeddings()
    softcap = getattr(model.config, "final_logit_softcapping", None)
    chunk = max(1, CHUNK_LOGITS // head.weight.shape[0])
    pieces = []
    for start in range(0, max(1, hidden_ND.shape[0]), chunk):
        inputs = (hidden_ND[start : start + chunk], targets_N[start : start + chunk])
        if hidden_ND.shape[0] > chunk and torch.is_grad_enabled():
            pieces.append(checkpoint(_chunk, head, *inputs, temperature, softcap, use_reentrant=False))
        else:
            pieces.append(_chunk(head, *inputs, temperature, softcap))
    logprobs, entropies = zip(*pieces, strict=True)
    return TokenLogprobs(torch.cat(logprobs), torch.cat(entropies))


def _chunk(
    head: Any, hidden_CD: Tensor, targets_C: Tensor, temperature: float, softcap: float | None
) -> tuple[Tensor, Tensor]:
    logits_CV = head(hidden_CD).float()
    if softcap is not None:
        logits_CV = softcap * torch.tanh(logits_CV / softcap)
    if temperature != 1.0:
        logits_CV = logits_CV / temperature
    logprobs_CV = F.log_softmax(logits_CV, dim=-1)
    with torch.no_grad():
        entropy_C = -(logprobs_CV.exp() * logprobs_CV).sum(-1)
    return logprobs_CV.gather(-1, targets_C[:, None])[:, 0], entropy_C
