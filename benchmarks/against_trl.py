"""Whole iterations and sampling alone against TRL's GRPOTrainer and transformers' generate, on the same forced lengths.

    OMP_WAIT_POLICY=passive python benchmarks/against_trl.py            # both sides, interleaved; writes the table
    python benchmarks/against_trl.py --side tersely --lengths long      # one side once, one JSON line out

Both sides: the embedded reasoner's architecture (random weights; ``--size`` for larger ones), 32 problems x 8
responses, at most 256 tokens,
two gradient steps of 128, KL on (k3 in the loss, 1e-3), fp32, the same prompts, and responses forced to the same
seeded lengths: "long" is lognormal (sigma 0.85, mean ~100, cut at 256), "equal" is 256 for all. Rewards are a hash of
the sampled tokens on both sides, so that every group has signal. Seconds are wall time of an iteration. The process is
the unit, since its iterations share its mood: each is reduced to the median of its iterations, the ratio is taken
within a round (both sides one after the other), and its interval is t over the logarithms of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

Rounds = list[list[dict[str, float]]]
"""Of one side: the measured iterations of each of its processes."""

PROMPTS, SIBLINGS, CAP = 32, 8, 256
ROUNDS, ITERATIONS = 6, 4
"""Processes a side, and measured iterations in each after one of warm-up."""


SHAPES: dict[str, dict[str, int]] = {
    "0.1": {},
    "1": {"hidden": 160, "feed_forward": 448, "layers": 4, "heads": 4, "kv_heads": 2},
    "3": {"hidden": 256, "feed_forward": 704, "layers": 4, "heads": 8, "kv_heads": 2},
}
"""Million parameters, about -> shape of the model; the embedded reasoner's own where nothing is said."""


def forced_lengths(shape: str, seed: int) -> list[int]:
    import numpy as np

    if shape == "equal":
        return [CAP] * (PROMPTS * SIBLINGS)
    drawn = np.random.default_rng(seed).lognormal(0.0, 0.85, PROMPTS * SIBLINGS)
    return [int(n) for n in np.clip(np.round(drawn / drawn.mean() * 107), 4, CAP)]


def reward(tokens: list[int]) -> float:
    return float(sum(tokens) % 2)


def make_parts(folder: Path, size: str) -> tuple[Any, Any, list[Any]]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tersely.tasks.sources.arithmetic import arithmetic_problems
    from tersely.toy.reasoners import REASONERS
    from tersely.toy.settings import Shape
    from tersely.toy.sft import fresh_model
    from tersely.toy.tokenizer import build_tokenizer

    embedded = REASONERS["arithmetic"]
    shape = Shape(**SHAPES[size]) if SHAPES[size] else embedded.shape
    fresh_model(shape, embedded.vocabulary(levels=False), 0).save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    return model, AutoTokenizer.from_pretrained(folder), arithmetic_problems("train", 320, 1)


class Forced:
    """Lets a row end exactly at its length: the end token is out of reach before, and the only choice then."""

    def __init__(self, end: int) -> None:
        self.end = end

    def set(self, lengths: list[int]) -> None:
        import torch

        self.lengths, self.t = torch.tensor(lengths), 0

    def apply(self, logits: Any) -> Any:
        self.t += 1
        due = self.lengths <= self.t
        logits = logits.clone()
        logits[:, self.end] = float("-inf")
        logits[due] = float("-inf")
        logits[due, self.end] = 0.0
        return logits


def forced_decoder(model: Any, forced: Forced) -> Any:
    """tersely's own decoder, whose rows end at their lengths."""
    from tersely.samplers.decoders import FusedDecoder

    class ForcedDecoder(FusedDecoder):
        def start(self, *args: Any) -> Any:
            return forced.apply(super().start(*args))

        def step(self, tokens: Any) -> Any:
            return forced.apply(super().step(tokens))

        def keep(self, rows: Any) -> None:
            super().keep(rows)
            forced.lengths = forced.lengths[rows]

    return ForcedDecoder(model)


