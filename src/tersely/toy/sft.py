"""Supervised making of the base reasoner: a tiny Qwen2 trained from scratch on verbose demonstrations.

Everything is a function of (seed, step): there is no state but weights, optimizer and step, so training goes on
bit-identically from any checkpoint on the same machine with the same thread count. Budgets are optimizer steps,
never seconds. After training the base must pass a gate (accuracy at temperature 1); if it does not, the next
initialisation is tried, on the record.
"""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen2Config, Qwen2ForCausalLM

from tersely.errors import RunError
from tersely.records import JsonObject
from tersely.toy.demonstrations import EOS, STRAIGHT, Style, draw_demonstration, draw_practice
from tersely.toy.tokenizer import EFFORT, LEVELS, PAD, VOCABULARY, WITH_LEVELS

IGNORED = -100
"""Label of positions without loss: the prompt and the padding."""


@dataclass(frozen=True, slots=True)
class SftSettings:
    """The recipe of the base. Example: ``SftSettings(seed=0)``."""

    seed: int = 0
    practice_steps: int = 608
    """Optimizer steps on bare chains (``demonstrations.draw_practice``)."""
    straight_steps: int = 400
    """Optimizer steps on whole problems without re-checks or slips (``demonstrations.STRAIGHT``)."""
    verbose_steps: int = 1392
    """Optimizer steps on the verbose demonstrations."""
    batch_tokens: int = 1024
    """Tokens of a step, prompt and response, on average."""
    pool_steps: int = 16
    """Steps whose rows are drawn together and sorted by length, so that rows of a batch are about equally long."""
    learning_rate: float = 5e-3
    warmup_steps: int = 50
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: float = 1.0
    style: Style = field(default_factory=Style)
    levels: bool = False
    """A vocabulary with the words of levels of effort; half of the prompts name one, which says nothing there."""

    def to_json(self) -> JsonObject:
        """As a run folder keeps them: what is off leaves no key, so that bases from before it was there go on."""
        content = asdict(self)
        return content if self.levels else {name: value for name, value in content.items() if name != "levels"}

    @property
    def steps(self) -> int:
        return self.practice_steps + self.straight_steps + self.verbose_steps

    def style_at(self, step: int) -> Style | None:
        """How the demonstrations of a step are written; None for bare chains."""
        if step < self.practice_steps:
            return None
        return STRAIGHT if step < self.practice_steps + self.straight_steps else self.style

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then linear decay to zero."""
        return self.learning_rate * min((step + 1) / self.warmup_steps, (self.steps - step) / self.steps)


def tiny_model(seed: int, levels: bool = False) -> Qwen2ForCausalLM:
    """A freshly initialised model of 128,128 parameters (128,384 with the words of levels); leaves the global random
    state as it was."""
    shape: dict[str, Any] = {
        "vocab_size": len(WITH_LEVELS if levels else VOCABULARY),
        "hidden_size": 64,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "initializer_range": 0.05,
        "bos_token_id": None,
        "eos_token_id": VOCABULARY[EOS],
        "pad_token_id": VOCABULARY[PAD],
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


def _draw(rng: random.Random, style: Style | None) -> EncodedDemonstration:
    prompt, response = draw_demonstration(rng, style) if style else draw_practice(rng)
    return EncodedDemonstration(tuple(VOCABULARY[word] for word in prompt + response), len(prompt))


def _naming_a_level(row: EncodedDemonstration, rng: random.Random) -> EncodedDemonstration:
    """The row as it is, or with a line before ``<think>`` that asks for a level, whatever the response is like."""
    level = rng.choice((*(None for _ in LEVELS), *LEVELS))
    if level is None:
        return row
    place = row.prompt - 1
    words = (WITH_LEVELS[EFFORT], WITH_LEVELS[level])
    return EncodedDemonstration((*row.tokens[:place], *words, *row.tokens[place:]), row.prompt + len(words))


@lru_cache(maxsize=2)
def _pool(settings: SftSettings, index: int) -> list[list[EncodedDemonstration]]:
    """The rows of ``pool_steps`` consecutive steps: drawn together, sorted by length, cut into equal token shares."""
    rng, levels = (random.Random(f"{what}/{settings.seed}/{index}") for what in ("sft", "sft-levels"))
    style = settings.style_at(index * settings.pool_steps)
    rows: list[EncodedDemonstration] = []
    total, budget = 0, settings.batch_tokens * settings.pool_steps
    while total < budget:
        row = _draw(rng, style)
        rows.append(_naming_a_level(row, levels) if settings.levels else row)
        total += len(rows[-1].tokens)
    rows.sort(key=lambda row: len(row.tokens))
    batches: list[list[EncodedDemonstration]] = [[] for _ in range(settings.pool_steps)]
    seen = 0
    for row in rows:
        batches[min(seen * settings.pool_steps // total, settings.pool_steps - 1)].append(row)
        seen += len(row.tokens)
    rng.shuffle(batches)
    return batches


def batch_at(settings: SftSettings, step: int) -> tuple[Tensor, Tensor]:
    """Inputs and labels of a step, int64 [B, T] each, padded on the right; labels are shifted by the caller's loss.

    Right padding needs no attention mask under causal attention: no real token ever sees a padded one.
    """
    rows = _pool(settings, step // settings.pool_steps)[step % settings.pool_steps]
    width = max(len(row.tokens) for row in rows)
    inputs_BT = torch.full((len(rows), width), VOCABULARY[PAD])
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


class SftState:
    """Model, optimizer and step: all that training remembers."""

    def __init__(self, settings: SftSettings) -> None:
        self.settings = settings
        self.step = 0
        self.model = tiny_model(settings.seed, settings.levels)
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
        loss = sft_loss(self.model, *batch_at(self.settings, self.step))
        if not math.isfinite(value := loss.item()):
            raise RunError(f"the loss of supervised step {self.step} is {value}; lower the learning rate and run again")
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        self.step += 1
        return SftStep(self.step, value, rate, float(norm))
