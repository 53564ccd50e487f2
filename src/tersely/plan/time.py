"""Predicted seconds of one training iteration, from operations and bytes against a machine's ceilings.

Sampling is bound by reading weights and cache, training by arithmetic. The formulas give the floor that physics sets;
a machine reaches a share of it (``efficiency``) and pays a fixed time a decode step (``step_overhead``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from tersely.config import TrainConfig
from tersely.errors import UserError, plainly
from tersely.plan.lengths import LengthProfile
from tersely.plan.memory import Layout, block_rows
from tersely.plan.shape import ModelShape
from tersely.records import FloatArray
from tersely.runs.json_file import MALFORMED, read_regular

JUDGE_SECONDS = 0.013
"""CPU seconds an answer where math-verify must decide (measured, version 0.9, mixed answers)."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Ceilings of one GPU and what is reached of them."""

    name: str
    flops: float
    """Dense matrix products in the training type, operations a second."""
    bandwidth: float
    """Bytes a second read from the GPU's memory."""
    decode_efficiency: float = 1.0
    """Share of both ceilings reached while decoding."""
    step_overhead: float = 0.0
    """Seconds a decode step that no ceiling explains (launches, scheduler, bookkeeping)."""
    train_efficiency: float = 1.0
    """Share of ``flops`` reached in forward and backward passes."""


FLOOR = Machine("H200-class floor", 790e12, 4.3e12)
"""Measured on one H200: 769-798 TFLOP/s in bf16, 4.3 TB/s in a copy. Nothing runs faster than this."""

ASSUMED = {
    "floor": FLOOR,
    "good": replace(FLOOR, name="H200-class, good", decode_efficiency=0.6, step_overhead=0.4e-3, train_efficiency=0.45),
    "typical": replace(
        FLOOR, name="H200-class, typical", decode_efficiency=0.5, step_overhead=2.5e-3, train_efficiency=0.3
    ),
}
"""A tuned engine and an ordinary one: assumptions, to be replaced by measurements (``--machine``)."""


def read_machine(path: Path) -> Machine:
    """A measured machine from a JSON object with the fields of ``Machine``; what is left out keeps its default."""
    names = [f.name for f in fields(Machine)]
    try:
        content = json.loads(read_regular(path))
        machine = Machine(**{"name": path.stem, **content})
        numbers = [float(getattr(machine, name)) for name in names[1:]]
    except (OSError, *MALFORMED) as error:
        raise UserError(
            f"{path} does not describe a machine ({plainly(error)}): give a JSON object with {', '.join(names)}"
        ) from error
    positive = [machine.flops, machine.bandwidth, machine.decode_efficiency, machine.train_efficiency]
    if not all(np.isfinite(numbers)) or min(positive) <= 0 or machine.step_overhead < 0:
        raise UserError(f"{path} has a ceiling or efficiency that is not above 0: measure the machine again")
    return machine


@dataclass(frozen=True, slots=True)
class Seconds:
    """One iteration by phase, in seconds of wall time."""

    weights: float
    """Sampling: reading the weights, or the matrix products where those take longer."""
    cache: float
    """Sampling: reading the cache."""
    overhead: float
    """Sampling: the fixed time of every decode step."""
    gradients: float
    """Forward and backward passes."""
    recompute: float
    """The forward passes that gradient checkpointing repeats."""
    old: float
    """Log-probabilities under the policy before the iteration."""
    reference: float
    """Log-probabilities under the reference."""
    optimizer: float
    judge: float

    @property
    def sampling(self) -> float:
        return self.weights + self.cache + self.overhead

    @property
    def updating(self) -> float:
        return self.gradients + self.recompute + self.old + self.reference + self.optimizer

    @property
    def total(self) -> float:
        return self.sampling + self.updating + self.judge

    def to_json(self) -> dict[str, float]:
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**parts, "sampling": self.sampling, "updating": self.updating, "total": self.total}


def predict_seconds(
    shape: ModelShape,
    config: TrainConfig,
    layout: Layout,
    lengths: LengthProfile,
    prompt: float,
    machine: Machine,
) -> Seconds:
    """One iteration on ``layout.gpus`` such machines. ``prompt``: mean tokens of a prompt.

    The GPU with most problems decodes as long as it must, and every GPU until the longest response of all has ended
    (the iteration is synchronous); the rows of an update are shared out evenly by tokens. No group is skipped. Time of
    moving weights between GPUs, checkpoints and prefill (under 0.1 s) is left out. With ``learner.under_the_tail`` old
    and reference passes of all responses but the last are taken to be free: the most that can be gained.
    """
    weights, cache, steps = sampling_work(shape, config, layout, lengths, prompt, machine)
    forward, backward = training_flops(shape, config, lengths, prompt, layout.packed)
    rate = machine.flops * machine.train_efficiency * layout.gpus
    updates = config.learner.updates
    # What is still to be made when the last response has ended: the passes over it.
    waited = last_response_flops(shape, config, lengths, prompt) if config.learner.under_the_tail else forward
    later = 0.0 if config.learner.old_logprobs == "sampler" else (updates - 1) / updates
    return Seconds(
        weights=weights / machine.decode_efficiency,
        cache=cache / machine.decode_efficiency,
        overhead=machine.step_overhead * steps,
        gradients=(forward + backward) / rate,
        recompute=forward / rate if layout.checkpointing else 0.0,
        old=later * waited / rate,
        reference=waited / rate if layout.reference else 0.0,
        optimizer=updates * optimizer_bytes_moved(shape, layout) / machine.bandwidth,
        judge=config.drawn * config.sampling.n * JUDGE_SECONDS / config.run.judge_workers,
    )


