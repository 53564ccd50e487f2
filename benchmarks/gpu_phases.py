"""The measured parts of benchmarks/gpu.py: each takes a setting and a budget of seconds and returns plain numbers."""

from __future__ import annotations

import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from gpu_setup import PROMPTS, SIBLINGS, ForcedDecoder, ForcedEngine, OutOfTime, Setting, forced_requests
from gpu_whole import whole

from tersely.learn.attention import switched
from tersely.learn.batch import TrainingRow, collate, split_updates, weigh
from tersely.learn.heads import CHUNK_LOGITS, OutputLayer, head_logprobs
from tersely.learn.learner import OLD, REFERENCE, Learner
from tersely.objective import Objective
from tersely.records import Group, Kind, Problem, Rollout, Status, Verdict
from tersely.samplers import Sampling
from tersely.samplers.transformers import TransformersSampler
from tersely.toy.tokenizer import build_tokenizer

Numbers = dict[str, Any]


def sync(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(device: torch.device, work: Callable[[], Any]) -> tuple[float, float, Any]:
    """(seconds, peak GB allocated on the GPU meanwhile, result)."""
    sync(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    result = work()
    sync(device)
    seconds = time.perf_counter() - start
    return seconds, torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0, result


def median_seconds(device: torch.device, work: Callable[[], Any], repeats: int = 10) -> float:
    for _ in range(3):
        work()
    return statistics.median(timed(device, work)[0] for _ in range(repeats))


def ceilings(setting: Setting, _: float) -> Numbers:
    """What the device does at best: a bf16 matrix product, a copy and a triad over buffers larger than its cache."""
    tiny, device = setting.name == "tiny", setting.device
    n, numbers = (128, 2**16) if tiny else (8192, 2**31)
    a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
    product = median_seconds(device, lambda: a @ b)
    x = torch.zeros(numbers, device=device, dtype=torch.bfloat16)
    y, z = torch.empty_like(x), torch.ones_like(x)
    copy = median_seconds(device, lambda: y.copy_(x))
    triad = median_seconds(device, lambda: torch.add(x, z, alpha=2.0, out=y))
    return {
        "matmul_flops": 2 * n**3 / product,
        "copy_bytes_per_s": 2 * x.nbytes / copy,
        "triad_bytes_per_s": 3 * x.nbytes / triad,
    }


def decoder_name(setting: Setting) -> Any:
    """What a GPU would take by itself; the toy takes the model's forward too, for the same code path."""
    return "model" if setting.device.type == "cpu" else "auto"


def decode(setting: Setting, _: float) -> Numbers:
    """One decode step of our decoder at two shapes, and the bytes it has to read."""
    sampler = TransformersSampler(setting.make_model(setting.dtype), build_tokenizer(), decoder_name(setting))
    shape, found = setting.shape, {}
    size = {"b256": (PROMPTS, SIBLINGS, 2048), "b1": (1, 1, 16384)}
    if setting.name == "tiny":
        size = {"b256": (2, 2, 8), "b1": (1, 1, 16)}
    for name, (prompts, n, context) in size.items():
        decoder = sampler._make_decoder()
        with torch.no_grad():
            decoder.start([[5 + i % 50 for i in range(context)]] * prompts, n, sampler.pad)
            tokens = torch.full((prompts * n,), 7, device=setting.device)
            seconds = median_seconds(setting.device, lambda d=decoder, t=tokens: d.step(t), 20)
        element = torch.finfo(setting.dtype).bits // 8
        read = element * shape.read_per_step + prompts * n * (context + 12) * shape.kv_bytes(element)
        found[name] = {"ms": seconds * 1e3, "bytes_per_s": read / seconds, "rows": prompts * n, "context": context}
    return found


def head(setting: Setting, _: float) -> Numbers:
    """Extra memory and time of chunked log-probabilities of 32,000 positions, forward and backward."""
    device, count = setting.device, 64 if setting.name == "tiny" else 32_000
    model = setting.make_model()
    weight = model.get_output_embeddings().weight
    weight.grad = torch.zeros_like(weight)
    hidden = torch.randn(count, weight.shape[1], device=device, requires_grad=True)
    targets = torch.randint(0, weight.shape[0], (count,), device=device)
    narrow, rows = weight.detach().bfloat16(), max(1, CHUNK_LOGITS // weight.shape[0])

    def work(backward: bool) -> None:
        with torch.autocast(device.type, torch.bfloat16), torch.set_grad_enabled(backward):
            logprobs = head_logprobs(OutputLayer(model), hidden, targets, 1.0)[0]
        if backward:
            logprobs.sum().backward()

    def bare() -> None:
        for start in range(0, count, rows):
            _ = hidden.detach()[start : start + rows].bfloat16() @ narrow.T

    work(False)
    work(True)
    base = torch.cuda.memory_allocated() / 1e9 if device.type == "cuda" else 0.0
    found: Numbers = {"positions": count, "vocabulary": weight.shape[0], "gemm_s": median_seconds(device, bare, 3)}
    for name, backward in (("forward", False), ("forward_backward", True)):
        seconds, peak, _ = timed(device, lambda b=backward: work(b))
        found[name] = {"seconds": seconds, "extra_gb": peak - base}
    return found


def training_flops(setting: Setting, rows: Sequence[TrainingRow]) -> float:
    """Of one forward and backward pass (3 x the products, 3.5 x causal attention); the head on response tokens alone.
    What checkpointing computes again does not count."""
    shape = setting.shape
    tokens, answers = sum(r.width for r in rows), sum(r.length for r in rows)
    linear = 2.0 * shape.body_parameters * tokens + 2.0 * shape.head_parameters * answers
    return 3.0 * linear + 3.5 * shape.attention_flops(float(sum(r.width**2 for r in rows)))


def make_learner(setting: Setting, **changes: Any) -> Learner:
    config = setting.config(**changes).learner
    return Learner(setting.make_model(), None, config, 1.0, setting.cap, setting.dtype)


def gradients(setting: Setting, _: float) -> Numbers:
    """Forward and backward passes and the optimizer's step for one gradient step of 128 responses; no other pass."""
    learner, rows = make_learner(setting, kl_coefficient=0.0, old_logprobs="sampler"), setting.rows()
    learner.update([sorted(rows, key=lambda r: r.width)[:8]])
    half = rows[: len(rows) // 2]
    seconds, peak, _ = timed(setting.device, lambda: learner.update([half]))
    flops = training_flops(setting, half)
    return {
        "seconds": seconds,
        "peak_gb": peak,
        "tokens": sum(r.width for r in half),
        "flops": flops,
        "flops_per_s": flops / seconds,
        "attention": learner.attention,
        "packed": learner.packed,
        "checkpointing": learner.config.gradient_checkpointing,
    }


def update(setting: Setting, _: float) -> Numbers:
    """A whole update of 256 responses as the recipe has it (reference and old log-probabilities, two gradient steps),
    then those passes by themselves, and the hand-over of the weights to our sampler."""
    learner, rows, device = make_learner(setting), setting.rows(), setting.device
    shortest = sorted(rows, key=lambda r: r.width)[:8]
    learner.update([shortest, shortest])
    sampler = TransformersSampler(learner.served_model(), build_tokenizer(), dtype=setting.dtype)
    parts = [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
    seconds, peak, metrics = timed(device, lambda: learner.update(parts))
    adopting = median_seconds(device, lambda: sampler.load_weights(learner.served_model(), 1), 5)
    batches = learner._cut(weigh(rows, learner.config.averaging, setting.cap))

    def passes(name: str) -> Any:
        with switched([learner.model, learner.reference.model], learner.attention):
            return learner._logprobs(name, batches)

    old, old_peak, _ = timed(device, lambda: passes(OLD))
    reference, _, _ = timed(device, lambda: passes(REFERENCE))
    return {
        "seconds": seconds,
        "peak_gb": peak,
        "reference_in_update_s": metrics.reference_s,
        "logprobs_policy_s": old,
        "logprobs_reference_s": reference,
        "logprobs_peak_gb": old_peak,
        "handover_s": adopting,
        "tokens": sum(r.width for r in rows),
        "attention": learner.attention,
        "packed": learner.packed,
        "optimizer": type(learner.optimizer).__name__,
    }


# ---- rollouts


class Rollouts:
    """A sampler of ours whose lengths are forced, over ``kind`` "model" or "vllm"."""

    def __init__(self, setting: Setting, kind: str, model: Any, budget: float) -> None:
        self.setting, self.budget, self.tokenizer = setting, budget, build_tokenizer()
        self.decoder: Any = None
        if kind == "vllm":
            self.sampler: Any = self._vllm(model)
            return
        self.sampler = TransformersSampler(model, self.tokenizer, decoder_name(setting), dtype=setting.dtype)
        plain = self.sampler._make_decoder
        self.sampler._make_decoder = lambda: self._forced(plain())

    def _forced(self, inner: Any) -> ForcedDecoder:
        self.decoder = ForcedDecoder(inner, self.setting.lengths, self.sampler.end_ids[0], self.budget)
        return self.decoder

    def _vllm(self, model: Any) -> Any:
        from tersely.samplers.vllm import VllmSampler
        from tersely.samplers.vllm_engine import InProcessEngine

        folder = Path(tempfile.mkdtemp())
        self.setting.model_config.save_pretrained(folder)
        length = self.setting.cap + 256
        engine = InProcessEngine(folder, self.setting.dtype, max_length=length, memory_share=0.4)
        return VllmSampler(model, self.tokenizer, ForcedEngine(engine, self.setting.lengths, self.budget))

    def generate(self) -> list[Rollout]:
        sampling = Sampling(n=SIBLINGS, max_new_tokens=self.setting.cap, seed=1)
        found: list[Rollout] = self.sampler.generate(self.setting.prompts(), sampling)
        return found


def rollout(setting: Setting, kind: str, budget: float) -> Numbers:
    """The whole trace through one sampler; what was reached where it does not finish within ``budget`` seconds."""
    model, total = setting.make_model(setting.dtype), sum(setting.lengths)
    rollouts = Rollouts(setting, kind, model, budget)
    try:
        seconds, peak, found = timed(setting.device, rollouts.generate)
    except OutOfTime as reached:
        done = rollouts.decoder.steps if rollouts.decoder else 0
        tokens = sum(min(n, done) for n in setting.lengths)
        return {"not_finished": f"{budget:.0f} s: {reached}", "steps": done, "tokens_done": tokens, "tokens": total}
    assert sorted(r.length for r in found) == sorted(setting.lengths), "a length was not the forced one"
    handover = median_seconds(setting.device, lambda: rollouts.sampler.load_weights(model, 1), 3)
    return {"seconds": seconds, "peak_gb": peak, "tokens": total, "handover_s": handover}


def rollout_model(setting: Setting, budget: float) -> Numbers:
    """Our own decoding loop over the model's forward."""
    return rollout(setting, "model", budget)


def rollout_vllm(setting: Setting, budget: float) -> Numbers:
    if importlib.util.find_spec("vllm") is None:
        return {"skipped": "vLLM is not installed"}
    return rollout(setting, "vllm", budget)


# ---- whole iterations, ours and TRL's, at an eighth of the trace

ITERATIONS = 3
"""Measured, after one of warm-up."""


def fair_coin(tokens: Sequence[int]) -> float:
    return float(sum(tokens) % 2)


def iteration(setting: Setting, budget: float) -> Numbers:
    """Sampling, credit, update and hand-over, whole, with vLLM where it is installed."""
    learner, objective = make_learner(setting), Objective(alpha=0.1)
    kind = "vllm" if setting.device.type == "cuda" and importlib.util.find_spec("vllm") else "model"
    rollouts, found = Rollouts(setting, kind, learner.served_model(), budget), []

    def once() -> float:
        start = time.perf_counter()
        flat = rollouts.generate()
        sync(setting.device)
        sampled = time.perf_counter() - start
        groups = [as_group(flat[i : i + SIBLINGS]) for i in range(0, len(flat), SIBLINGS)]
        credits = objective.credits([(g.correct_G, g.lengths_G, g.judged_G) for g in groups])
        parts = split_updates(groups, learner.config.updates)
        learner.update([collate(groups[p], credits[p]) for p in parts])
        rollouts.sampler.load_weights(learner.served_model(), 1)
        return sampled

    for _ in range(ITERATIONS + 1):
        seconds, peak, sampled = timed(setting.device, once)
        found.append({"seconds": seconds, "sample_s": sampled, "peak_gb": peak})
    return {"sampler": kind, "tokens": sum(setting.lengths), "iterations": found[1:]}


def as_group(siblings: Sequence[Rollout]) -> Group:
    right = [Status.CORRECT if fair_coin(r.tokens) else Status.WRONG for r in siblings]
    problem = Problem(siblings[0].problem_id, "", "1", Kind.MATH, "benchmark")
    return Group(problem, tuple(siblings), tuple(Verdict(s, None, "benchmark") for s in right))


def trl(setting: Setting, _: float) -> Numbers:
    """The same iterations by TRL's GRPOTrainer with transformers' continuous batching and the same forced lengths."""
    if any(importlib.util.find_spec(name) is None for name in ("trl", "datasets")):
        return {"skipped": "trl or datasets is not installed"}
    from datasets import Dataset
    from trl import GRPOTrainer

    starts: list[float] = []

    def rewards(completion_ids: list[list[int]], **_: Any) -> list[float]:
        lengths = sorted(map(len, completion_ids))
        assert lengths == sorted(setting.lengths), "a length was not the forced one"
        return [fair_coin(ids) for ids in completion_ids]

    prompts = [{"prompt": f"{i} + {i}"} for i in range(PROMPTS * (ITERATIONS + 2))]
    # TRL reads its reference from where the model says it came from. It trains in bf16 itself, generation casts it.
    model, folder = setting.make_model(setting.dtype), tempfile.mkdtemp()
    model.save_pretrained(folder)
    model.config._name_or_path = folder
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=rewards,
        args=trl_config(setting),
        train_dataset=Dataset.from_list(prompts),
        processing_class=build_tokenizer(),
    )

    def begin() -> list[int]:
        sync(setting.device)
        starts.append(time.perf_counter())
        return setting.lengths

    def train() -> None:
        with forced_requests(begin), without_end(trainer):
            trainer.train()

    _, peak, _ = timed(setting.device, train)
    starts.append(time.perf_counter())
    spans = [b - a for a, b in pairwise(starts)]
    found = [{"seconds": s, "peak_gb": peak} for s in spans[1:]]
    return {"tokens": sum(setting.lengths), "iterations": found, "micro_batch": trl_config(setting).train_batch_size}


@contextmanager
def without_end(trainer: Any) -> Iterator[None]:
    """Nothing to end early: TRL's own generation settings name the tokenizer's end token."""
    trainer.generation_config.eos_token_id = None
    yield


def trl_config(setting: Setting) -> Any:
    from trl import GRPOConfig

    tiny = setting.name == "tiny"
    micro = 64 if tiny else 4
    batching = {"num_blocks": 256, "block_size": 16, "max_batch_tokens": 256} if tiny else None
    return GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=PROMPTS * SIBLINGS // 2 // micro,
        generation_batch_size=PROMPTS * SIBLINGS,
        num_generations=SIBLINGS,
        max_completion_length=setting.cap,
        max_steps=2 * (ITERATIONS + 1),
        learning_rate=5e-6,
        lr_scheduler_type="constant",
        scale_rewards="none",
        loss_type="dapo",
        beta=1e-3,
        temperature=1.0,
        use_cpu=setting.device.type == "cpu",
        bf16=setting.device.type == "cuda",
        gradient_checkpointing=not tiny,
        use_transformers_continuous_batching=True,
        transformers_continuous_batching_config=batching,
        report_to="none",
        logging_steps=10_000,
        save_strategy="no",
        disable_tqdm=True,
        remove_unused_columns=False,
    )


PARTS: dict[str, tuple[Callable[[Setting, float], Numbers], int]] = {
    "ceilings": (ceilings, 1),
    "decode": (decode, 1),
    "head": (head, 1),
    "gradients": (gradients, 1),
    "update": (update, 1),
    "whole": (whole, 1),
    "rollout-vllm": (rollout_vllm, 1),
    "rollout-model-8": (rollout_model, 8),
    "iteration-8": (iteration, 8),
    "trl-8": (trl, 8),
    "rollout-model": (rollout_model, 1),
}
"""Name -> (what it runs, by what the trace's lengths are divided). The first are the quickest to know."""

SMALL = frozenset({"whole"})
"""Parts of the small model alone; the others are of the two architectures, and the toy goes through all."""
