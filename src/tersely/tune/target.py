"""What a person asks for: a loss that may be, a length that must be met, or a share of tokens to be saved."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tersely.errors import UserError
from tersely.records import Json, JsonObject


@dataclass(frozen=True, slots=True)
class Target:
    """Exactly one of ``loss``, ``tokens`` and ``save`` is given.

    Examples: ``Target(loss=0.01)``; ``Target(tokens=1500, quantile=0.95)``; ``Target(save=0.3)``
    """

    loss: float | None = None
    """Largest loss of accuracy, as a share in (0, 1): 0.01 is one point."""
    tokens: float | None = None
    """Tokens that a response may need, on average or at ``quantile``."""
    save: float | None = None
    """Share of the base's tokens to be saved, in (0, 1)."""
    quantile: float | None = None
    """Of the tokens of all responses, in (0, 1); None is their mean. Only with ``tokens``."""

    def __post_init__(self) -> None:
        given = [name for name in ("loss", "tokens", "save") if getattr(self, name) is not None]
        if len(given) != 1:
            raise UserError("say what is wanted, one thing: --lose-at-most POINTS, --tokens N or --save PERCENT")
        if self.loss is not None and not 0 < self.loss < 1:
            raise UserError(
                f"--lose-at-most {_number(100 * self.loss)} cannot be: give points below 100 and above 0, for no "
                "number of problems proves that nothing at all is lost"
            )
        if self.tokens is not None and not (math.isfinite(self.tokens) and self.tokens >= 1):
            raise UserError(f"--tokens {_number(self.tokens)} is no length: give a number of tokens of at least 1")
        if self.save is not None and not 0 < self.save < 1:
            raise UserError(f"--save {_number(100 * self.save)} cannot be: give percent above 0 and below 100")
        if self.quantile is not None and self.tokens is None:
            raise UserError("--quantile says which response --tokens is about: leave it out, or give --tokens N")
        if self.quantile is not None and not 0 < self.quantile < 1:
            raise UserError(f"--quantile {self.quantile:g} is none: give a number between 0 and 1, such as 0.95")

    def tokens_wanted(self, base_tokens: float) -> float | None:
        """Tokens to be met where the base needs so many; None for a floor on accuracy."""
        return self.tokens if self.save is None else (1 - self.save) * base_tokens

    @property
    def name(self) -> str:
        """Of its certificate's file. Example: ``lose-at-most-1``, ``tokens-1500-p95``, ``save-30``."""
        if self.loss is not None:
            return f"lose-at-most-{_number(100 * self.loss)}"
        if self.save is not None:
            return f"save-{_number(100 * self.save)}"
        return f"tokens-{_number(self.tokens or 0)}" + (f"-p{_number(100 * self.quantile)}" if self.quantile else "")

    def words(self) -> str:
        """Example: ``loses at most 1 point``, ``needs at most 1500 tokens in 95 % of its responses``."""
        if self.loss is not None:
            return f"loses at most {points(self.loss)}"
        if self.save is not None:
            return f"saves {_number(100 * self.save)} % of the tokens"
        where = f"in {_number(100 * self.quantile)} % of its responses" if self.quantile else "on average"
        return f"needs at most {_number(self.tokens or 0)} tokens {where}"

    def to_json(self) -> JsonObject:
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}

    @classmethod
    def from_json(cls, content: Json) -> Target:
        """TypeError or UserError for what ``to_json`` did not write."""
        return cls(**content)


def points(share: float) -> str:
    """A share as points of accuracy. Example: ``1 point``, ``0.5 points``."""
    number = _number(100 * share)
    return f"{number} point" if number == "1" else f"{number} points"


def _number(value: float) -> str:
    """Without the last bits of a product by 100."""
    return f"{round(value, 6):g}"
