"""math-verify beside our judge: what it says to a whole response with its own defaults, in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tersely.records import Verdict
from tersely.verify.judge import Judge
from tersely.verify.workers.pool import Pool, Program

PROGRAM = Program(Path(__file__).parent / "workers" / "audit_answers.py")

MEMORY_MB = 1024


class Auditor:
    """A second judge with the budget of the first. Ends its workers on leaving."""

    def __init__(self, judge: Judge) -> None:
        self.pool = Pool(judge.pool.size, judge.pool.cpu_seconds, MEMORY_MB, PROGRAM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.close()

    def grade(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """math-verify's verdict for each (gold answer, response); UNJUDGED where it ran out of the budget."""
        return self.pool.run([{"gold": gold, "response": response} for gold, response in pairs])