def run_tersely(lengths: str, size: str, sampling_only: bool) -> list[dict[str, float]]:
    import numpy as np

    from tersely.config import LearnerConfig
    from tersely.learn.batch import collate, split_updates
    from tersely.learn.learner import Learner
    from tersely.objective import Objective
    from tersely.records import Group, Status, Verdict
    from tersely.samplers import Prompt, Sampling
    from tersely.samplers.transformers import TransformersSampler
    from tersely.tasks.prompts import render

    with tempfile.TemporaryDirectory() as folder:
        model, tokenizer, problems = make_parts(Path(folder), size)
    # As TRL counts them: truncated responses (all of "equal" ends at the cap) are kept, so the cap is one above.
    sampler = TransformersSampler(model, tokenizer)
    forced = Forced(sampler.end_ids[0])
    sampler._make_decoder = lambda: forced_decoder(sampler.model, forced)  # type: ignore[method-assign]
    config = LearnerConfig(
        learning_rate=1e-3, kl_in="loss", old_logprobs="sampler", token_budget=1536, averaging="token"
    )
    learner = None if sampling_only else Learner(model, None, config, 1.0, CAP)
    objective, found = Objective(alpha=0.0), []
    for i in range(ITERATIONS + 1):
        forced.set(forced_lengths(lengths, i))
        chosen = [problems[(i * PROMPTS + j) % len(problems)] for j in range(PROMPTS)]
        start = time.perf_counter()
        prompts = [Prompt(p.id, render(p, tokenizer, "question")) for p in chosen]
        rollouts = sampler.generate(prompts, Sampling(n=SIBLINGS, max_new_tokens=CAP, seed=i))
        sampled = time.perf_counter()
        if learner is not None:
            groups = []
            for j, problem in enumerate(chosen):
                siblings = tuple(rollouts[j * SIBLINGS : (j + 1) * SIBLINGS])
                right = [Status.CORRECT if reward(list(r.tokens)) else Status.WRONG for r in siblings]
                groups.append(Group(problem, siblings, tuple(Verdict(s, None, "benchmark") for s in right)))
            credits = objective.credits([(g.correct_G, g.lengths_G, g.judged_G) for g in groups])
            parts = split_updates(groups, 2)
            learner.update([collate(groups[p], credits[p]) for p in parts])
            sampler.load_weights(learner.model, i + 1)
        end = time.perf_counter()
        tokens = sum(r.length for r in rollouts)
        assert np.array_equal(sorted(r.length for r in rollouts), sorted(forced_lengths(lengths, i)))
        found.append({"seconds": end - start, "sample_s": sampled - start, "tokens": tokens})
    return found[1:]


def forcing_processor(forced: Forced) -> Any:
    from transformers import LogitsProcessor, LogitsProcessorList

    class Force(LogitsProcessor):
        def __call__(self, input_ids: Any, scores: Any) -> Any:
            return forced.apply(scores)

    return LogitsProcessorList([Force()])


def run_generate(lengths: str, size: str) -> list[dict[str, float]]:
    """transformers' generate alone, on the same prompts and lengths."""
    import torch

    from tersely.tasks.prompts import render

    with tempfile.TemporaryDirectory() as folder:
        model, tokenizer, problems = make_parts(Path(folder), size)
    forced, found = Forced(tokenizer.eos_token_id), []
    tokenizer.padding_side = "left"
    for i in range(ITERATIONS + 1):
        forced.set(forced_lengths(lengths, i))
        chosen = [problems[(i * PROMPTS + j) % len(problems)] for j in range(PROMPTS)]
        start = time.perf_counter()
        ids = [list(render(p, tokenizer, "question")) for p in chosen for _ in range(SIBLINGS)]
        batch = tokenizer.pad({"input_ids": ids}, return_tensors="pt")
        with torch.no_grad():
            model.generate(
                **batch,
                do_sample=True,
                max_new_tokens=CAP,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                logits_processor=forcing_processor(forced),
            )
        end = time.perf_counter()
        found.append({"seconds": end - start, "sample_s": end - start, "tokens": sum(forced_lengths(lengths, i))})
    return found[1:]


def run_trl(lengths: str, size: str) -> list[dict[str, float]]:
    import torch
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    model, tokenizer, problems = make_parts(Path(tempfile.mkdtemp()), size)
    rows = [{"prompt": [{"role": "user", "content": p.question}]} for p in problems]
    config = GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=int(os.environ.get("TRL_MICRO", "128")),
        gradient_accumulation_steps=128 // int(os.environ.get("TRL_MICRO", "128")),
        generation_batch_size=PROMPTS * SIBLINGS,
        num_generations=SIBLINGS,
        max_completion_length=CAP,
        max_steps=2 * (ITERATIONS + 1),
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        scale_rewards="none",
        loss_type="dapo",
        beta=1e-3,
        temperature=1.0,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        logging_steps=10_000,
        save_strategy="no",
        disable_tqdm=True,
        shuffle_dataset=False,
        remove_unused_columns=False,
    )

    def rewards(completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [reward(ids) for ids in completion_ids]

    trainer = GRPOTrainer(
        model=model,
        reward_funcs=rewards,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    forced, calls, plain = Forced(tokenizer.eos_token_id), [], trainer.model.generate

    def generate(*args: Any, **options: Any) -> Any:
        forced.set(forced_lengths(lengths, len(calls)))
        calls.append(time.perf_counter())
        out = plain(*args, **options, logits_processor=forcing_processor(forced))
        calls[-1] = (calls[-1], time.perf_counter())
        return out

    trainer.model.generate = generate
    trainer.train()
    end = time.perf_counter()
    starts = [c[0] for c in calls] + [end]
    assert len(calls) == ITERATIONS + 1, f"{len(calls)} generations for {ITERATIONS + 1} iterations"
    assert torch.get_num_threads() == int(os.environ["OMP_NUM_THREADS"])
    return [
        {"seconds": b - a, "sample_s": c[1] - c[0], "tokens": sum(forced_lengths(lengths, i))}
        for i, (a, b, c) in enumerate(zip(starts, starts[1:], calls, strict=False))
    ][1:]


def one_side(side: str, lengths: str, size: str) -> list[dict[str, float]]:
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if side == "trl":
        return run_trl(lengths, size)
    if side == "generate":
        return run_generate(lengths, size)
    return run_tersely(lengths, size, sampling_only=side == "sampler")


def measure(side: str, lengths: str, threads: int, size: str) -> list[dict[str, float]]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, __file__, "--side", side, "--lengths", lengths, "--size", size]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr[-3000:]}")
    found: list[dict[str, float]] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def ratio(slow: Rounds, fast: Rounds) -> str:
    """Geometric mean over rounds of a round's ratio of medians, with its interval over rounds."""
    logs_R = np.log([median(s) / median(f) for s, f in zip(slow, fast, strict=True)])
    reach = stdtrit(len(logs_R) - 1, 0.975) * logs_R.std(ddof=1) / math.sqrt(len(logs_R))
    middle, low, high = np.exp([logs_R.mean(), logs_R.mean() - reach, logs_R.mean() + reach])
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def median(process: list[dict[str, float]]) -> float:
    """Seconds of an iteration of one process."""
    return float(np.median([found["seconds"] for found in process]))


