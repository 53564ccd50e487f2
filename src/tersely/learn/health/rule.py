"""What a health rule is: the steps of a run in, what is wrong with the last of them out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tersely.journal import StepRecord

Steps = Sequence[StepRecord]
"""Every step of a run so far, the one that is looked at last."""

Sees = Callable[[Steps, float], str | None]
"""What was seen of the last step where it lies beyond the threshold, as the middle of a sentence; None where it does
not, or where nothing was measured. Pure."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One sign of a sick run.

    Example: ``Rule(too_long, usual=9000.0, stops=False, cure="raise alpha")``
    """

    sees: Sees
    usual: float
    """Threshold where none is given."""
    stops: bool
    """Whether it ends a run where nothing else is said; otherwise it warns."""
    cure: str
    """What to do, as the end of a sentence."""
    below: float = math.inf
    """A threshold lies between 0 and this."""
    in_row: int = 3
    """So many steps in a row end a run."""
