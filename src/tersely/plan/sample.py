"""What a short sample of the base says about the cap. Pure: lengths in, sentences out."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import betaincinv

from tersely.config import TrainConfig
from tersely.plan.checks import TRUNCATION_LIMIT, check_truncation
from tersely.plan.lengths import LengthProfile
from tersely.records import Json


@dataclass(frozen=True, slots=True)
class LengthSample:
    """One response to each of some problems, drawn at training temperature under the cap."""

    cap: int
    lengths: tuple[int, ...]
    """Tokens of those that ended by themselves."""
    truncated: int
    """How many ran into the cap."""

    @property
    def count(self) -> int:
        return len(self.lengths) + self.truncated

    @property
    def share(self) -> float:
        return self.truncated / self.count

    def interval(self) -> tuple[float, float]:
        """95 % of the share truncated (Clopper and Pearson 1934): the responses are to different problems, so they are
        independent draws."""
        k, n = self.truncated, self.count
        low = float(betaincinv(k, n - k + 1, 0.025)) if k else 0.0
        high = float(betaincinv(k + 1, n - k, 0.975)) if k < n else 1.0
        return low, high

    def profile(self) -> LengthProfile:
        """The lengths as seen; what was cut may run to any cap."""
        seen = np.concatenate((np.sort(np.array(self.lengths, np.float64)), np.full(self.truncated, np.inf)))
        return LengthProfile(seen, f"measured: {self.count} responses of the base", True, self.cap)

    def sentence(self) -> str:
        low, high = self.interval()
        return (
            f"{self.truncated} of {self.count} responses of the base run into the cap of {self.cap} tokens: "
            f"{self.share:.1%} truncated [{low:.1%}, {high:.1%}]"
        )

    def to_json(self) -> dict[str, object]:
        low, high = self.interval()
        return {**asdict(self), "share": self.share, "low": low, "high": high}

    @classmethod
    def from_json(cls, content: Json) -> LengthSample:
        return cls(int(content["cap"]), tuple(content["lengths"]), int(content["truncated"]))


def refusal(sample: LengthSample, config: TrainConfig) -> str | None:
    """A reason not to train under this cap, with its cure: where the whole interval lies above the limit, so that a few
    long responses in a small sample refuse nothing."""
    low, _ = sample.interval()
    if low <= TRUNCATION_LIMIT:
        return None
    reasons = list(check_truncation(config, sample.profile()))
    return f"{sample.sentence()}. {reasons[0]}, or --set run.probe=0 to train all the same" if reasons else None
