"""What benchmarks/gpu.py works on: the two architectures, the seeded trace of lengths, and how lengths are forced."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, Qwen2Config

from tersely.config import TrainConfig, resolve
from tersely.learn.batch import TrainingRow
from tersely.plan import ModelShape
from tersely.samplers import Prompt
from tersely.toy.tokenizer import build_tokenizer

PROMPTS, SIBLINGS, PROMPT_TOKENS = 32, 8, 180
SIGMA, AT_CAP = 0.85, 0.015
"""Of the logarithm of a length, and the share of responses that run to the cap (assumptions, docs/planning.md)."""

QWEN = {"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 131072, "tie_word_embeddings": False}
SHAPES: dict[str, dict[str, Any]] = {
    "1.5b": {
        **QWEN,
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
    },
    "7b": {
        **QWEN,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
    },
    "small": {
        **QWEN,
        "hidden_size": 512,
        "intermediate_size": 1024,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "vocab_size": 128,
    },
    "tiny": {
        **QWEN,
        "hidden_size": 128,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 128,
    },
}
"""DeepSeek-R1-Distill-Qwen-1.5B and -7B as their config.json says (vocabulary rows, not words), a small model for
the chain of commands, and a toy."""

MEAN = {"1.5b": 4800.0, "7b": 4000.0, "small": 128.0, "tiny": 12.0}
CAP = {"1.5b": 32_000, "7b": 32_000, "small": 256, "tiny": 48}

SETTINGS: dict[str, dict[str, Any]] = {
    "1.5b": {},
    # fp32 masters and Adam are 122 GB at 7B: the lean optimizer, and each layer computed again.
    "7b": {"gradient_checkpointing": True, "optimizer": "adam8bit"},
    "tiny": {"layout": "packed", "token_budget": 256},
}


def forced_lengths(mean: float, cap: int, seed: int = 1, count: int = PROMPTS * SIBLINGS) -> list[int]:
    """Lognormal lengths cut at ``cap``, 1.5 % of them at it, whose mean is ``mean`` within half a token.

    The draws are fixed by the seed; the median is then solved for, so that the mean of these very lengths comes out.
    """
    rng = np.random.default_rng(seed)
    spread, loops = np.exp(SIGMA * rng.standard_normal(count)), max(1, round(AT_CAP * count))
    at_cap = rng.permutation(count)[:loops]

    def lengths(median: float) -> Any:
        found = np.clip(np.round(median * spread), 1, cap)
        found[at_cap] = cap
        return found

    low, high = 1e-3, float(cap)
    for _ in range(100):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if lengths(middle).mean() < mean else (low, middle)
    return [int(n) for n in lengths(high)]


@dataclass
class Setting:
    """One architecture on one device, and the trace at 1 / ``share`` of its lengths."""

    name: str
    device: torch.device
    dtype: torch.dtype
    share: int = 1
    changes: dict[str, Any] = field(default_factory=dict)
    """Of the learner's settings, from the command line."""

    @property
    def cap(self) -> int:
        return max(2, CAP[self.name] // self.share)

    @property
    def lengths(self) -> list[int]:
        return [max(1, n // self.share) for n in forced_lengths(MEAN[self.name], CAP[self.name])]

    def at(self, share: int) -> Setting:
        return replace(self, share=share)

    @property
    def model_config(self) -> Any:
        end = build_tokenizer().eos_token_id
        return Qwen2Config(**SHAPES[self.name], eos_token_id=end, bos_token_id=None, use_cache=True)

    @property
    def shape(self) -> ModelShape:
        return ModelShape.of(self.model_config.to_dict())

    def config(self, **learner: Any) -> TrainConfig:
        known = set(type(resolve({"model": "-", "task": "-"}).learner).model_fields)
        wanted = {**SETTINGS[self.name], **self.changes, **learner}
        dtype = {torch.bfloat16: "bfloat16", torch.float32: "float32"}[self.dtype]
        sampling = {"max_new_tokens": self.cap, "prompts": PROMPTS, "n": SIBLINGS}
        return resolve(
            {
                "model": f"random-{self.name}",
                "task": "trace",
                "sampling": sampling,
                "learner": {key: value for key, value in wanted.items() if key in known},
                "run": {"dtype": dtype},
            }
        )

    def make_model(self, dtype: torch.dtype = torch.float32) -> Any:
        torch.manual_seed(0)
        with self.device:
            return AutoModelForCausalLM.from_config(self.model_config, dtype=dtype).eval()

    def prompts(self) -> list[Prompt]:
        rng, size = np.random.default_rng(2), SHAPES[self.name]["vocab_size"]
        width = PROMPT_TOKENS if self.name != "tiny" else 6
        return [Prompt(str(i), tuple(rng.integers(5, size, width).tolist())) for i in range(PROMPTS)]

    def rows(self) -> list[TrainingRow]:
        """The responses of one iteration as the learner gets them, in the order of the trace."""
        rng, size = np.random.default_rng(3), SHAPES[self.name]["vocab_size"]
        prompts = self.prompts()
        return [
            TrainingRow(
                prompts[i // SIBLINGS].tokens,
                tuple(rng.integers(5, size, n).tolist()),
                np.full(n, -np.log(size)),
                float(rng.choice([-0.5, 0.5])),
                True,
            )
            for i, n in enumerate(self.lengths)
        ]


class OutOfTime(Exception):  # noqa: N818 - not an error: the measured fact is that it did not finish
    """A rollout passed its budget of seconds."""


class ForcedDecoder:
    """Any decoder of ours, whose rows end exactly at their lengths: the end token is out of reach before, and the only
    choice then. Costs one column of the logits a step."""

    def __init__(self, inner: Any, lengths: Sequence[int], end: int, budget: float) -> None:
        self.inner, self.waiting, self.end = inner, list(lengths), end
        self.deadline, self.steps = time.perf_counter() + budget, 0

    def start(self, prompts: Sequence[Any], n: int, pad: int) -> torch.Tensor:
        logits: torch.Tensor = self.inner.start(prompts, n, pad)
        count = len(prompts) * n
        self.lengths = torch.tensor(self.waiting[:count], device=logits.device)
        self.waiting, self.steps = self.waiting[count:], 0
        return self._forced(logits)

    def step(self, tokens_B: torch.Tensor) -> torch.Tensor:
        if time.perf_counter() > self.deadline:
            raise OutOfTime(f"decode step {self.steps}")
        return self._forced(self.inner.step(tokens_B))

    def keep(self, rows: torch.Tensor) -> None:
        self.inner.keep(rows)
        self.lengths = self.lengths[rows]

    def _forced(self, logits: torch.Tensor) -> torch.Tensor:
        self.steps += 1
        due = self.lengths <= self.steps
        logits[:, self.end] = torch.where(due, 1e9, float("-inf")).to(logits.dtype)
        return logits


class ForcedEngine:
    """A vLLM engine whose requests run to their lengths, whatever they say."""

    def __init__(self, inner: Any, lengths: Sequence[int], budget: float) -> None:
        self.inner, self.forced, self.deadline = inner, list(lengths), time.perf_counter() + budget

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def add(self, key: int, request: Any) -> None:
        self.inner.add(key, replace(request, max_tokens=self.forced[key], end_ids=()))

    def step(self) -> Any:
        if time.perf_counter() > self.deadline:
            raise OutOfTime("vLLM")
        return self.inner.step()


@contextlib.contextmanager
def forced_requests(lengths: Callable[[], Sequence[int]]) -> Iterator[None]:
    """transformers' continuous batching with each request's length forced: as many new tokens, and no end token.

    ``lengths`` is asked again whenever the last ones are used up.
    """
    from transformers.generation.continuous_batching.continuous_api import ContinuousBatchingManager

    plain, waiting = ContinuousBatchingManager.add_request, list[int]()

    def add_request(self: Any, *args: Any, **options: Any) -> Any:
        if not waiting:
            waiting.extend(lengths())
        return plain(self, *args, **{**options, "max_new_tokens": waiting.pop(0), "eos_token_id": -1})

    ContinuousBatchingManager.add_request = add_request
    try:
        yield
    finally:
        ContinuousBatchingManager.add_request = plain
