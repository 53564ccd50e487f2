"""What an update measures while it computes: sums over tokens first, the journal's means last."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor

from tersely.learn.batch import Batch
from tersely.learn.losses.kl import kl_k3
from tersely.learn.parallel import World

SUMS = (
    "tokens", "entropy", "kl", "kl_tokens", "clipped", "gap_sum", "gap_tokens", "gap_kl", "correction", "capped",
)  # fmt: skip
"""Fields of ``UpdateMetrics`` that add up over processes."""


@dataclass(slots=True)
class UpdateMetrics:
    """Partial sums over the tokens of one iteration."""

    tokens: int = 0
    entropy: float = 0.0
    kl: float = 0.0
    kl_tokens: int = 0
    clipped: int = 0
    gap_sum: float = 0.0
    gap_max: float = 0.0
    gap_tokens: int = 0
    gap_kl: float = 0.0
    correction: float = 0.0
    capped: int = 0
    corrected: bool = False
    """Whether the truncated importance correction is on; its numbers are reported only then."""
    losses: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    reference_s: float = 0.0

    def add(
        self, batch: Batch, logprobs_N: Tensor, entropy_N: Tensor, reference_N: Tensor | None, clipped_N: Tensor
    ) -> None:
        """Add a micro-batch that was computed ([N] without gradient, row after row)."""
        if not logprobs_N.numel():
            return
        self.tokens += logprobs_N.numel()
        self.entropy += float(entropy_N.sum())
        self.clipped += int(clipped_N.sum())
        if reference_N is not None:
            self.kl += float(kl_k3(logprobs_N, reference_N).sum())
            self.kl_tokens += logprobs_N.numel()
        # Sampler against trainer: only before the first step of the iteration are they the same policy.
        if not self.losses and batch.sampled_logprobs_N is not None:
            self._add_gap(torch.from_numpy(batch.sampled_logprobs_N), logprobs_N.cpu().double())

    def _add_gap(self, sampled_N: Tensor, ours_N: Tensor) -> None:
        gap_N = (ours_N - sampled_N).abs()
        # Sampled by the sampler, so this estimates KL(sampler || trainer).
        self.gap_kl += float(kl_k3(sampled_N, ours_N).sum())
        self.gap_sum += float(gap_N.sum())
        self.gap_max = max(self.gap_max, float(gap_N.max()))
        self.gap_tokens += gap_N.numel()

    def add_correction(self, correction_N: Tensor, log_ratio_N: Tensor, cap: float) -> None:
        """Add the truncated importance weights of a micro-batch, and how many the cap cut."""
        self.correction += float(correction_N.sum())
        self.capped += int((log_ratio_N > math.log(cap)).sum())

    def over(self, world: World) -> UpdateMetrics:
        """Those of all processes together. Losses and gradient norms are of the whole step already."""
        every = [UpdateMetrics(**part) for part in world.all_gather(asdict(self))]
        total = replace(self, gap_max=max(part.gap_max for part in every))
        for name in SUMS:
            setattr(total, name, sum(getattr(part, name) for part in every))
        return total

    @property
    def loss(self) -> float | None:
        """Mean over the optimizer steps; None where there was none."""
        return sum(self.losses) / len(self.losses) if self.losses else None

    @property
    def grad_norm(self) -> float | None:
        """Mean over the optimizer steps, before clipping; None where there was none."""
        return sum(self.gradient_norms) / len(self.gradient_norms) if self.gradient_norms else None

    def mean(self, name: str) -> float | None:
        """A sum a token: "entropy", "clipped", "correction", "capped"; "kl" and the gaps over their own tokens."""
        counts = {"kl": self.kl_tokens, "gap_sum": self.gap_tokens, "gap_kl": self.gap_tokens}
        count = counts.get(name, self.tokens)
        return getattr(self, name) / count if count else None
