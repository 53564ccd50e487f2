"""Decoding options in the plainest way: one response at a time, the whole row read again for every token, the option
written out on texts and Python numbers. What the samplers are compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from tersely.samplers import Prompt, Sampling, row_seeds, uniforms


def respond(model: Any, tokenizer: Any, prompt: Prompt, index: int, sampling: Sampling, ends: Sequence[int],
            closing: Sequence[int], mark: str = "</think>") -> list[int]:  # fmt: skip
    """Ids of response ``index`` to the prompt."""
    assert sampling.decoding is not None
    name, _, value = sampling.decoding.spec.partition(":")
    seed = row_seeds([prompt], sampling)[index : index + 1]
    said: list[int] = []
    forced: list[int] = []
    thinks = True
    while len(said) < sampling.max_new_tokens:
        logits = _logits(model, [*prompt.tokens, *said])
        if thinks and not forced and _stops(sampling, said, logits, tokenizer, mark):
            thinks, forced = False, list(closing)
        if forced:
            token = forced.pop(0)
        else:
            banned = value.lower().split(",") if name == "nowait" else []
            u = float(uniforms(seed, len(said), 1)[0, 0])
            token = _draw(_without(logits, banned, tokenizer), u, sampling.temperature)
        said.append(token)
        thinks = thinks and tokenizer.decode([token]).strip() != mark
        if token in ends:
            break
    return said


def _logits(model: Any, ids: list[int]) -> list[float]:
    with torch.no_grad():
        found: list[float] = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].float().tolist()
    return found


def _stops(sampling: Sampling, said: list[int], logits: list[float], tokenizer: Any, mark: str) -> bool:
    assert sampling.decoding is not None
    name, _, value = sampling.decoding.spec.partition(":")
    if name == "budget":
        return len(said) >= int(value)
    if name == "nowait" or not said:
        return False
    where, _, margin = value.rpartition(":")
    last = tokenizer.decode([said[-1]]).rstrip(" ")
    ended = where == "any" or last[-1:] in tuple(".?!\n")
    marks = [i for i in range(len(logits)) if tokenizer.decode([i]).strip() == mark]
    best = max(logit for i, logit in enumerate(logits) if i not in marks)
    return ended and (best - max(logits[i] for i in marks)) / (sampling.temperature or 1) <= float(margin)


def _without(logits: list[float], banned: list[str], tokenizer: Any) -> list[float]:
    def bare(token: int) -> str:
        return str(tokenizer.decode([token])).strip(" ,.:;!?\n").lower()

    return [-math.inf if banned and bare(i) in banned else logit for i, logit in enumerate(logits)]


def _draw(logits: list[float], u: float, temperature: float) -> int:
    if temperature == 0:
        return logits.index(max(logits))
    weights = [math.exp((logit - max(logits)) / temperature) for logit in logits]
    target, reached = u * sum(weights), 0.0
    for token, weight in enumerate(weights):
        reached += weight
        if reached > target:
            return token
    return len(weights) - 1
