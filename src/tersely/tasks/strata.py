"""Sets whose makers put them together in exact shares: a task file says so by a column ``stratum``."""

from __future__ import annotations

from collections.abc import Sequence

from tersely.errors import UserError
from tersely.records import Problem

COLUMN = "stratum"


def strata_of(problems: Sequence[Problem]) -> str | None:
    """The column that declares the strata; None where problems were drawn. Problems of which only some have a stratum
    are a UserError: nobody could say of what the set is a sample."""
    without = sum(problem.stratum is None for problem in problems)
    if 0 < without < len(problems):
        raise UserError(f"{without} of {len(problems)} problems have no {COLUMN!r}: give all of them one, or none")
    return None if without else COLUMN
