"""The golden groups natively: what every engine is compared with where the paper's formula is not asked for."""

from __future__ import annotations

from golden_groups import ALPHA, CAP, TRUNCATED, GoldenRow
from tersely.adapters.rows import credit_rows
from tersely.objective import FlatCredit, Objective


def credit_of(rows: list[GoldenRow], objective: Objective | None = None) -> FlatCredit:
    truncated = [row.was == TRUNCATED for row in rows]
    columns = [row.score for row in rows], [row.length for row in rows], [row.group for row in rows]
    return credit_rows(objective or Objective(ALPHA), *columns, truncated=truncated, cap=CAP)
