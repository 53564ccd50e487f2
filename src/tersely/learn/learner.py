"""The learner: rows in, weights changed, sums of metrics out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tersely.config import LearnerConfig
from tersely.errors import RunError
from tersely.learn.attention import attention_of_update, packs, switched
from tersely.learn.batch import EMPTY, Batch, TrainingRow, balanced_shares, micro_batches, weigh
from tersely.learn.heads import BY_WEIGHTS, HeadName
from tersely.learn.logprobs import Pass, Scorer
from tersely.learn.losses import KL_COV, LossInputs, find_loss
from tersely.learn.losses.kl import kl_to_go, truncated_importance
from tersely.learn.losses.kl_cov import holds
from tersely.learn.metrics import UpdateMetrics
from tersely.learn.optimizer import clip_gradients, make_optimizer
from tersely.learn.parallel import World
from tersely.learn.placing import Place, place
from tersely.learn.shards import let_go
from tersely.learn.tail import Tail, beside
from tersely.records import Finish, Rollout

OLD, REFERENCE = "old", "reference"
"""Names of the passes before an update."""


class Learner:
    """Holds the policy, the frozen reference (only where KL is on) and the optimizer.

    The policy's own weights are the fp32 master weights; with ``dtype`` bfloat16 forward and backward run under
    autocast, and the reference is kept in that dtype. With the optimizer "adam8bit" the policy is in ``dtype`` itself,
    and the optimizer holds what its masters have more (``tersely.learn.optimizer``). With LoRA the base is
    frozen and held in ``dtype``; with the adapter off it is the reference too, and the adapter alone is fp32
    (``tersely.learn.lora``).

    With several processes the policy, its optimizer and the reference are sharded (``tersely.learn.placing``), and lie
    on ``device``, wherever ``model`` does; ``streams`` says that the sampler takes shares. Every process gives all rows
    of a gradient step to ``update`` and computes its share of their tokens (``balanced_shares``).
    """

    def __init__(
        self,
        model: Any,
        reference: Any | None,
        config: LearnerConfig,
        temperature: float,
        cap: int,
        dtype: torch.dtype | None = None,
        world: World | None = None,
        seed: int = 0,
        head: HeadName = BY_WEIGHTS,
        device: torch.device | None = None,
        streams: bool = False,
    ) -> None:
        self.config, self.temperature, self.cap = config, temperature, cap
        self.loss = find_loss(config.loss)
        self.dtype, self.world = dtype or model.dtype, world or World()
        to = Place(self.dtype, device or model.device, self.world, head, seed, streams)
        placed = place(model, reference, config, to)
        self.scorer, self.reference, self.adapter = placed.policy, placed.reference, placed.adapter
        self.served_model = placed.serve
        """The policy as the sampler takes it, with its weights as they are now: itself, or where it is sharded or has
        an adapter a plain copy in ``dtype`` (the same one each time)."""
        self.model = self.scorer.model
        self.attention = attention_of_update(self.model, config.layout, self.dtype)
        self.packed = packs(self.attention, config.layout)
        self.optimizer = make_optimizer(self.model, config, self.dtype)
        self.optimizer_steps = 0
        # Asked once: while sharded weights are gathered, the model says the type that they are gathered in.
        self._held = self.model.dtype
        trained = self._held if self.adapter is None else torch.float32
        self._precision = partial(torch.autocast, self.model.device.type, self.dtype, enabled=self.dtype != trained)
        self._passes = self._passes_of(self.scorer)
        self.tail = self._make_tail() if config.under_the_tail else None

    def _passes_of(self, policy: Scorer) -> dict[str, Pass]:
        """Of the policy as it is before an update ("old"), and of the reference where there is one."""
        passes = {OLD: Pass(policy, self.temperature, self.packed, self._precision)}
        if self.reference is not None:
            off = self.adapter.off if self.adapter else nullcontext
            passes[REFERENCE] = Pass(self.reference, self.temperature, self.packed, self._precision, off)
        return passes

    def _make_tail(self) -> Tail:
        # The sampler may read the very policy; one with an adapter is sampled from merged.
        passes = self._passes_of(self.scorer if self.adapter else Scorer(beside(self.model), self.scorer.head))
        for one in passes.values():
            one.scorer.model.config._attn_implementation = self.attention
        return Tail(passes, self.model.device)

    def close(self) -> None:
        """Give up what is still to be computed under the tail of a step, if anything is."""
        if self.tail:
            self.tail.end()

    def learning_rate(self) -> float:
        """Linear warm-up over the first ``warmup_steps`` optimizer steps, then constant."""
        reached = (self.optimizer_steps + 1) / max(1, self.config.warmup_steps)
        return self.config.learning_rate * min(1.0, reached)

    def update(self, updates: Sequence[Sequence[TrainingRow]]) -> UpdateMetrics:
        """One iteration: a gradient step for each list of rows. Rows without signal are skipped as configured.

        Raises RunError before the optimizer steps when a loss or gradient norm is not finite.
        """
        metrics = UpdateMetrics(corrected=self.config.importance_cap is not None)
        models = [self.model] if self.reference is None else [self.model, self.reference.model]
        with switched(models, self.attention):
            prepared = self._prepare(updates, metrics)
            self.close()
            for ready in prepared:
                # transformers recomputes activations only in training mode; nothing else differs, dropout being off.
                self.model.train(self.config.gradient_checkpointing)
                loss = 0.0
                for batch in ready:
                    loss += self._micro_batch(batch, metrics)
                self.model.eval()
                self._step(self.world.all_sum(loss), metrics)
        let_go(self.scorer)
        return metrics.over(self.world)

    # ---- before any weight of the iteration changes

    def begin(self, rollout: Rollout, *, later: bool) -> None:
        """A response has ended while others are decoded: its passes may begin (``learner.under_the_tail``). ``later``:
        it will not be part of the first gradient step, which needs no old log-probabilities."""
        masked = self.config.mask_truncated and rollout.finish is not Finish.EOS
        if self.tail is None or rollout.length == 0 or masked:
            return
        if self.reference is not None:
            self.tail.begin(REFERENCE, rollout.prompt_tokens, rollout.tokens)
        if later and self.config.old_logprobs == "trainer":
            self.tail.begin(OLD, rollout.prompt_tokens, rollout.tokens)

    def _prepare(self, updates: Sequence[Sequence[TrainingRow]], metrics: UpdateMetrics) -> list[list[PreparedBatch]]:
        """The micro-batches of each gradient step that has any, with old and reference log-probabilities.

        The old ones are the sampler's own ("sampler"), or the trainer's ("trainer"): then the first gradient step
        needs no pass, because its ratio is 1 by construction (None there; the loss uses its own value, detached).
        """
        weighed = [weigh(rows, self.config.averaging, self.cap) for rows in updates]
        # Decided on all rows, so that every process makes the same passes.
        given = all(row.sampled_logprobs_T is not None for step in weighed for row in step.rows)
        if metrics.corrected and not given:
            raise self.world.raise_on_rank0(
                RunError(
                    "learner.importance_cap needs the sampler's log-probabilities, and this sampler gave none for some "
                    "responses: leave importance_cap out, or sample without a top-p cut"
                )
            )
        cut = [self._cut(step) for step in weighed]
        if self.tail:
            self.tail.only([batch for batches in cut for batch in batches])
        ready = [self._with_logprobs(batches, metrics, i == 0, given) for i, batches in enumerate(cut)]
        if self.config.loss == KL_COV:
            ready = [self._holding(batches) for batches in ready]
        return [batches for batches in ready if batches]

    def _holding(self, batches: list[PreparedBatch]) -> list[PreparedBatch]:
        """The same micro-batches of one gradient step, with what ``kl_cov`` holds of their tokens."""
        old = [b.old_N for b in batches if b.old_N is not None]
        if len(old) < len(batches) or not batches:
            return batches
        advantages = [self._advantages(b.batch, o, b.reference_N) for b, o in zip(batches, old, strict=True)]
        held = holds(old, advantages, self.config.kl_cov_share, self.config.kl_cov_coefficient, self.world)
        return [replace(b, hold_N=h) for b, h in zip(batches, held, strict=True)]

    def _keeps(self, row: TrainingRow) -> bool:
        """Without signal only the KL term has a gradient: with KL off, leaving the row out changes nothing, since the
        denominators were counted before."""
        if row.has_signal or self.config.skip_no_signal == "never":
            return True
        return self.config.skip_no_signal == "auto" and bool(self.config.kl_coefficient)

    def _cut(self, step: Batch) -> list[Batch]:
        """Our rows in length-bucketed micro-batches, as many as any other process has: all must gather together."""
        cuts = []
        kept = step.take(np.array([i for i, row in enumerate(step.rows) if self._keeps(row)], dtype=np.int64))
        for rows in balanced_shares([row.width for row in kept.rows], self.world.size):
            share = kept.take(np.array(rows, dtype=np.int64))
            index = micro_batches([r.width for r in share.rows], self.config.token_budget, self.packed)
            cuts.append([share.take(i) for i in index])
        own = cuts[self.world.rank]
        return own + [EMPTY] * (max(map(len, cuts)) - len(own))

    def _with_logprobs(
        self, batches: Sequence[Batch], metrics: UpdateMetrics, first: bool, given: bool
    ) -> list[PreparedBatch]:
        old: Sequence[Tensor | None] = [None] * len(batches)
        if self.config.old_logprobs == "sampler" and given:
            old = [self._sampled(batch) for batch in batches]
        elif not first:
            old = self._logprobs(OLD, batches)
        reference: Sequence[Tensor | None] = [None] * len(batches)
        if self.reference is not None:
            start = time.perf_counter()
            reference = self._logprobs(REFERENCE, batches)
            metrics.reference_s += time.perf_counter() - start
        return [PreparedBatch(*parts) for parts in zip(batches, old, reference, strict=True)]

    def _sampled(self, batch: Batch) -> Tensor | None:
        """[N] the sampler's log-probabilities in the trainer's own precision and place."""
        sampled_N = batch.sampled_logprobs_N
        return None if sampled_N is None else torch.from_numpy(sampled_N).float().to(self.model.device)

    def _logprobs(self, name: str, batches: Sequence[Batch]) -> Sequence[Tensor]:
        if self.tail:
            return self.tail.logprobs(name, batches)
        return [self._passes[name](batch.rows) for batch in batches]

    def score(self, pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[list[float]]:
        """Log-probabilities of the tokens after each prompt, under the weights as they are now. Where those are shared
        out every rank must call, with as many pairs."""
        found: list[list[float]] = []
        for prompt, tokens in pairs:
            row = TrainingRow(prompt, tokens, None, 0.0, has_signal=True)
            with torch.no_grad(), self._precision():
                found.append(self.scorer([row], 1.0, False).logprobs_N.tolist())
        let_go(self.scorer)
        return found

    @property
    def has_separate_masters(self) -> bool:
        """Whether the weights that train are kept apart from those that are served."""
        return self.adapter is not None or self.dtype != self._held

    # ---- one gradient step

    def _micro_batch(self, ready: PreparedBatch, metrics: UpdateMetrics) -> float:
        """Forward and backward of one micro-batch; adds its sums to the metrics and returns its share of the loss."""
        batch, reference_N = ready.batch, ready.reference_N
        with self._precision():
            logprobs_N, entropy_N = self.scorer(batch.rows, self.temperature, self.packed)
        old_N = logprobs_N.detach() if ready.old_N is None else ready.old_N
        lengths_B = torch.tensor(batch.lengths, device=logprobs_N.device)
        weights_B = torch.tensor(batch.weights_B.tolist(), device=logprobs_N.device)
        in_loss = reference_N is not None and self.config.kl_in == "loss"
        found = self.loss(
            LossInputs(
                logprobs_N,
                old_N,
                self._advantages(batch, old_N, reference_N),
                weights_B.repeat_interleave(lengths_B),
                self.config.clip,
                reference_N if in_loss else None,
                self.config.kl_coefficient if in_loss else 0.0,
                self._correction(batch, old_N, metrics),
                self.config.clip_high,
                self.config.dual_clip,
                ready.hold_N,
            )
        )
        # Sharded gradients come out as the mean over the processes; the loss is a sum.
        (found.loss * self.world.size).backward()
        metrics.add(batch, logprobs_N.detach(), entropy_N, reference_N, found.clipped_N)
        return float(found.loss.detach())

    def _correction(self, batch: Batch, old_N: Tensor, metrics: UpdateMetrics) -> Tensor | None:
        """[N] truncated importance weights from the sampler's to the trainer's old policy; None where that is off."""
        cap, sampled_N = self.config.importance_cap, batch.sampled_logprobs_N
        if cap is None or sampled_N is None:
            return None
        sampled = torch.from_numpy(sampled_N).to(old_N)
        correction_N = truncated_importance(old_N, sampled, cap)
        metrics.add_correction(correction_N, old_N - sampled, cap)
        return correction_N

    def _advantages(self, batch: Batch, old_N: Tensor, reference_N: Tensor | None) -> Tensor:
        """[N] the sequence's advantage on every token, plus the KL to go where KL is part of the reward."""
        pairs = zip(batch.rows, old_N.split(batch.lengths), strict=True)
        parts = [torch.full_like(old_T, row.advantage) for row, old_T in pairs]
        if reference_N is not None and self.config.kl_in == "reward":
            both = zip(old_N.split(batch.lengths), reference_N.split(batch.lengths), strict=True)
            to_go = [kl_to_go(old_T, reference_T, self.config.kl_coefficient) for old_T, reference_T in both]
            parts = [part + kl for part, kl in zip(parts, to_go, strict=True)]
        return torch.cat(parts)

    def _step(self, loss: float, metrics: UpdateMetrics) -> None:
        """Clip, refuse what is not finite, and step; ``loss`` is that of the whole step."""
        norm = clip_gradients(self.optimizer, self.config.gradient_clip)
        if not (np.isfinite(loss) and np.isfinite(norm)):
            raise self.world.raise_on_rank0(
                RunError(
                    f"the loss ({loss}) or the gradient norm ({norm}) is not finite at optimizer step "
                    f"{self.optimizer_steps + 1}: nothing of this step was saved; lower the learning rate "
                    f"(now {self.config.learning_rate}) or look at the last samples of the run"
                )
            )
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.step()
        # Freed now, not at the next step's start: sampling comes in between and needs the room.
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer_steps += 1
        metrics.losses.append(loss)
        metrics.gradient_norms.append(norm)


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """A micro-batch with what must be known before the first weight of the iteration changes."""

    batch: Batch
    old_N: Tensor | None
    """[N] of the policy that sampled; None where the policy has not changed since, so that its own value serves."""
    reference_N: Tensor | None
    """[N] of the frozen reference; None with KL off."""
    hold_N: Tensor | None = None
    """[N] what ``kl_cov`` holds its tokens with; None with every other loss."""
