"""A budget of tokens for each problem, asked for by a line at the end of its prompt (L1, arXiv 2503.04697)."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tersely.records import Problem
from tersely.tasks.instructions import Instruction


@dataclass(frozen=True, slots=True)
class Budgets:
    """Drawn once a problem: a function of (seed, id of the problem), so that a resume draws the same.

    Example: ``Budgets(100, 4000, seed=0, line="limit").of(problem)`` is a number of tokens.
    """

    low: int
    high: int
    """Tokens, both ends included."""
    seed: int
    line: str
    """Which instruction says it, one of ``instructions.SENTENCES`` that stands at the end of a prompt."""

    def of(self, problem: Problem) -> int:
        """Tokens for a response to this problem."""
        return random.Random(f"budget/{self.seed}/{problem.id}").randint(self.low, self.high)

    def sentence(self, problem: Problem) -> str:
        """The line at the end of its prompt."""
        return Instruction(self.line, self.of(problem)).text

    @property
    def widest(self) -> Instruction:
        """One of the lines, to see whether a tokenizer can read it."""
        return Instruction(self.line, self.high)
