"""What `tersely verify` says at the end: golds that cannot be judged, cut responses, and how two judges differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

from tersely.records import EvalRecord, JsonObject, Status, Verdict
from tersely.verify.extract import CUT
from tersely.verify.kinds.math import RESTATED
from tersely.verify.published import PUBLISHED

SHOWN = 10
"""Line numbers named at most."""


RESTATES = "equal the gold answer but only restate it (WRONG by policy)"


def remark(verdict: Verdict) -> str | None:
    """The reason where it is one that reports count, whoever decided: a restated question, a response that was cut."""
    return verdict.reason if RESTATED in verdict.reason or CUT in verdict.reason else None


@dataclass(frozen=True, slots=True)
class Remarks:
    """What is counted over the responses of an evaluation or of training. Example: ``Remarks(restated=3, cut=0)``."""

    restated: int = 0
    cut: int = 0

    @classmethod
    def of(cls, records: Iterable[EvalRecord]) -> Remarks:
        return cls.said_by(record.remark for record in records if record.remark is not None)

    @classmethod
    def said_by(cls, reasons: Iterable[str]) -> Remarks:
        """Counted over the reasons of verdicts."""
        said = list(reasons)
        return cls(sum(RESTATED in one for one in said), sum(CUT in one for one in said))

    def to_json(self) -> JsonObject:
        return {name: count for name, count in (("restated", self.restated), ("cut", self.cut)) if count}

    def sentences(self, responses: int) -> Iterator[str]:
        if self.restated:
            yield f"{self.restated} of {responses} answers {RESTATES}"
        if self.cut:
            yield f"{self.cut} of {responses} responses were longer than is read: {CUT}"


@dataclass(frozen=True, slots=True)
class PolicyCount:
    """How often our own rule says what a policy does. Example: ``PolicyCount("published", 600, 571)``."""

    name: str
    responses: int
    """That were judged."""
    agreed: int

    @classmethod
    def of(cls, name: str, records: Iterable[EvalRecord]) -> PolicyCount:
        both = [(record.status, record.own_status) for record in records if record.own_status is not None]
        return cls(name, len(both), sum(one is other for one, other in both))

    def sentence(self) -> str:
        share = f" ({self.agreed / self.responses:.1%})" if self.responses else ""
        return (
            f"correct is what the policy {self.name} counts, not our own rule, "
            f"which agrees on {self.agreed} of {self.responses} responses{share}"
        )


def counts(records: Sequence[EvalRecord], policy: str | None) -> JsonObject:
    """What the summary of an evaluation says beside its numbers; nothing where there is nothing to say."""
    remarks = Remarks.of(records).to_json()
    counted = {} if policy is None else {"policy": asdict(PolicyCount.of(policy, records))}
    return ({"judged": remarks} if remarks else {}) | counted


@dataclass(slots=True)
class Tally:
    """Counts over the lines of one call; filled while the lines are judged."""

    lines: int = 0
    bad_golds: list[int] = field(default_factory=list)
    cut: int = 0
    restated: int = 0
    policy: str | None = None
    agreed: int = 0
    """Lines on which the policy and our own rule say the same."""
    audited: int = 0
    differ: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    """(our status, our reason, math-verify's status) -> line numbers."""

    def add(self, number: int, own: Verdict, *, bad_gold: bool = False) -> None:
        """One line and the verdict of our own rule."""
        self.lines += 1
        self.cut += CUT in own.reason
        self.restated += RESTATED in own.reason
        if bad_gold:
            self.bad_golds.append(number)

    def compare(self, number: int, own: Verdict, audit: Verdict) -> None:
        """One line and what math-verify says to it."""
        self.audited += 1
        if (own.status is Status.CORRECT) != (audit.status is Status.CORRECT):
            kind = (own.status.value, own.reason, audit.status.value)
            self.differ.setdefault(kind, []).append(number)

    def sentences(self) -> Iterator[str]:
        """One sentence for each thing worth saying."""
        if self.bad_golds:
            yield (
                f"{len(self.bad_golds)} of {self.lines} gold answers cannot be judged: line"
                f"{'s' * (len(self.bad_golds) > 1)} {_places(self.bad_golds)} (UNJUDGED, with the reason)"
            )
        yield from Remarks(self.restated, self.cut).sentences(self.lines)
        if self.policy == PUBLISHED:
            yield f"policy {PUBLISHED}: agrees with our own rule on {self.agreed} of {self.lines} lines"
        if self.audited:
            yield from self._audit()

    def _audit(self) -> Iterator[str]:
        count = sum(map(len, self.differ.values()))
        yield f"math-verify agrees on {self.audited - count} of {self.audited} lines"
        for (own, reason, other), lines in sorted(self.differ.items(), key=lambda kind: -len(kind[1])):
            yield f"  {len(lines)} tersely {own} ({reason}), math-verify {other}: {_places(lines)}"


def _places(numbers: list[int]) -> str:
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return ", ".join(map(str, numbers[:SHOWN])) + more