def sampling_work(
    shape: ModelShape,
    config: TrainConfig,
    layout: Layout,
    lengths: LengthProfile,
    prompt: float,
    machine: Machine,
) -> tuple[float, float, float]:
    """(weight or product seconds, cache seconds, decode steps) at the ceilings, expected over the lengths.

    At step t of a block of B rows ``B S(t)`` are alive, S the share of lengths above t, and the step is taken with
    chance ``P(t) = 1 - (1 - S(t))^B`` (of all the rows of all GPUs). Its weights cost
    ``max(b N_read / bandwidth, 2 N_read B S / P / flops)``; the cache ``kv_bytes (prompt + t) B S / bandwidth``.
    """
    cap = config.sampling.max_new_tokens
    here = -(-config.drawn // layout.gpus) * config.sampling.n
    rows = min(block_rows(config, layout.gpus), here)
    blocks = here / rows
    share_T = lengths.alive(cap)
    taken_T = 1.0 - (1.0 - share_T) ** (rows * layout.gpus)
    alive_T = rows * share_T
    reading = layout.element * shape.read_per_step / machine.bandwidth
    product_T = 2.0 * shape.read_per_step * alive_T / machine.flops
    weights = float(np.maximum(reading * taken_T, product_T).sum())
    context_T = prompt + np.arange(cap)
    cache = float((alive_T * context_T).sum()) * shape.kv_bytes(layout.element) / machine.bandwidth
    return blocks * weights, blocks * cache, blocks * float(taken_T.sum())


def training_flops(
    shape: ModelShape, config: TrainConfig, lengths: LengthProfile, prompt: float, packed: bool
) -> tuple[float, float]:
    """(forward, backward) operations of one pass over an iteration's responses.

    Forward: two operations a parameter and token, and causal attention ``2 q layers length^2``. Backward: twice the
    products, and 2.5 times the attention (flash attention computes the scores again). With LoRA frozen weights have no
    gradients, so once the products; the adapters' own are left out (1 to 4 % at rank 32).
    """
    responses = config.sampling.prompts * config.sampling.n
    width_Q = lengths.at(config.sampling.max_new_tokens) + prompt
    if not packed:
        width_Q = padded_widths(width_Q, responses // config.learner.updates, config.learner.token_budget)
    linear = responses * shape.linear_flops(float(width_Q.mean()))
    attention = responses * shape.attention_flops(float((width_Q**2).mean()))
    return linear + attention, (1.0 if config.learner.lora else 2.0) * linear + 2.5 * attention


def last_response_flops(shape: ModelShape, config: TrainConfig, lengths: LengthProfile, prompt: float) -> float:
    """Operations of a forward pass over the longest response of an iteration, as its length is expected."""
    responses = config.drawn * config.sampling.n
    share_T = lengths.alive(config.sampling.max_new_tokens)
    width = prompt + float((1.0 - (1.0 - share_T) ** responses).sum())
    return shape.linear_flops(width) + shape.attention_flops(width**2)


def padded_widths(width_Q: FloatArray, rows: int, token_budget: int) -> FloatArray:
    """[rows] tokens that the responses of one gradient step take once padded to the longest of their micro-batch.

    ``rows`` responses of typical lengths, longest first, as many together as the budget holds (at least one), as
    ``tersely.learn.batch.micro_batches`` cuts them.
    """
    widths = np.sort(np.quantile(width_Q, (np.arange(rows) + 0.5) / rows, method="inverted_cdf"))[::-1].copy()
    start = 0
    while start < rows:
        end = start + max(1, int(token_budget // widths[start]))
        widths[start:end] = widths[start]
        start = end
    return np.asarray(widths, dtype=np.float64)


def optimizer_bytes_moved(shape: ModelShape, layout: Layout) -> float:
    """Bytes one optimizer step moves: its state, gradients and weights, each read and written, and the sampler's
    copy."""
    weight, gradient, state = layout.state_bytes
    if layout.lora is not None:  # merging: the base is read and the merged copy written
        return 2.0 * layout.element * shape.parameters
    copied = weight + layout.element if layout.cast else 0
    each = 2 * (state + gradient + weight) + copied
    return float(each * shape.parameters / (1 if layout.shard == "none" else layout.gpus))
