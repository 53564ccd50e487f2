"""What `learner.under_the_tail` saves of an iteration where decoding leaves the processor free.

    OMP_NUM_THREADS=1 python benchmarks/tail.py        # writes benchmarks/results/tail.md; about five minutes

32 long-tailed responses (the trace of benchmarks/gpu.py at a 64th of its lengths) on the embedded reasoner's
architecture: an engine that only waits hands each response over when it would have ended, then comes the update. How
long it waits a token is chosen so that the passes (reference, and old of the second gradient step) are the share of an
iteration that `tersely plan` expects. Medians of 5, without and with the switch by turns.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import torch
from gpu_setup import forced_lengths

from tersely.config import LearnerConfig
from tersely.learn.batch import TrainingRow
from tersely.learn.learner import Learner
from tersely.records import Finish, Rollout
from tersely.toy.sft import tiny_model

SIBLINGS, RESPONSES, REPEATS, SHORTER = 4, 32, 5, 64
SHARES = (0.09, 0.13)
"""Of an iteration of 1.5B on one H200 at the floor, under a cap of 32,000 and of 8,000."""


def rollouts() -> list[Rollout]:
    rng, size = np.random.default_rng(3), tiny_model(0).config.vocab_size
    lengths = [max(1, n // SHORTER) for n in forced_lengths(4800.0, 32_000, count=RESPONSES)]

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(rng.integers(5, size, count).tolist())

    return [
        Rollout(str(i // SIBLINGS), i % SIBLINGS, tokens(20), tokens(n), None, "", Finish.EOS, 0)
        for i, n in enumerate(lengths)
    ]


def iteration(learner: Learner, responses: Sequence[Rollout], token_s: float) -> tuple[float, float, float]:
    """Seconds of (the whole, what comes after the last response, the passes of the reference waited for)."""
    start = time.perf_counter()
    for rollout in sorted(responses, key=lambda r: r.length):
        time.sleep(max(0.0, start + rollout.length * token_s - time.perf_counter()))
        learner.begin(rollout, later=int(rollout.problem_id) >= RESPONSES // SIBLINGS // 2)
    ended = time.perf_counter()
    rows = [TrainingRow(r.prompt_tokens, r.tokens, None, (-1) ** r.index * 0.5, True) for r in responses]
    metrics = learner.update([rows[: RESPONSES // 2], rows[RESPONSES // 2 :]])
    return time.perf_counter() - start, time.perf_counter() - ended, metrics.reference_s


def seconds_a_token(learner: Learner, responses: Sequence[Rollout], share: float) -> float:
    """Of waiting, so that an iteration is 1 / ``share`` of its passes: half as much again as the reference's."""
    found = np.median([iteration(learner, responses, 0.0) for _ in range(REPEATS)], axis=0)
    return float((1.5 * found[2] / share - found[1]) / max(r.length for r in responses))


def main() -> None:
    torch.set_num_threads(1)
    responses = rollouts()
    cap = max(r.length for r in responses)
    off, on = (Learner(tiny_model(0), None, LearnerConfig(under_the_tail=tail), 1.0, cap) for tail in (False, True))
    lines = [
        "# Under the tail",
        "",
        f"{date.today()}, torch {torch.__version__}, {os.cpu_count()} cores, 1 thread, load {os.getloadavg()[0]:.1f}. "
        "Command: `OMP_NUM_THREADS=1 python benchmarks/tail.py`.",
        "",
        "| passes of an iteration | seconds without | with | saved | after the last response without | with |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for share in SHARES:
        token_s = seconds_a_token(off, responses, share)
        turns = [(iteration(off, responses, token_s), iteration(on, responses, token_s)) for _ in range(REPEATS)]
        (before, left, _), (now, left_now, _) = np.median(turns, axis=0)
        saved = f"{before:.2f} | {now:.2f} | {1 - now / before:.1%}"
        lines.append(f"| {share:.0%} | {saved} | {left:.2f} | {left_now:.2f} |")
    out = Path(__file__).parent / "results" / "tail.md"
    out.write_text("\n".join(lines) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    main()
