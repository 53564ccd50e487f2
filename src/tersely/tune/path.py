"""Which alpha the next step takes: a pure function of the settings and of what was measured so far.

So a run that was killed computes it anew from its log and goes on with the same bits. Nothing is steered by the
accuracy of training batches: at temperature 1 it lies far below what an evaluation sees, and early on most.

The path is a ramp. With a floor on accuracy it is cut when two measurements in a row lie below it: at a small alpha the
expensive losses heal and the cheap savings stay, so that what is found while it holds lies on the frontier again. Then
the ramp goes on, more slowly, from below where it was cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tersely.records import JsonObject
from tersely.tune.measured import Point

LAST_ALPHA = 0.5
"""Of an uncut ramp at the last step: no alpha is larger."""
MEASUREMENTS = 20
"""In a run: one in so many steps, and the steps of a hold are counted in them."""
CUT, DEEPER, GO_ON_FROM, GO_ON_RATE = 0.3, 0.5, 0.6, 0.5
"""Share of alpha that is left by a cut and by a second one; share of the peak and of the rate that the ramp goes on
with."""
LEAST_MARGIN, BEYOND = 0.005, 0.03
"""Shares of accuracy: kept above the floor at least; so far below it nothing will come back."""
SHORT_ENOUGH = 0.9
"""Share of the tokens wanted below which the run has gone past them."""


@dataclass(frozen=True, slots=True)
class PathSettings:
    """What the path depends on besides measurements. Example: ``PathSettings(steps=100, loss=0.01, gate=2400)``."""

    steps: int = 100
    loss: float | None = None
    """The floor: the largest loss, as a share. None ramps without one."""
    gate: int = 2400
    """Problems of the test to come: the more, the nearer to the floor a model may be and still pass."""

    @property
    def rate(self) -> float:
        """By how much alpha rises a step: .005 where there are 100."""
        return LAST_ALPHA / self.steps

    @property
    def every(self) -> int:
        """Steps between two measurements."""
        return max(1, self.steps // MEASUREMENTS)

    def floor(self, spread: float) -> float:
        """The change below which a measurement is too low: the allowed loss, less a margin for the test to come."""
        loss = self.loss or 0.0
        margin = max(LEAST_MARGIN, 1.65 * spread / math.sqrt(self.gate))
        return -(loss - min(margin, loss / 2))

    def to_json(self) -> JsonObject:
        return {"steps": self.steps, "loss": self.loss, "gate": self.gate}


class Phase(StrEnum):
    RAMP = "ramp"
    HOLD = "hold"
    HOLD_DEEPER = "hold deeper"
    RAMP_AGAIN = "ramp again"
    OVER = "over"


HOLDS: Mapping[Phase, int] = {Phase.HOLD: 4, Phase.HOLD_DEEPER: 2}
"""Measurements for which alpha stays where it was cut to."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the path stands before a step."""

    alpha: float
    """Of that step."""
    phase: Phase = Phase.RAMP
    since: int = 0
    """The step behind which the phase began."""
    peak: float = 0.0
    """Alpha at the cut."""
    why: str = ""
    """The path is over, in words."""


def stand_after(settings: PathSettings, seen: Sequence[Point], step: int, tokens: float | None = None) -> Stand:
    """Where the path stands once ``step`` steps are done (0: before the first).

    ``seen``: the measurements, earliest first, the base's apart; those after ``step`` are passed over. ``tokens``: a
    length past which the run is over.
    """
    stand = Stand(settings.rate)
    for done, until_now in _steps(settings, seen, step):
        stand = next_stand(stand, settings, done, until_now, tokens)
    return stand


def _steps(settings: PathSettings, seen: Sequence[Point], step: int) -> Iterator[tuple[int, list[Point] | None]]:
    """(step, measurements so far if one was just made) of each step that is done."""
    known = {one.step for one in seen}
    for done in range(1, step + 1):
        measured = done in known and done % settings.every == 0
        yield done, [one for one in seen if one.step <= done] if measured else None


def next_stand(
    stand: Stand, settings: PathSettings, step: int, seen: Sequence[Point] | None, tokens: float | None = None
) -> Stand:
    """The stand before step + 1. ``seen``: every measurement so far if one was just made, else None."""
    if stand.phase is Phase.OVER:
        return stand
    if seen is not None:
        last_two = [one for one in seen if one.step > stand.since][-2:]
        if why := _why_over(stand, settings, last_two, tokens):
            return replace(stand, phase=Phase.OVER, why=why)
        if (turned := _turn(stand, settings, step, last_two)) is not None:
            return turned
    return replace(stand, alpha=_risen(stand, settings))


def _risen(stand: Stand, settings: PathSettings) -> float:
    rates = {Phase.RAMP: settings.rate, Phase.RAMP_AGAIN: GO_ON_RATE * settings.rate}
    return stand.alpha + rates.get(stand.phase, 0.0)


def _turn(stand: Stand, settings: PathSettings, step: int, last_two: Sequence[Point]) -> Stand | None:
    """Another phase, where the measurements ask for one."""
    low, held = _both_below(last_two, settings, 0.0), step - stand.since
    if stand.phase is Phase.RAMP and low:
        return Stand(CUT * stand.alpha, Phase.HOLD, step, stand.alpha)
    if held < HOLDS.get(stand.phase, math.inf) * settings.every:
        return None
    if stand.phase is Phase.HOLD and low:
        return Stand(DEEPER * stand.alpha, Phase.HOLD_DEEPER, step, stand.peak)
    return Stand(GO_ON_FROM * stand.peak, Phase.RAMP_AGAIN, step, stand.peak)


def _why_over(stand: Stand, settings: PathSettings, last_two: Sequence[Point], tokens: float | None) -> str:
    """Why nothing more is to come; empty while there is."""
    if tokens is not None and len(last_two) == 2 and all(one.tokens < SHORT_ENOUGH * tokens for one in last_two):
        return "responses are shorter than asked for"
    if stand.phase is not Phase.RAMP and _both_below(last_two, settings, BEYOND):
        return "accuracy does not come back"
    if stand.phase is Phase.RAMP_AGAIN and _both_below(last_two, settings, 0.0):
        return "accuracy fell below the floor a second time"
    return ""


def _both_below(last_two: Sequence[Point], settings: PathSettings, by: float) -> bool:
    """Whether both lie below the floor by more than this; single checkpoints dip and come back by themselves."""
    if settings.loss is None or len(last_two) < 2:
        return False
    return all(one.change < settings.floor(one.spread) - by for one in last_two)
