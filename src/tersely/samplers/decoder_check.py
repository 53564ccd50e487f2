"""Which decoder is right for a model: the first whose log-probabilities are those of the model's own forward."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from tersely.errors import UserError
from tersely.models.agreement import CONTINUED, PartCheck, Truth, first_right
from tersely.models.positions import refuse_chunks
from tersely.samplers.decoders import Decoder, FusedDecoder, ModelDecoder, fused_supports
from tersely.samplers.slow_decoders import EqualDecoder, GenerateDecoder, RecomputeDecoder

DECODERS: dict[str, Callable[[Any], Decoder]] = {
    "fused": FusedDecoder,
    "model": ModelDecoder,
    "equal": lambda model: EqualDecoder(lambda: ModelDecoder(model)),
    "generate": lambda model: EqualDecoder(lambda: GenerateDecoder(model)),
    "recompute": lambda model: EqualDecoder(lambda: RecomputeDecoder(model)),
}
"""Fastest first."""

PADDING = ("fused", "model")
"""Those that put padding before the shorter prompts."""


def check_decoder(truth: Truth, asked: str = "auto") -> PartCheck:
    """The fastest decoder that is right, from ``asked`` on. UserError where none is, and for "fused" where it does not
    know the model."""
    model = truth.model
    fits = fused_supports(model)
    if asked == "fused" and not fits:
        raise UserError(
            f"decoder 'fused' does not know models of type {model.config.model_type!r}: use 'auto' or 'model'"
        )
    first = ("fused" if model.device.type == "cpu" and fits else "model") if asked == "auto" else asked
    names = list(DECODERS)[list(DECODERS).index(first) :]
    ways = [(name, partial(_measure, name, truth)) for name in names]
    cure = "sample with another engine (sampling.engine), or take a model of another architecture"
    return first_right("decoder", truth, ways, cure)


def _measure(name: str, truth: Truth) -> float:
    if name in PADDING:
        refuse_chunks(truth.model.config)
    return decoder_gap(DECODERS[name](truth.model), truth)


def decoder_gap(decoder: Decoder, truth: Truth) -> float:
    """Both prompts in one batch, two responses each; one of each is dropped on the way."""
    prompts = [row[:-CONTINUED] for row in truth.rows]
    logprobs = [decoder.start(prompts, 2, 0).log_softmax(-1)]
    owners = [0, 0, 1, 1]
    gaps = []
    for t in range(CONTINUED):
        gaps += [truth.gap(row, len(prompts[row]) - 1 + t, logprobs[-1][b : b + 1]) for b, row in enumerate(owners)]
        if t + 1 == CONTINUED:
            break
        if t == 2:
            decoder.keep(torch.tensor([0, 3], device=truth.model.device))
            owners = [0, 1]
        tokens = torch.tensor([truth.rows[row][len(prompts[row]) + t] for row in owners], device=truth.model.device)
        logprobs.append(decoder.step(tokens).log_softmax(-1))
    return max(gaps)
