"""A level of effort for each group, asked for by a line at the end of its prompt: one model, several lengths."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tersely.errors import UserError
from tersely.records import Problem
from tersely.tasks.instructions import is_readable
from tersely.tasks.prompts import PromptIds, render_all


@dataclass(frozen=True, slots=True)
class Efforts:
    """Drawn anew for every group: a function of (seed, step, id of the problem), so that a resume draws the same.

    Example: ``Efforts(("low", "high"), seed=0, line="Effort: {level}").of(problem, 1)`` is a level.
    """

    levels: tuple[str, ...]
    seed: int
    line: str
    """With one place ``{level}``."""

    @property
    def lines(self) -> dict[str, str]:
        """What asks for each level, by its name."""
        return {level: self.line.replace("{level}", level) for level in self.levels}

    def of(self, problem: Problem, step: int) -> str:
        """The level that a step (from 1) asks this problem with."""
        return random.Random(f"effort/{self.seed}/{step}/{problem.id}").choice(self.levels)

    def render(self, problems: Iterable[Problem], tokenizer: Any, template: str) -> dict[str, tuple[int, ...]]:
        """Prompt ids of every problem under every level, by ``key``. UserError as ``render_all``, and where the
        tokenizer cannot write a line."""
        asked = list(problems)
        prompts: dict[str, tuple[int, ...]] = {}
        for level, line in self.lines.items():
            require_level(level, line, tokenizer)
            prompts |= {key(name, level): ids for name, ids in render_all(asked, tokenizer, template, line).items()}
        return prompts

    def prompts_of(self, problems: Iterable[Problem], prompts: PromptIds, step: int) -> PromptIds:
        """Problem id -> prompt ids of a step, out of all that ``render`` made."""
        return {problem.id: prompts[key(problem.id, self.of(problem, step))] for problem in problems}


def key(problem_id: str, level: str) -> str:
    """What the prompt of a problem under a level is called."""
    return f"{problem_id} {level}"


def require_level(level: str, line: str, tokenizer: Any) -> None:
    """UserError where the tokenizer drops parts of the line that asks for a level."""
    if not is_readable(line, tokenizer):
        raise UserError(
            f"this model's tokenizer cannot write {line!r}, which asks for the level {level!r}: of the embedded "
            "reasoner make one that can, `tersely base --levels --out BASE`, which knows 'Effort: ' with low, medium "
            "and high"
        )
