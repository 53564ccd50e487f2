"""How long responses are expected to be: a distribution as equally likely lengths, cut at whatever cap is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from tersely.analysis.profile_blocks import Profile
from tersely.errors import StorageError, UserError, plainly
from tersely.records import FloatArray
from tersely.runs.json_file import MALFORMED, read_json

POINTS = 4096
"""Equally likely lengths that stand for the distribution."""

SIGMA = 0.85
"""Standard deviation of the logarithm of the length."""

ENDLESS = 0.015
"""Share of responses that would never end (loops)."""

REFERENCE_CAP = 32_000
DEFAULT_MEAN = 4770.0
"""Mean response at REFERENCE_CAP of a 1.5B distilled reasoner on competition problems before training."""
DEFAULT_MEAN_LARGE = 3970.0
"""The same of a 7B one: better models are shorter."""
LARGE = 4_000_000_000
"""Parameters from which a model counts as large in this respect."""


@dataclass(frozen=True, slots=True)
class LengthProfile:
    """Response lengths without a cap. ``measured`` tells a measurement from an assumption."""

    lengths_Q: FloatArray
    """[Q] ascending, equally likely; infinite for responses that no cap would let end."""
    source: str
    """Where it comes from, as a phrase."""
    measured: bool
    known_to: float = np.inf
    """Longest length that was looked at: above it, what was cut there counts as endless."""

    def at(self, cap: int) -> FloatArray:
        """[Q] sampled lengths under a cap."""
        return np.minimum(self.lengths_Q, cap)

    def mean(self, cap: int) -> float:
        return float(self.at(cap).mean())

    def truncated(self, cap: int) -> float:
        """Share of responses longer than the cap. A response of exactly the cap has ended by itself."""
        return float((self.lengths_Q > cap).mean())

    def alive(self, cap: int) -> FloatArray:
        """[cap] share of responses that need decode step t, t = 0 .. cap-1 (their length is above t)."""
        ordered = np.sort(self.at(cap))
        return 1.0 - np.searchsorted(ordered, np.arange(cap), side="right") / len(ordered)

    def cap_for(self, share: float) -> int | None:
        """Smallest cap that truncates at most ``share``, or None where no cap does."""
        allowed = int(np.floor(share * len(self.lengths_Q)))
        needed = float(self.lengths_Q[len(self.lengths_Q) - 1 - allowed])
        return None if np.isinf(needed) else int(np.ceil(needed))


def lognormal(
    mean: float, cap: int, endless: float = ENDLESS, source: str = "given mean", measured: bool = True
) -> LengthProfile:
    """Lognormal lengths (sigma 0.85) and a share of endless ones, so that the mean under ``cap`` is ``mean``.

    The share of endless ones is lowered where they alone would make up more than a quarter of the mean. Source of
    the shape: reasoning traces of distilled models are long-tailed with a few loops; sigma and the share are fitted
    to published means and are assumptions. UserError for a mean that no length distribution under the cap has.
    """
    if not 1.0 <= mean < cap:
        raise UserError(f"a mean length of {mean:g} is not possible under a cap of {cap} tokens: give one between")
    endless = min(endless, 0.25 * mean / cap)
    share_Q = (np.arange(POINTS) + 0.5) / POINTS
    ending = share_Q < 1.0 - endless
    spread_Q = np.exp(SIGMA * ndtri(share_Q[ending] / (1.0 - endless)))
    loops = np.full(int((~ending).sum()), np.inf)

    def lengths(median: float) -> FloatArray:
        return np.concatenate((np.maximum(median * spread_Q, 1.0), loops))

    low, high = 1e-3, 1e3 * cap
    for _ in range(100):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if np.minimum(lengths(middle), cap).mean() < mean else (low, middle)
    return LengthProfile(lengths(low), source, measured)


def default_profile(parameters: int) -> LengthProfile:
    """The assumption where nothing was measured: means of 4.77K (1.5B) and 3.97K (7B) tokens at a cap of 32,000."""
    mean = DEFAULT_MEAN if parameters < LARGE else DEFAULT_MEAN_LARGE
    words = f"assumed: lognormal with mean {mean:,.0f} at a cap of {REFERENCE_CAP:,}, as of a distilled reasoner"
    return lognormal(mean, REFERENCE_CAP, source=words, measured=False)


def read_lengths(path: Path) -> LengthProfile:
    """Lengths from the profile.json of ``tersely profile`` (or the folder that holds it)."""
    path = path / "profile.json" if path.is_dir() else path
    try:
        profile = Profile.from_json(read_json(path, "a profile", "profile the model again"))
    except StorageError:
        if path.exists():
            raise
        raise UserError(f"there is no profile at {path}: make one with `tersely profile MODEL --task TASK`") from None
    except MALFORMED as error:
        raise UserError(
            f"{path} is no result of `tersely profile` ({plainly(error)}): profile the model again"
        ) from error
    quantiles, cap = np.asarray(profile.overall.lengths.quantiles, dtype=np.float64), profile.protocol.max_new_tokens
    if cap is None:
        raise UserError(f"{path} does not say under which cap the lengths were measured: profile the model again")
    if len(quantiles) < 2 or not np.all(np.diff(quantiles) >= 0) or quantiles[0] < 0:
        raise UserError(f"{path} has no rising quantiles of lengths: profile the model again")
    share_Q = (np.arange(POINTS) + 0.5) / POINTS
    lengths_Q = np.interp(share_Q, np.linspace(0.0, 1.0, len(quantiles)), quantiles)
    lengths_Q[share_Q >= 1.0 - profile.overall.truncated.value] = np.inf
    return LengthProfile(lengths_Q, f"measured: {path}", True, cap)
