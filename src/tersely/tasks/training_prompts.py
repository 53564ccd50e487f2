"""What prompts ask for besides the problem: a budget of tokens, or a level of effort; which one, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.objective import GroupView, Need, Objective, view_of
from tersely.records import Group, Problem
from tersely.sections import LEVEL_LINE
from tersely.tasks.budgets import Budgets
from tersely.tasks.efforts import Efforts
from tersely.tasks.instructions import require_readable
from tersely.tasks.prompts import PromptIds, render_all


@dataclass(frozen=True, slots=True)
class TrainingPrompts:
    """How the problems of a run are asked. Example: ``TrainingPrompts.of(config).render(problems, tokenizer)``."""

    template: str
    budgets: Budgets | None = None
    efforts: Efforts | None = None

    @classmethod
    def of(cls, config: TrainConfig) -> TrainingPrompts:
        levels, seed = tuple(config.objective.levels), config.seed
        return cls(
            config.template,
            None if config.budgets is None else Budgets(*config.budgets, seed, config.budget_line),
            Efforts(levels, seed, config.level_line) if levels else None,
        )

    def render(self, problems: Sequence[Problem], tokenizer: Any) -> dict[str, tuple[int, ...]]:
        """Prompt ids by id of the problem, or of every level by ``tasks.efforts.key``. UserError where the tokenizer
        cannot write what is asked for."""
        if self.efforts is not None:
            return self.efforts.render(problems, tokenizer, self.template)
        if self.budgets is None:
            return render_all(problems, tokenizer, self.template)
        require_readable(self.budgets.widest, tokenizer)
        return render_all(problems, tokenizer, self.template, self.budgets.sentence)

    def prompts_of(self, problems: Sequence[Problem], prompts: PromptIds, step: int) -> PromptIds:
        """Of the problems of a step (from 1), by id, out of all that ``render`` made."""
        return prompts if self.efforts is None else self.efforts.prompts_of(problems, prompts, step)

    def level_of(self, problem: Problem, step: int) -> str | None:
        """Of effort, that a step asks for; None where there are none."""
        return None if self.efforts is None else self.efforts.of(problem, step)

    def view(self, group: Group, step: int, cap: int) -> GroupView:
        """What the objective is shown of a group whose responses have ``cap`` tokens at most."""
        asked = None if self.budgets is None else [self.budgets.of(group.problem)] * len(group.rollouts)
        return view_of(group, cap=cap, budgets_G=asked, level=self.level_of(group.problem, step))

    @property
    def lines(self) -> Mapping[str, str] | None:
        """Level of effort -> the line that asks for it; None where there are none."""
        return None if self.efforts is None else self.efforts.lines


def require_levels(config: TrainConfig, objective: Objective) -> None:
    """UserError for levels of effort beside budgets, and for a line that asks for none."""
    levels = config.objective.levels
    if levels and (config.budgets is not None or Need.BUDGET in objective.needs):
        raise UserError(
            "objective.levels asks each prompt for a level of effort, and budgets for a number of tokens: one of the "
            "two; l1-exact and l1-max go by budgets"
        )
    if not levels and config.level_line != LEVEL_LINE:
        raise UserError(
            f"level_line = {config.level_line!r} says how levels of effort are asked for, and there are none: leave it "
            "out, or give some, for example --set objective.levels.low=0.4 --set objective.levels.high=0"
        )
