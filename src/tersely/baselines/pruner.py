"""O1-Pruner's offline objective (arXiv 2501.12570) on kept responses, through our own learner.

    maximise  E min(ratio_t * R, clip(ratio_t, 1 - eps, 1 + eps) * R),   ratio_t = pi(token_t) / pi_reference(token_t)

with R of ``objective.methods.o1_pruner``; the responses, and the log-probabilities under the reference, are those that
were kept. There is no KL term: the clip alone keeps the policy near.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from typing import Any

import torch

from tersely.baselines.choose import pruner_credit
from tersely.baselines.records import OnStep, TuningStep
from tersely.baselines.settings import TuningConfig
from tersely.config import LearnerConfig
from tersely.errors import UserError
from tersely.learn.batch import TrainingRow, collate
from tersely.learn.heads import BY_WEIGHTS, HeadName
from tersely.learn.learner import Learner
from tersely.records import Group
from tersely.stop import Stopped, StopRequest


def prune(
    model: Any,
    groups: Sequence[Group],
    config: TuningConfig,
    *,
    temperature: float,
    cap: int,
    dtype: torch.dtype,
    seed: int,
    head: HeadName = BY_WEIGHTS,
    layout: str = "auto",
    on_step: OnStep,
    stop: StopRequest,
) -> Learner:
    """Train ``model`` in place; returns the learner, which knows what has become of it. ``head`` and ``layout`` are
    those that give the model's own log-probabilities (``trainee_check``).

    Groups stay whole: a step takes ``config.batch`` responses, rounded down to whole groups (at least one). Raises
    RunError on a loss that is not finite, Stopped when asked to stop.
    """
    if any(r.logprobs is None for group in groups for r in group.rollouts):
        raise UserError(
            "these samples hold no log-probabilities, which O1-Pruner needs of the reference: draw them again with "
            "--set sampling.engine=transformers"
        )
    batches = group_batches(groups, config, seed)
    settings = _learner_config(config, len(batches)).model_copy(update={"layout": layout})
    learner = Learner(model, None, settings, temperature, cap, dtype, seed=seed, head=head)
    for number, batch in enumerate(batches, start=1):
        start = time.perf_counter()
        rate, rows = learner.learning_rate(), _rows(batch, config)
        found = learner.update([rows])
        shown = {
            "entropy": found.mean("entropy"),
            "clip_fraction": found.mean("clipped"),
            "grad_norm": found.grad_norm,
            "loss": found.loss,
        }
        numbers = {**{k: float(v) for k, v in shown.items() if v is not None}, "learning_rate": rate}
        seconds = time.perf_counter() - start
        read, learnt = sum(row.width for row in rows), sum(row.length for row in rows)
        on_step(TuningStep(number, len(batches), numbers, seconds, read, learnt))
        if stop.requested and number < len(batches):
            raise Stopped(stop.requested, "the samples are kept, and training begins anew from them")
    return learner


def group_batches(groups: Sequence[Group], config: TuningConfig, seed: int) -> list[list[Group]]:
    """The groups of every optimizer step: each once an epoch, in an order that is a function of (seed, epoch)."""
    size = max(1, config.batch // len(groups[0].rollouts))
    batches: list[list[Group]] = []
    for epoch in range(config.epochs):
        order = list(groups)
        random.Random(f"o1-pruner/{seed}/{epoch}").shuffle(order)
        batches += [order[i : i + size] for i in range(0, len(order), size)]
    return batches


def _rows(groups: Sequence[Group], config: TuningConfig) -> list[TrainingRow]:
    return collate(groups, [pruner_credit(g, config.accuracy_weight, config.reward_bounds) for g in groups])


def _learner_config(config: TuningConfig, steps: int) -> LearnerConfig:
    return LearnerConfig(
        updates=1,
        learning_rate=config.learning_rate,
        warmup_steps=math.ceil(config.warmup_share * steps),
        betas=config.betas,
        adam_epsilon=config.adam_epsilon,
        gradient_clip=config.gradient_clip,
        token_budget=config.token_budget,
        gradient_checkpointing=config.gradient_checkpointing,
        optimizer=config.optimizer,
        lora=config.lora,
        clip=config.clip,
        kl_coefficient=0.0,
        old_logprobs="sampler",
    )
