"""What TRL's trainers are given: rows of a data set, and our judge as their accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tersely.adapters.grading import described, problem_of, scores, shared_judge
from tersely.errors import UserError
from tersely.records import Problem
from tersely.rollouts import Grader
from tersely.tasks.prompts import fill, find_template


def rows(problems: Sequence[Problem], template: str = "boxed") -> list[dict[str, Any]]:
    """Rows of a data set for GRPOTrainer: ``Dataset.from_list(rows(problems))``. The template fills the user's turn."""
    asked = find_template(template)
    if asked.around is not None:
        raise UserError(f"template {template!r} is no user's turn of a chat template, which TRL applies: use boxed")
    return [
        {
            "prompt": [{"role": "user", "content": fill(asked, problem)}],
            "answer": problem.answer,
            "problem": described(problem),
            "problem_id": problem.id,
        }
        for problem in problems
    ]


@dataclass(eq=False)
class Accuracy:
    """Our judge as a reward function: 1 right, 0 wrong, a score where a verifier grades, None where nobody can say."""

    judge: Grader | None = None
    """Any with our judge's two methods; None: one of ours for this process."""
    opened: bool = False
    """Whether the model's chat template opens a thought at the end of the prompt, which must then be closed."""

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        blank = [None] * len(completions)
        known = [columns.get(name, blank) for name in ("answer", "problem", "kind")]
        problems = [problem_of(*row) for row in zip(*known, strict=True)]
        texts = [text_of(completion) for completion in completions]
        found = scores(problems, texts, self.judge or shared_judge(), [self.opened] * len(texts))
        return [score if score >= 0 else None for score in found]


def text_of(completion: Any) -> str:
    """The text of a completion, plain or as messages."""
    return completion if isinstance(completion, str) else "".join(str(turn["content"]) for turn in completion)