RUNS = (("long", 1), ("long", 2), ("equal", 1))
"""Lengths and threads of the measured processes."""

ROWS = (
    ("whole iteration", "long", 1, 1),
    ("whole iteration", "long", 1, 2),
    ("whole iteration", "long", 2, 2),
    ("whole iteration", "equal", 1, 1),
    ("sampling alone", "long", 1, 1),
    ("sampling alone", "long", 1, 2),
    ("sampling alone", "long", 2, 2),
    ("sampling alone", "equal", 1, 1),
)
"""What, lengths, threads of tersely, threads of the other. One thread is what tersely's tiny recipe uses."""

SIDES = {"whole iteration": ("tersely", "trl"), "sampling alone": ("sampler", "generate")}


def measure_all(size: str) -> dict[tuple[str, str, int], Rounds]:
    """Every side in turn, round after round, so that the machine's moods fall on all of them."""
    found: dict[tuple[str, str, int], Rounds] = {}
    for _ in range(ROUNDS):
        for lengths, threads in RUNS:
            for side in ("tersely", "trl", "sampler", "generate"):
                rounds = found.setdefault((side, lengths, threads), [])
                rounds.append(measure(side, lengths, threads, size))
                print(side, lengths, threads, [round(median(r), 2) for r in rounds], file=sys.stderr, flush=True)
    return found


def table(found: dict[tuple[str, str, int], Rounds]) -> list[str]:
    lines = []
    for what, lengths, ours, theirs in ROWS:
        mine, other = SIDES[what]
        fast, slow = found[mine, lengths, ours], found[other, lengths, theirs]
        seconds = [float(np.median([median(process) for process in side])) for side in (fast, slow)]
        speed = np.median([one["tokens"] / one["seconds"] for process in fast for one in process])
        lines.append(
            f"| {what} | {lengths} | {ours} / {theirs} | {seconds[0]:.2f} | {seconds[1]:.2f} "
            f"| {ratio(slow, fast)} | {speed:,.0f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", choices=["tersely", "trl", "sampler", "generate"])
    parser.add_argument("--lengths", choices=["long", "equal"], default="long")
    parser.add_argument("--size", choices=SHAPES, default="0.1", help="million parameters, about")
    parser.add_argument("--out", type=Path, default=None, help="default: benchmarks/results/against_trl[-SIZE].md")
    args = parser.parse_args()
    name = "against_trl" if args.size == "0.1" else f"against_trl-{args.size}"
    out: Path = args.out or Path(__file__).parent / "results" / f"{name}.md"
    if args.side:
        print(json.dumps(one_side(args.side, args.lengths, args.size)))
        return
    lines = table(measure_all(args.size))
    import torch
    import transformers
    import trl

    head = [
        "# Against TRL and transformers' generate",
        "",
        f"{date.today()}, torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}, "
        f"Python {platform.python_version()}, {os.cpu_count()} cores {platform.machine()}; "
        f"load {os.getloadavg()[1]:.1f}. Command: `OMP_WAIT_POLICY=passive python benchmarks/against_trl.py --size "
        f"{args.size}`.",
        "",
        f"{ROUNDS} interleaved processes a side, {ITERATIONS} measured iterations in each after one warm-up; medians; "
        "ratio of the processes' medians, geometric mean over rounds with a 95 % t interval over their logarithms.",
        "",
        "| what | lengths | threads, tersely / other | tersely s | other s | ratio | tersely tokens/s |",
        "|---|---|---|---|---|---|---|",
    ]
    out.parent.mkdir(exist_ok=True)
    out.write_text("\n".join([*head, *lines]) + "\n")
    print(out.read_text())


if __name__ == "__main__":
    main()
