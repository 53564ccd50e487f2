"""What to change where memory runs out while sampling; what an engine itself can do is its ``EngineSpec``'s to say."""

from __future__ import annotations

from collections.abc import Callable


def fewer_rows(rows: int, n: int = 1) -> int | None:
    """Half as many responses decoded at once, in whole groups of ``n``; None where one group is all there is."""
    return max(n, rows // 2 // n * n) if rows > n else None


def row_cure(option: str, max_rows: int, n: int = 1) -> Callable[[], str]:
    """The cure of a command that only samples: ``option`` ("--max-rows ") sets how many responses are decoded at once,
    ``n`` belong to a problem."""
    fewer = fewer_rows(max_rows, n)
    change = f"use {option}{fewer}" if fewer else "take a smaller model or a machine with more memory"
    return lambda: f"{change} (now {max_rows}); what is finished is saved, and the same command goes on from it"
