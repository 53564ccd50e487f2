"""What a log says of itself that an evaluation was imported from, and where our records count otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isclose
from statistics import mean

from tersely.analysis.clusters import clusters_of
from tersely.records import EvalRecord, Finish, Json, JsonObject

ALIKE = 1e-9
"""Two sums of the same scores in another order differ by less."""


@dataclass(frozen=True, slots=True)
class AsLogged:
    """The log's verdict stays what it is: every record keeps its score, and the log's own accuracy is their mean. Ours
    counts no response that did not end by itself, as everywhere here, and knows right and wrong alone.

    Example: ``AsLogged("inspect_ai 0.3.285", "includes", accuracy=0.75, of_scores=0.75, unfinished=1)``
    """

    made_by: str
    scorer: str | None
    """Whose scores the records keep; None where nobody's."""
    judged: bool = False
    """Our judge decided what is correct, not that scorer."""
    accuracy: float | None = None
    """That the log says of itself."""
    of_scores: float | None = None
    """Mean over problems of the mean of the scores that the records keep."""
    unfinished: int = 0
    """Responses that are right by the log and did not end by themselves."""
    partial: int = 0
    """Scores between wrong and right."""
    failed: int = 0
    """Responses that ended in an error, without which the log reckons."""
    missing: int = 0
    """Responses that the log counted and does not hold."""
    repeated: int = 0
    """Problems that the log asks under several names."""
    says_finish: bool = True
    """Whether the log says which responses ended by themselves."""
    says_cap: bool = True
    """Whether it says how long a response could be."""

    @staticmethod
    def counts(records: Sequence[EvalRecord]) -> tuple[float | None, int, int]:
        """(``of_scores``, ``unfinished``, ``partial``)."""
        scored = clusters_of(records, lambda r: r.score or 0.0, lambda r: r.score is not None)
        return (
            mean(mean(values) for values in scored.values()) if scored else None,
            sum(r.score == 1.0 and r.finish is not Finish.EOS for r in records),
            sum(r.score is not None and 0.0 < r.score < 1.0 for r in records),
        )

    def to_json(self) -> JsonObject:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Json) -> AsLogged:
        """What ``to_json`` wrote; TypeError or ValueError for anything else."""
        made = cls(**found)
        for name, value in asdict(made).items():
            kind = str if name in ("made_by", "scorer") else int | float
            if not isinstance(value, kind) and not (value is None and name in ("scorer", "accuracy", "of_scores")):
                raise ValueError(f"{name} is {value!r:.40}")
        return made

    def sentences(self, responses: int) -> Iterator[str]:
        """What must be said beside the numbers of so many responses."""
        yield f"imported from a log of {self.made_by}: {self._who()}{self._accuracy()}"
        counted = {
            "are right by the log and did not end by themselves: not correct here": self.unfinished,
            "have a score between wrong and right: not correct here": 0 if self.judged else self.partial,
            "ended in an error: not correct here, and left out by the log": self.failed,
        }
        for what, count in counted.items():
            if count:
                yield f"{count} of {responses} responses {what}"
        if self.missing:
            yield f"{self.missing} responses that the log counted are not in it"
        if self.repeated:
            yield f"{self.repeated} problems stand in the log under several names: their responses are taken together"
        if not self.says_finish:
            yield f"the log does not say which responses ended by themselves{self._cut_off()}"

    def _cut_off(self) -> str:
        if self.says_cap:
            return ": those as long as the cap count as cut off"
        return ", nor how long they could be: none counts as cut off"

    def _who(self) -> str:
        if not self.judged:
            return f"its scorer {self.scorer!r} decides what is correct"
        return "judged here" + (f" in place of its scorer {self.scorer!r}" if self.scorer else "")

    def _accuracy(self) -> str:
        if self.accuracy is None:
            return ""
        own = f", its own accuracy is {self.accuracy:.4f}"
        if self.of_scores is None or isclose(self.accuracy, self.of_scores, abs_tol=ALIKE):
            return own
        return f"{own} (its scores give {self.of_scores:.4f})"
