"""Decoders for models on which the fast ones are wrong: slower, and right for more architectures.

A model with a recurrent state (Mamba, LFM2's convolutions, linear attention) reads the padding before a prompt into its
state, so prompts of one length are decoded together and none is ever padded (``EqualDecoder``). Where transformers'
cache of a model cannot be carried on by us, every step reads the whole row again (``RecomputeDecoder``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tersely.samplers.decoders import Decoder


class EqualDecoder:
    """Prompts of equal length together, each length by a decoder of its own that ``make`` gives."""

    def __init__(self, make: Callable[[], Decoder]) -> None:
        self.make = make

    def start(self, prompts: Sequence[Sequence[int]], n: int, pad: int) -> Tensor:
        lengths = sorted({len(prompt) for prompt in prompts})
        part_P = torch.tensor([lengths.index(len(prompt)) for prompt in prompts])
        self.parts = [self.make() for _ in lengths]
        # Of each row of the batch: whose it is. Within a decoder rows stand in the batch's order.
        self.part_B = part_P.repeat_interleave(n)
        groups = [[p for p in prompts if len(p) == length] for length in lengths]
        return self._together([d.start(group, n, pad) for d, group in zip(self.parts, groups, strict=True)])

    def step(self, tokens_B: Tensor) -> Tensor:
        return self._together([d.step(tokens_B[self._rows(i)]) for i, d in enumerate(self.parts)])

    def keep(self, rows: Tensor) -> None:
        rows = rows.cpu()
        place_B = torch.empty_like(self.part_B)
        for i in range(len(self.parts)):
            place_B[self.part_B == i] = torch.arange(int((self.part_B == i).sum()))
        part_B, place_B = self.part_B[rows], place_B[rows]
        left = part_B.unique().tolist()
        for i in left:
            self.parts[i].keep(place_B[part_B == i])
        self.parts = [self.parts[i] for i in left]
        self.part_B = torch.searchsorted(torch.tensor(left), part_B)

    def _rows(self, part: int) -> Tensor:
        return (self.part_B == part).nonzero()[:, 0]

    def _together(self, logits: Sequence[Tensor]) -> Tensor:
        """[B, V] in the batch's order."""
        together = logits[0].new_empty((len(self.part_B), logits[0].shape[1]))
        for i, part in enumerate(logits):
            together[self._rows(i)] = part
        return together


class GenerateDecoder:
    """Prompts of one length by the steps of transformers' own ``generate``, which knows each model's kind of cache.

    Rows that have ended stay in the cache, whose shape only the model knows, and are fed with padding.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def start(self, prompts: Sequence[Sequence[int]], n: int, pad: int) -> Tensor:
        self.pad = pad
        self.tokens_BT = torch.tensor(prompts, device=self.model.device).repeat_interleave(n, 0)
        self.rows = torch.arange(len(self.tokens_BT), device=self.model.device)
        self.kept: dict[str, Any] = {"attention_mask": torch.ones_like(self.tokens_BT), "use_cache": True}
        return self._forward(self.tokens_BT.shape[1], first=True)

    def step(self, tokens_B: Tensor) -> Tensor:
        fed_B = self.tokens_BT.new_full((len(self.tokens_BT),), self.pad)
        fed_B[self.rows] = tokens_B
        self.tokens_BT = torch.cat([self.tokens_BT, fed_B[:, None]], 1)
        return self._forward(1, first=False)

    def keep(self, rows: Tensor) -> None:
        self.rows = self.rows[rows.to(self.rows.device)]

    def _forward(self, fresh: int, first: bool) -> Tensor:
        inputs = self.model.prepare_inputs_for_generation(
            self.tokens_BT, next_sequence_length=fresh, is_first_iteration=first, **self.kept
        )
        out = self.model(**inputs)
        self.kept = self.model._update_model_kwargs_for_generation(out, self.kept)
        logits: Tensor = out.logits[:, -1].float()
        return logits[self.rows]


class RecomputeDecoder:
    """Prompts of one length without any cache: a step costs a pass over the whole rows."""

    def __init__(self, model: Any) -> None:
        self.model = model
        # Some compute logits for every position, however few are asked for.
        takes = inspect.signature(model.forward).parameters
        self.options: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}

    def start(self, prompts: Sequence[Sequence[int]], n: int, pad: int) -> Tensor:
        self.tokens_BT = torch.tensor(prompts, device=self.model.device).repeat_interleave(n, 0)
        return self._forward()

    def step(self, tokens_B: Tensor) -> Tensor:
        self.tokens_BT = torch.cat([self.tokens_BT, tokens_B[:, None]], 1)
        return self._forward()

    def keep(self, rows: Tensor) -> None:
        self.tokens_BT = self.tokens_BT[rows.to(self.tokens_BT.device)]

    def _forward(self) -> Tensor:
        mask = torch.ones_like(self.tokens_BT)
        out = self.model(input_ids=self.tokens_BT, attention_mask=mask, use_cache=False, **self.options)
        logits: Tensor = out.logits[:, -1].float()
        return logits
