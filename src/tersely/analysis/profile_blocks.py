"""The records of profile.json: what a base model does on a task before it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tersely.analysis.facts import ProtocolFacts
from tersely.analysis.records import JsonRecord, LengthSpread, counts_and_rates, maybe
from tersely.records import Estimate


@dataclass(frozen=True, slots=True)
class Histogram(JsonRecord):
    """Responses by length in tokens."""

    edges: tuple[int, ...]
    """Rising; each bin holds its upper edge and not its lower."""
    counts: tuple[int, ...]
    """One fewer than edges."""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Histogram:
        return cls(tuple(found["edges"]), tuple(found["counts"]))


@dataclass(frozen=True, slots=True)
class Lengths(JsonRecord):
    """Sampled tokens a response."""

    mean: Estimate
    median: Estimate
    p90: Estimate
    p99: Estimate
    max: float
    quantiles: tuple[float, ...]
    """Of the distribution, every half percent from 0 to 100 %."""
    histogram: Histogram

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Lengths:
        return cls(
            mean=Estimate.from_json(found["mean"]),
            median=Estimate.from_json(found["median"]),
            p90=Estimate.from_json(found["p90"]),
            p99=Estimate.from_json(found["p99"]),
            max=float(found["max"]),
            quantiles=tuple(map(float, found["quantiles"])),
            histogram=Histogram.from_json(found["histogram"]),
        )


@dataclass(frozen=True, slots=True)
class GroupShares(JsonRecord):
    """Shares of the problems whose judged responses are all alike."""

    all_wrong: Estimate | None
    all_correct: Estimate | None

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> GroupShares:
        return cls(maybe(found["all_wrong"]), maybe(found["all_correct"]))


@dataclass(frozen=True, slots=True)
class Signal(JsonRecord):
    """Expected shares of groups of one size (``signal_at``)."""

    all_wrong: Estimate
    all_correct: Estimate
    mixed: Estimate
    """The rest."""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Signal:
        return cls(*(Estimate.from_json(found[name]) for name in ("all_wrong", "all_correct", "mixed")))


@dataclass(frozen=True, slots=True)
class Cap(JsonRecord):
    """The smallest cap that loses few of the correct responses (``cap_keeping_correct``)."""

    cap: int
    lost: float
    """Share of the correct responses above it."""
    correct: int
    """Correct responses seen."""
    quantile: Estimate
    """The 99th percentile of their lengths, whose interval says how far to trust the cap."""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Cap:
        quantile = Estimate.from_json(found["quantile"])
        return cls(int(found["cap"]), float(found["lost"]), int(found["correct"]), quantile)


@dataclass(frozen=True, slots=True)
class ProfileBlock(JsonRecord):
    """All responses, or those of one difficulty; counts and rates as in ``SummaryBlock``."""

    responses: int
    problems: int
    unjudged_responses: int
    accuracy: Estimate | None
    tokens: Estimate
    tokens_correct: Estimate | None
    tokens_wrong: Estimate | None
    truncated: Estimate
    no_answer: Estimate
    unjudged: Estimate
    pass_at_k: Mapping[int, Estimate]
    lengths: Lengths
    lengths_correct: Lengths | None
    groups: GroupShares
    signal: Mapping[int, Signal | None]
    """By the size of a group."""
    spread: LengthSpread | None
    cap: Cap | None

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ProfileBlock:
        return cls(
            **counts_and_rates(found),
            lengths=Lengths.from_json(found["lengths"]),
            lengths_correct=Lengths.from_json(found["lengths_correct"]) if found["lengths_correct"] else None,
            groups=GroupShares.from_json(found["groups"]),
            signal={int(n): Signal.from_json(shares) if shares else None for n, shares in found["signal"].items()},
            spread=LengthSpread.from_json(found["spread"]) if found["spread"] else None,
            cap=Cap.from_json(found["cap"]) if found["cap"] else None,
        )


@dataclass(frozen=True, slots=True)
class Profile(JsonRecord):
    """What ``profile_records`` finds."""

    confidence: float
    protocol: ProtocolFacts
    k: int
    """Responses a problem, the largest."""
    overall: ProfileBlock
    by_difficulty: Mapping[str, ProfileBlock]
    """Easiest first."""
    reading: tuple[str, ...]
    """What the numbers say, as sentences."""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Profile:
        """Of profile.json, which also names the command that made it."""
        return cls(
            confidence=float(found["confidence"]),
            protocol=ProtocolFacts.from_json(found["protocol"]),
            k=int(found["k"]),
            overall=ProfileBlock.from_json(found["overall"]),
            by_difficulty={label: ProfileBlock.from_json(block) for label, block in found["by_difficulty"].items()},
            reading=tuple(map(str, found["reading"])),
        )
