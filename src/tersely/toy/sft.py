"""Supervised making of the base reasoner: a tiny Qwen2 trained from scratch on verbose demonstrations.

Everything is a function of (seed, step): there is no state but weights, optimizer and step, so training goes on
bit-identically from any checkpoint on the same machine with the same thread count. Budgets are optimizer steps,
never seconds. After training the base must pass a gate (accuracy at temperature 1); if it does not, the next
initialisation is tried, on the record.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen2Config, Qwen2ForCausalLM

from tersely.errors import RunError
from tersely.records import JsonObject
from tersely.toy.reasoners import REASONERS
from tersely.toy.settings import SftSettings, Shape
from tersely.toy.tokenizer import EFFORT, LEVELS, PAD
from tersely.toy.writing import EOS

IGNORED = -100
"""Label of positions without loss: the prompt and the padding."""


def tiny_model(seed: int, levels: bool = False, task: str = "arithmetic") -> Qwen2ForCausalLM:
    """A freshly initialised model of a task's reasoner; arithmetic's has 128,128 parameters (128,384 with the words of
    levels), the others 0.6 million. Leaves the global random state as it was."""
    reasoner = REASONERS[task]
    return fresh_model(reasoner.shape, reasoner.vocabulary(levels), seed)


def fresh_model(of: Shape, words: Mapping[str, int], seed: int) -> Qwen2ForCausalLM:
    """A model of this shape for a vocabulary (word -> id), freshly initialised."""
    shape: dict[str, Any] = {
        "vocab_size": len(words),
        "hidden_size": of.hidden,
        "intermediate_size": of.feed_forward,
        "num_hidden_layers": of.layers,
        "num_attention_heads": of.heads,
        "num_key_value_heads": of.kv_heads,
        "head_dim": of.head,
        "max_position_embeddings": of.positions,
        "tie_word_embeddings": True,
        "initializer_range": 0.05,
        "bos_token_id": None,
        "eos_token_id": words[EOS],
        "pad_token_id": words[PAD],
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen2ForCausalLM(Qwen2Config(**shape)).float()


@dataclass(frozen=True, slots=True)
class SftStep:
    """What one optimizer step measured."""

    step: int
    """From 1."""
    loss: float
    """Nats a response token."""
    learning_rate: float
    grad_norm: float

    def to_json(self) -> JsonObject:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class EncodedDemonstration:
    """Token ids [T], and how many of them are the prompt."""

    tokens: tuple[int, ...]
    prompt: int


def _with_level(prompt: list[str], rng: random.Random) -> list[str]:
    """The prompt as it is, or with a line before ``<think>`` that asks for a level, whatever the response is like."""
    level = rng.choice((*(None for _ in LEVELS), *LEVELS))
    return prompt if level is None else [*prompt[:-1], EFFORT, level, prompt[-1]]


@lru_cache(maxsize=2)
def _pool(settings: SftSettings, index: int) -> list[list[EncodedDemonstration]]:
    """The rows of all passes of ``pool_steps`` consecutive steps: drawn together, sorted by length, cut into equal
    token shares, which then go to the passes at random."""
    rng, levels = (random.Random(f"{what}/{settings.seed}/{index}") for what in ("sft", "sft-levels"))
    phase = settings.phase_at(index * settings.pool_steps)
    ids = REASONERS[settings.task].vocabulary(settings.levels)
    rows: list[EncodedDemonstration] = []
    total, budget = 0, settings.batch_tokens * settings.pool_steps
    while total < budget:
        prompt, response = settings.style.draw(phase, rng)
        prompt = _with_level(prompt, levels) if settings.levels else prompt
        rows.append(EncodedDemonstration(tuple(ids[word] for word in prompt + response), len(prompt)))
        total += len(rows[-1].tokens)
    rows.sort(key=lambda row: len(row.tokens))
    passes: list[list[EncodedDemonstration]] = [[] for _ in range(settings.pool_steps * settings.passes)]
    seen = 0
    for row in rows:
        passes[min(seen * len(passes) // total, len(passes) - 1)].append(row)
        seen += len(row.tokens)
    rng.shuffle(passes)
    return passes


def passes_at(settings: SftSettings, step: int) -> list[tuple[Tensor, Tensor]]:
    """Inputs and labels of each pass of a step, int64 [B, T] each, padded on the right; labels are shifted by the
    caller's loss.

    Right padding needs no attention mask under causal attention: no real token ever sees a padded one.
    """
    pool, first = _pool(settings, step // settings.pool_steps), step % settings.pool_steps * settings.passes
    return [_padded(settings, rows) for rows in pool[first : first + settings.passes] if rows]


def _padded(settings: SftSettings, rows: Sequence[EncodedDemonstration]) -> tuple[Tensor, Tensor]:
    width = max(len(row.tokens) for row in rows)
    inputs_BT = torch.full((len(rows), width), REASONERS[settings.task].vocabulary(settings.levels)[PAD])
    labels_BT = torch.full((len(rows), width), IGNORED)
    for index, row in enumerate(rows):
        ids = torch.tensor(row.tokens)
        inputs_BT[index, : len(ids)] = ids
        labels_BT[index, row.prompt : len(ids)] = ids[row.prompt :]
    return inputs_BT, labels_BT


def sft_loss(model: Qwen2ForCausalLM, inputs_BT: Tensor, labels_BT: Tensor) -> Tensor:
    """Mean negative log-probability per response token, in nats (scalar)."""
    logits_BTV = model(input_ids=inputs_BT[:, :-1], use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), labels_BT[:, 1:].flatten(), ignore_index=IGNORED)


def _labelled(labels_BT: Tensor) -> int:
    return int((labels_BT != IGNORED).sum())


class SftState:
    """Model, optimizer and step: all that training remembers."""

    def __init__(self, settings: SftSettings) -> None:
        self.settings = settings
        self.step = 0
        self.model = tiny_model(settings.seed, settings.levels, settings.task)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
        )

    def advance(self) -> SftStep:
        """Take one optimizer step. Raises RunError on a loss that is not finite."""
        rate = self.settings.rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        passes = passes_at(self.settings, self.step)
        count = sum(_labelled(labels_BT) for _, labels_BT in passes)
        value = 0.0
        self.optimizer.zero_grad()
        for inputs_BT, labels_BT in passes:
            loss = sft_loss(self.model, inputs_BT, labels_BT) * (_labelled(labels_BT) / count)
            loss.backward()
            value += loss.item()
        if not math.isfinite(value):
            raise RunError(f"the loss of supervised step {self.step} is {value}; lower the learning rate and run again")
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        self.step += 1
        return SftStep(self.step, value, rate, float(norm))
