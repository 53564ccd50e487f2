"""What may steer a run from outside its loop: alpha of each step, measurements in between, an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tersely.frozen import FrozenMapping
from tersely.records import JsonObject

if TYPE_CHECKING:
    from tersely.learn.trainer import Trainer


class Steering(Protocol):
    """Asked once a step, in every process of the run.

    What it decides must be a function of the run folder's logs, which are cut back where a run is resumed: then a run
    that was killed goes on with the same bits.
    """

    @property
    def identity(self) -> JsonObject:
        """What of it a resumed run must share: stands in the run's config.json beside the configuration."""

    @property
    def longest_prompt(self) -> int:
        """Tokens of the longest prompt that it will have answered."""

    @property
    def is_over(self) -> bool:
        """Whether the step that was done last is the run's last."""

    def begin(self, trainer: Trainer) -> None:
        """Before the first step of this process."""

    def alpha(self, step: int) -> float | None:
        """Alpha of this step; None leaves it to the objective's own schedule."""

    def after(self, trainer: Trainer, step: int) -> None:
        """A step is done, its line is in the journal and its checkpoint is not saved yet."""


class Unsteered:
    """Leaves everything to the configuration."""

    identity: JsonObject = FrozenMapping({})
    longest_prompt = 0
    is_over = False

    def begin(self, trainer: Trainer) -> None:
        return None

    def alpha(self, step: int) -> float | None:
        return None

    def after(self, trainer: Trainer, step: int) -> None:
        return None
