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

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tersely.learn.attention import BOUNDED, bounds
from tersely.learn.batch import TrainingRow
from tersely.learn.heads import BY_WEIGHTS, BehindBase, Head, HeadName, LogitsGiven, OutputLayer, head_logprobs


class TokenLogprobs(NamedTuple):
    logprobs_N: Tensor
    """[N] of the response tokens, row after row."""
    entropy_N: Tensor
    """[N] in nats, no gradient."""


def token_logprobs(
    model: Any, rows: Sequence[TrainingRow], temperature: float, packed: bool = False, head: HeadName = BY_WEIGHTS
) -> TokenLogprobs:
    """Response tokens of the rows, laid end to end in the order given: N = sum of their lengths.

    ``head`` says how hidden states become logits (``learn.heads``): the check at load finds the one that is right.
    """
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
    states_ND, last = _states(model, inputs, index_N.to(model.device), head)
    return TokenLogprobs(*head_logprobs(last, states_ND, targets_N.to(model.device), temperature))


def _states(model: Any, inputs: dict[str, Any], index_N: Tensor, head: HeadName) -> tuple[Tensor, Head]:
    """[N, D or V] what the head is to be applied to at the places ``index_N`` of the flat batch, and the head."""
    if head == "logits":
        return model(**inputs, use_cache=False).logits.flatten(0, 1)[index_N], LogitsGiven()
    hidden_BTD = model.base_model(**inputs, use_cache=False).last_hidden_state
    return hidden_BTD.flatten(0, 1)[index_N], OutputLayer(model) if head == BY_WEIGHTS else BehindBase(model)


class Scorer(torch.nn.Module):
    """``token_logprobs`` as a module: sharded weights are gathered by hooks around a forward, and this one holds all
    uses of them, the output head included."""

    def __init__(self, model: Any, head: HeadName = BY_WEIGHTS) -> None:
        super().__init__()
        self.model, self.head = model, head

    def forward(self, rows: Sequence[TrainingRow], temperature: float, packed: bool) -> TokenLogprobs:
        return token_logprobs(self.model, rows, temperature, packed, self.head)


@dataclass(frozen=True, slots=True)
class Pass:
    """Log-probabilities without gradient, of one model under fixed circumstances."""

    scorer: Scorer
    temperature: float
    packed: bool
    precision: Callable[[], torch.autocast]
    off: Callable[[], AbstractContextManager[None]] = nullcontext
    """Switches an adapter off for as long as its context lasts."""

    @torch.no_grad()
    def __call__(self, rows: Sequence[TrainingRow]) -> Tensor:
        """[N] of the response tokens, row after row."""
        with self.off(), self.precision():
            return self.scorer(rows, self.temperature, self.packed).logprobs_N
