"""What every adapter shares: how scores travel, what never counts, and whether an engine can carry a method.

``_N``: the rows of a flat batch.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tersely.config import ObjectiveConfig, validated
from tersely.errors import UserError
from tersely.extras import install_command
from tersely.objective import FlatCredit, Need, Objective, State
from tersely.objective.methods.base import Method

UNJUDGED = -1.0
"""How "could not say" travels where an engine carries one number a response; scores are in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Library:
    """An engine as its adapter declares it. Example: ``Library("verl", "0.9.1", "0.10", frozenset({Need.CAP}))``."""

    name: str
    """Of the distribution, and of our extra."""
    first: str
    """The release that was tested."""
    before: str
    """The first release after those that are taken to be like it."""
    carries: frozenset[Need]
    """What a method can be shown of a response or a group there."""
    takes_mean: bool = False
    """Whether it takes the group's mean away by itself, so that only advantages that sum to 0 can be handed over."""
    has_steps: bool = False
    """Whether the adapter knows which step it is."""

    def require(self) -> None:
        """UserError where the library is absent; a warning with both versions where it is none of those tested."""
        try:
            found = version(self.name)
        except PackageNotFoundError as error:
            raise UserError(f"{self.name} is not installed: {install_command(self.name)}") from error
        if not _parts(self.first) <= _parts(found) < _parts(self.before):
            warnings.warn(
                f"{self.name} {found} is installed and tersely was tested with {self.first}: look at the first steps, "
                f"or install {self.name}>={self.first},<{self.before}",
                stacklevel=3,
            )

    def require_carried(self, objective: Objective, further: Collection[Need] = ()) -> None:
        """UserError by name for an objective that the engine cannot carry; ``further`` is given besides."""
        missing = [need for need in Need if need in objective.needs - self.carries - frozenset(further)]
        if missing:
            raise UserError(
                f"method {objective.method!r} needs {' and '.join(need.words for need in missing)}, which "
                f"{self.name} does not hand to its adapter: use tersely train, or a method that does without"
            )
        if objective.schedule != "constant" and not self.has_steps:
            raise UserError(
                f"schedule {objective.schedule!r} needs the number of the step, which {self.name} does not hand to its "
                "adapter: use schedule = constant, or tersely train"
            )
        if self.takes_mean and objective.normalize == "batch":
            raise UserError(
                f"normalize = batch shifts a group's advantages, and {self.name} takes the group's mean away again: "
                "use normalize = none or group"
            )
        if self.takes_mean and type(objective._method).reweigh is not Method.reweigh:
            raise UserError(
                f"method {objective.method!r} weighs advantages by themselves, and {self.name} takes the group's mean "
                "away again: use verl, or tersely train"
            )


def _parts(release: str) -> tuple[int, ...]:
    """ "0.9.1rc1" -> (0, 9, 1)."""
    numbers = []
    for part in release.split("+")[0].split("."):
        digits = "".join(c for c in part[:4] if c.isdigit()) if part[:1].isdigit() else ""
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def objective_of(settings: Mapping[str, Any]) -> Objective:
    """The objective from the keys of the section ``objective`` (docs/settings.md); UserError for one that is wrong."""
    return Objective(**validated(ObjectiveConfig, settings).model_dump())


def credit_rows(
    objective: Objective,
    scores: ArrayLike,
    lengths: ArrayLike,
    groups: Sequence[Hashable],
    *,
    truncated: ArrayLike,
    cap: int | None = None,
    texts: Sequence[str] | None = None,
    budgets: ArrayLike | None = None,
    problem_ids: Sequence[str] | None = None,
    state: State | None = None,
) -> FlatCredit:
    """``Objective.credit_flat`` for rows as engines hold them.

    ``scores`` [N] in [0, 1], below 0 or NaN where nobody could say; ``lengths`` [N] tokens, 0 for a row of padding;
    ``truncated`` [N]: such a row is wrong, whatever it scored. The rest as in ``credit_flat``.
    """
    scores_N, lengths_N = np.asarray(scores, dtype=np.float64), np.asarray(lengths, dtype=np.float64)
    truncated_N = np.asarray(truncated, dtype=np.bool_)
    judged_N = ((scores_N >= 0) | truncated_N) & (lengths_N > 0)  # NaN is not >= 0
    return objective.credit_flat(
        np.where(judged_N & ~truncated_N, scores_N, 0.0),
        lengths_N,
        groups,
        judged_N,
        truncated=truncated_N,
        texts=texts,
        budgets=budgets,
        cap=cap,
        problem_ids=problem_ids,
        state=state,
    )
