"""What the analysis finds: one frozen record for each block of summary.json, profile.json and behaviours.json.

A field that is None could not be told from any response (tokens of wrong responses where none is wrong). ``to_json``
gives the fields by name in their order, which is the order in the files; ``from_json`` reads what any release wrote,
and raises KeyError, TypeError or ValueError for what none did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from tersely.analysis.facts import ProtocolFacts
from tersely.records import Estimate, JsonObject


def plain(value: Any) -> Any:
    """A record, or what a record holds, as JSON: keys as text, tuples as lists."""
    if isinstance(value, JsonRecord | Estimate | ProtocolFacts):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def maybe(found: Mapping[str, Any] | None) -> Estimate | None:
    """An estimate, or None where nothing could be told."""
    return None if found is None else Estimate.from_json(found)


def counts_and_rates(found: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that every block of a summary and of a profile has."""
    return {
        **{name: int(found[name]) for name in ("responses", "problems", "unjudged_responses")},
        **{name: Estimate.from_json(found[name]) for name in ("tokens", "truncated", "no_answer", "unjudged")},
        **{name: maybe(found[name]) for name in ("accuracy", "tokens_correct", "tokens_wrong")},
        "pass_at_k": {int(k): Estimate.from_json(estimate) for k, estimate in found["pass_at_k"].items()},
    }


@dataclass(frozen=True, slots=True)
class JsonRecord:
    """A record that is written as its fields by name."""

    def to_json(self) -> JsonObject:
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}


@dataclass(frozen=True, slots=True)
class LengthSpread(JsonRecord):
    """How much the correct responses to one problem differ in length (``length_spread``)."""

    problems: int
    """With at least two correct responses."""
    std_over_mean: Estimate
    shortest_below_mean: Estimate

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> LengthSpread:
        ends = (Estimate.from_json(found[name]) for name in ("std_over_mean", "shortest_below_mean"))
        return cls(found["problems"], *ends)


@dataclass(frozen=True, slots=True)
class Overthinking(JsonRecord):
    """What responses do once they have said the answer (``summarise_overthinking``)."""

    tokens_after_answer: Estimate | None
    share_after_answer: Estimate | None
    stated_but_wrong: Estimate | None
    stated_by_chance: Estimate | None
    loops: Estimate | None

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Overthinking:
        return cls(*(maybe(found[f.name]) for f in fields(cls)))


@dataclass(frozen=True, slots=True)
class BestOfK(JsonRecord):
    """Somebody who knows the answers picks the shortest correct one of k responses."""

    k: int
    accuracy: Estimate | None
    """pass@k."""
    tokens: Estimate
    """Of the response picked."""
    tokens_spent: Estimate
    """On all k."""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> BestOfK:
        tokens, spent = Estimate.from_json(found["tokens"]), Estimate.from_json(found["tokens_spent"])
        return cls(found["k"], maybe(found["accuracy"]), tokens, spent)


LATER = frozenset({"tokens_thinking", "tokens_answer", "maj_at_k", "best_of_k", "behaviours", "overthinking", "spread"})
"""Quantities that summaries of older releases lack."""


@dataclass(frozen=True, slots=True)
class SummaryBlock(JsonRecord):
    """All responses of an evaluation, or those of one difficulty, in numbers."""

    responses: int
    problems: int
    unjudged_responses: int
    aborted_responses: int
    accuracy: Estimate | None
    """Share correct among the judged responses (UNJUDGED ones are left out, not counted wrong)."""
    tokens: Estimate
    """Sampled tokens a response."""
    tokens_thinking: Estimate | None
    """Of ``tokens``, up to the last ``</think>``; None for a model that never thinks apart, and where not counted."""
    tokens_answer: Estimate | None
    tokens_correct: Estimate | None
    """Over the judged correct responses, and the problems that have any."""
    tokens_wrong: Estimate | None
    """Over the judged responses that are not correct."""
    truncated: Estimate
    """Shares of all responses: this and the next two."""
    no_answer: Estimate
    unjudged: Estimate
    pass_at_k: Mapping[int, Estimate]
    """k = 1, 2, 4, ... up to the largest, over judged responses."""
    maj_at_k: Mapping[int, Estimate | None]
    """The majority of all k >= 2 responses is correct (``votes``); empty for k = 1."""
    best_of_k: BestOfK | None
    """None for k = 1."""
    behaviours: Mapping[str, Estimate]
    """Phrases a response."""
    overthinking: Overthinking | None
    spread: LengthSpread | None
    absent: frozenset[str] = frozenset()
    """What the file of an older release does not hold (``LATER``): not measured, where None would mean not there."""

    def to_json(self) -> JsonObject:
        left_out = self.absent | {"absent"}
        return {name: value for name, value in JsonRecord.to_json(self).items() if name not in left_out}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> SummaryBlock:
        return cls(
            **counts_and_rates(found),
            aborted_responses=int(found["aborted_responses"]),
            tokens_thinking=maybe(found.get("tokens_thinking")),
            tokens_answer=maybe(found.get("tokens_answer")),
            maj_at_k={int(k): maybe(estimate) for k, estimate in found.get("maj_at_k", {}).items()},
            best_of_k=BestOfK.from_json(found["best_of_k"]) if found.get("best_of_k") else None,
            behaviours={name: Estimate.from_json(rate) for name, rate in found.get("behaviours", {}).items()},
            overthinking=Overthinking.from_json(found["overthinking"]) if found.get("overthinking") else None,
            spread=LengthSpread.from_json(found["spread"]) if found.get("spread") else None,
            absent=LATER.difference(found),
        )


@dataclass(frozen=True, slots=True)
class Summary(JsonRecord):
    """One evaluation in numbers (``summarise``)."""

    confidence: float
    protocol: ProtocolFacts
    k: int
    """Responses a problem, the largest."""
    phrases: Mapping[str, tuple[str, ...]]
    """What was counted as each behaviour."""
    overall: SummaryBlock
    by_difficulty: Mapping[str, SummaryBlock]
    """Easiest first."""

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Summary:
        return cls(
            confidence=float(found["confidence"]),
            protocol=ProtocolFacts.from_json(found["protocol"]),
            k=int(found["k"]),
            phrases={name: tuple(words) for name, words in found.get("phrases", {}).items()},
            overall=SummaryBlock.from_json(found["overall"]),
            by_difficulty={label: SummaryBlock.from_json(block) for label, block in found["by_difficulty"].items()},
        )


@dataclass(frozen=True, slots=True)
class PairedBlock(JsonRecord):
    """A model against its base on the same problems."""

    problems: int
    accuracy_difference: Estimate | None
    """Model minus base, in [-1, 1], over problems judged in both."""
    token_difference: Estimate
    token_ratio: Estimate | None
    """None where the base spends nothing."""
    token_saving: Estimate | None
    """1 - ratio."""


@dataclass(frozen=True, slots=True)
class PairedComparison(JsonRecord):
    """What a model gained and lost against its base (``compare_paired``)."""

    confidence: float
    overall: PairedBlock
    by_difficulty: Mapping[str, PairedBlock]
