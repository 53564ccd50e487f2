"""Why a health rule ended a run, kept in its folder until that rule is told otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tersely.errors import HealthError
from tersely.learn.health.asked import Asked
from tersely.records import Json, JsonObject
from tersely.runs import disk
from tersely.runs.json_file import read_record

STOPPED = "stopped.json"


@dataclass(frozen=True, slots=True)
class HealthStop:
    """stopped.json.

    Example: ``HealthStop("kl", 12, 0.5, "the policy lies 0.61 nats a token off the base", "lower ...", 3, 10)``
    """

    rule: str
    step: int
    """The last that was trained."""
    threshold: float
    seen: str
    cure: str
    in_row: int
    """Steps in a row, the last included."""
    good: int | None
    """Step of the last checkpoint from before those steps; None where there is none."""

    def to_json(self) -> JsonObject:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Json) -> HealthStop:
        """KeyError, TypeError or ValueError for what ``to_json`` did not write."""
        good = content["good"]
        return cls(
            str(content["rule"]),
            int(content["step"]),
            float(content["threshold"]),
            str(content["seen"]),
            str(content["cure"]),
            int(content["in_row"]),
            None if good is None else int(good),
        )

    @property
    def words(self) -> str:
        """Why, what was kept, and how to go on."""
        row = f" ({self.in_row} such steps in a row)" if self.in_row > 1 else ""
        kept = "no checkpoint is" if self.good is None else f"checkpoint step-{self.good:06d} is the last"
        return (
            f"health rule {self.rule} (threshold {self.threshold:g}) ended the run at step {self.step}{row}: "
            f"{self.seen}; {kept} from before: {self.cure}, or go on regardless by the same command with --set "
            f"health.{self.rule}=off"
        )


def require_not_stopped(run: Path, rules: Sequence[Asked]) -> None:
    """HealthError with its old reason where a rule ended the run and would again; else it is forgotten."""
    path = run / STOPPED
    if not path.exists():
        return
    stop = read_record(path, "the reason why the run was ended", HealthStop.from_json)
    if any(a.stops and (a.name, a.threshold) == (stop.rule, stop.threshold) for a in rules):
        raise HealthError(f"nothing was done, for {stop.words}")
    disk.remove(path)
