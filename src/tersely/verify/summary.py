"""What `tersely verify` says at the end: golds that cannot be judged, cut responses, and how two judges differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tersely.records import Status, Verdict
from tersely.verify.extract import CUT
from tersely.verify.kinds.math import RESTATED
from tersely.verify.published import PUBLISHED

SHOWN = 10
"""Line numbers named at most."""


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
        self.cut += own.reason.endswith(CUT)
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
        if self.cut:
            yield f"{self.cut} of {self.lines} responses were longer than is read: {CUT}"
        if self.restated:
            yield f"{self.restated} of {self.lines} answers equal the gold answer but only restate it (WRONG by policy)"
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
