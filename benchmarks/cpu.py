"""Figures that need no GPU: packed against padded training, the sampler's own host time, and speed by size of model.

    OMP_NUM_THREADS=1 python benchmarks/cpu.py        # writes benchmarks/results/cpu.md

Packed against padded: one gradient step (forward and backward) over the same long-tailed batch of 64 responses, the
embedded reasoner's architecture, three layouts: padded to the longest of the step (as TRL does), padded within
length-sorted micro-batches of a token budget (tersely's default on a CPU), and packed. Medians of 5.

Host time: 256 rows whose decoder is a stub that returns ready logits, so that what remains is choosing tokens,
recording them and dropping ended rows.

Speed by size: response tokens per CPU second of one thread, for 256 responses of the forced long-tailed lengths of
benchmarks/against_trl.py: sampled, and learnt from (two gradient steps, old log-probabilities of the sampler, a
reference in the loss). Random weights; medians of 5. CPU seconds, so that other work beside it changes little.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from against_trl import CAP, PROMPTS, SHAPES, SIBLINGS, Forced, forced_decoder, forced_lengths

from tersely.config import LearnerConfig
from tersely.learn.batch import TrainingRow
from tersely.learn.learner import Learner
from tersely.samplers import Prompt, Sampling
from tersely.samplers.transformers import TransformersSampler
from tersely.toy.reasoners import REASONERS
from tersely.toy.settings import Shape
from tersely.toy.sft import fresh_model, tiny_model
from tersely.toy.tokenizer import build_tokenizer

ROWS, REPEATS, STEPS = 256, 5, 200
SIZES = tuple(Shape(**shape) if shape else REASONERS["arithmetic"].shape for shape in SHAPES.values())
"""0.1, 1 and 3 million parameters."""


def long_tailed_rows(count: int, vocabulary: int) -> list[TrainingRow]:
    rng = np.random.default_rng(0)
    drawn = rng.lognormal(0.0, 0.85, count)
    lengths = np.clip(np.round(drawn / drawn.mean() * 100), 4, 400).astype(int)
    return [
        TrainingRow(
            tuple(rng.integers(5, vocabulary, 22)), tuple(rng.integers(5, vocabulary, n)), -rng.random(n), 0.5, True
        )
        for n in lengths
    ]


def seconds_of_update(layout: str, budget: int, rows: Sequence[TrainingRow]) -> float:
    config = LearnerConfig(kl_coefficient=0.0, old_logprobs="sampler", token_budget=budget, layout=layout)
    learner = Learner(tiny_model(0), None, config, temperature=1.0, cap=400)
    found = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        learner.update([rows])
        found.append(time.perf_counter() - start)
    return float(np.median(found[1:]))


class StubDecoder:
    """Ready logits; nothing is computed. ``ending`` of them end a row now and then."""

    def __init__(self, vocabulary: int) -> None:
        self.logits = torch.randn(ROWS, vocabulary, generator=torch.Generator().manual_seed(0))

    def start(self, prompts: Any, n: int, pad: int) -> torch.Tensor:
        return self.logits

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.logits[: len(tokens)]

    def keep(self, rows: torch.Tensor) -> None:
        return None


def host_milliseconds(vocabulary: int) -> tuple[float, float]:
    """(milliseconds a step in all, of them for drawing from ready logits) at a batch of 256."""
    from tersely.samplers.transformers import draw

    sampler = TransformersSampler(tiny_model(0), build_tokenizer())
    sampler.end_ids = (10**9,)
    sampler._make_decoder = lambda: StubDecoder(vocabulary)  # type: ignore[assignment,return-value,method-assign]
    sampling = Sampling(n=8, max_new_tokens=STEPS, seed=0)
    prompts = [Prompt(str(i), (1, 2, 3)) for i in range(ROWS // 8)]
    sampler.tokenizer.batch_decode = lambda ids, **_: [""] * len(ids)
    whole, drawing = [], []
    logits, u = StubDecoder(vocabulary).logits, torch.rand(ROWS, dtype=torch.float64)
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        sampler.generate(prompts, sampling)
        middle = time.perf_counter()
        with torch.no_grad():
            for _ in range(STEPS):
                draw(logits, u, sampling)
        whole.append((middle - start) / STEPS * 1e3)
        drawing.append((time.perf_counter() - middle) / STEPS * 1e3)
    return float(np.median(whole[1:])), float(np.median(drawing[1:]))


def size_row(parameters: int, sampled: float, learnt: float) -> str:
    both = 1 / (1 / sampled + 1 / learnt)
    return f"| {parameters:,} | {sampled:,.0f} | {learnt:,.0f} | {both:,.0f} |"


def by_size(shape: Shape) -> tuple[int, float, float]:
    """(parameters, tokens sampled, tokens learnt from, each per CPU second)."""
    words = REASONERS["arithmetic"].vocabulary(levels=False)
    model, reference = (fresh_model(shape, words, seed) for seed in (0, 1))
    sampler = TransformersSampler(model, build_tokenizer())
    forced = Forced(sampler.end_ids[0])
    sampler._make_decoder = lambda: forced_decoder(model, forced)  # type: ignore[method-assign]
    config = LearnerConfig(old_logprobs="sampler", token_budget=1536)
    learner = Learner(model, reference, config, 1.0, CAP)
    prompts = [Prompt(str(i), tuple(range(5, 35))) for i in range(PROMPTS)]
    sampling, learning = [], []
    for i in range(REPEATS + 1):
        forced.set(forced_lengths("long", i))
        start = time.process_time()
        rollouts = sampler.generate(prompts, Sampling(n=SIBLINGS, max_new_tokens=CAP, seed=i))
        sampled = time.process_time()
        rows = [TrainingRow(r.prompt_tokens, r.tokens, r.logprobs, (-1.0) ** n, True) for n, r in enumerate(rollouts)]
        learner.update([rows[: len(rows) // 2], rows[len(rows) // 2 :]])
        tokens = sum(r.length for r in rollouts)
        sampling.append(tokens / (sampled - start))
        learning.append(tokens / (time.process_time() - sampled))
    parameters = sum(one.numel() for one in model.parameters())
    return parameters, float(np.median(sampling[1:])), float(np.median(learning[1:]))


def main() -> None:
    rows = long_tailed_rows(64, len(build_tokenizer()))
    longest = 64 * max(r.width for r in rows)
    padded_all = seconds_of_update("padded", longest, rows)
    bucketed = seconds_of_update("padded", 1536, rows)
    packed = seconds_of_update("packed", 1536, rows)
    small, small_draw = host_milliseconds(64)
    lines = [
        "# CPU figures",
        "",
        f"{date.today()}, torch {torch.__version__}, transformers {transformers.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores {platform.machine()}, {torch.get_num_threads()} thread, "
        f"load {os.getloadavg()[0]:.1f}. Command: `OMP_NUM_THREADS=1 python benchmarks/cpu.py`.",
        "",
        "| one gradient step over 64 long-tailed responses | seconds | against padding to the longest |",
        "|---|---:|---:|",
        f"| padded to the longest | {padded_all:.3f} | 1.0 |",
        f"| padded within length-sorted micro-batches | {bucketed:.3f} | {padded_all / bucketed:.1f} x |",
        f"| packed (one attention call a sequence on a CPU) | {packed:.3f} | {padded_all / packed:.1f} x |",
        "",
        f"Host time of a decode step at batch 256 with a stub decoder (vocabulary 64): {small:.3f} ms in all, of which "
        f"{small_draw:.3f} ms draw the tokens and {small - small_draw:.3f} ms are bookkeeping (goal 0.4 ms).",
        "",
        "| parameters | tokens sampled a CPU second | tokens learnt from a CPU second | of both |",
        "|---:|---:|---:|---:|",
        *(size_row(*by_size(shape)) for shape in SIZES),
    ]
    out = Path(__file__).parent / "results" / "cpu.md"
    out.write_text("\n".join(lines) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    main()
