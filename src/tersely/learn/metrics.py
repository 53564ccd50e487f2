"""What an update measures while it computes: sums over tokens first, the journal's means last."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from tersely.learn.parallel import World

SUMS = (
    "tokens", "entropy", "kl", "kl_tokens", "clipped", "gap_sum", "gap_tokens", "gap_kl", "correction", "capped",
)  # fmt: skip
"""Fields of ``UpdateMetrics`` that add up over processes."""


@dataclass(slots=True)
class UpdateMetrics:
    """Partial sums over the tokens of one iteration; ``means()`` turns them into the journal's numbers."""

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

    def over(self, world: World) -> UpdateMetrics:
        """Those of all processes together. Losses and gradient norms are of the whole step already."""
        every = [UpdateMetrics(**part) for part in world.all_gather(asdict(self))]
        total = replace(self, gap_max=max(part.gap_max for part in every))
        for name in SUMS:
            setattr(total, name, sum(getattr(part, name) for part in every))
        return total

    def means(self) -> dict[str, float | None]:
        def ratio(total: float, count: int) -> float | None:
            return total / count if count else None

        correction = {
            "importance_mean": ratio(self.correction, self.tokens),
            "importance_capped": ratio(self.capped, self.tokens),
        }
        return {
            "kl": ratio(self.kl, self.kl_tokens),
            "entropy": ratio(self.entropy, self.tokens),
            "clip_fraction": ratio(self.clipped, self.tokens),
            "grad_norm": ratio(sum(self.gradient_norms), len(self.gradient_norms)),
            "loss": ratio(sum(self.losses), len(self.losses)),
            "logprob_gap_mean": ratio(self.gap_sum, self.gap_tokens),
            "logprob_gap_max": self.gap_max if self.gap_tokens else None,
            "logprob_gap_kl": ratio(self.gap_kl, self.gap_tokens),
            **(correction if self.corrected else {}),
        }
