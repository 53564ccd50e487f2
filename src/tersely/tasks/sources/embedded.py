"""Tasks that are made here, problem by problem: no file, no network. One file a task, and one line in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tersely.errors import RunError
from tersely.records import Problem, Status
from tersely.tasks.sources import EmbeddedSplit, Split
from tersely.tasks.sources.arithmetic import arithmetic_problems
from tersely.tasks.sources.countdown import countdown_problems, puzzle_from
from tersely.tasks.sources.ordering import ordering_problems
from tersely.verify.kinds import KINDS, AnswerKind, look_up


def gold_of(problem: Problem) -> str:
    """The solution of a problem whose gold answer is one."""
    return problem.gold


@dataclass(frozen=True, slots=True)
class EmbeddedTask:
    """A task that can make many problems.

    Example: ``EmbeddedTask(arithmetic_problems, {"train": 3200, "held_out": 600}, {"train": 1, "held_out": 2})``
    """

    generate: Callable[[EmbeddedSplit, int, int], list[Problem]]
    """(split, how many, seed) -> that many different problems, the same for the same seed; no problem in two splits."""
    sizes: Mapping[Split, int]
    """How many where nobody says."""
    seeds: Mapping[Split, int]
    """Fixed, so that everybody's numbers are of the same problems."""
    stratified: str = ""
    """What every set holds in exact shares instead of by chance, in words; empty where problems are drawn freely."""
    solve: Callable[[Problem], str] = gold_of
    """An answer to a problem that has to be right."""
    recipe: str = "tiny"
    """By which its reasoner is trained where nobody names one."""

    def load(self, split: Split, size: int | None) -> list[Problem]:
        """RunError where the task and the checker of its answers disagree."""
        problems = self.generate(split, self.sizes[split] if size is None else size, self.seeds[split])
        require_agreement(problems, self.solve)
        return problems


def require_agreement(
    problems: Sequence[Problem], solve: Callable[[Problem], str], kinds: Mapping[str, AnswerKind] = KINDS
) -> None:
    """RunError where a kind of answer does not take a problem's own solution: whoever trained on that would be taught
    what is wrong."""
    for gold, solution, kind in dict.fromkeys((p.gold, solve(p), p.kind) for p in problems):
        status, reason = look_up(kind, kinds).decide(gold, solution)
        if status is not Status.CORRECT:
            raise RunError(
                f"the task and its checker disagree: {solution!r} solves {gold!r}, and the answer kind {kind!r} says "
                f"{status} ({reason}): mend the task's file or the kind's before anything is trained or measured"
            )


EMBEDDED_TASKS: Mapping[str, EmbeddedTask] = {
    # Tuned on held-out problems of another seed.
    "arithmetic": EmbeddedTask(
        arithmetic_problems,
        sizes={"train": 3200, "held_out": 600},
        seeds={"train": 1, "held_out": 97_112_358},
        stratified="its levels, and within each of them its exceptions",
    ),
    "countdown": EmbeddedTask(
        countdown_problems,
        sizes={"train": 3200, "held_out": 600},
        seeds={"train": 1, "held_out": 97_112_358},
        stratified="its levels, and that half of each have no solution",
        solve=lambda problem: puzzle_from(problem).solution(),
        recipe="tiny-countdown",
    ),
    "ordering": EmbeddedTask(
        ordering_problems,
        sizes={"train": 3200, "held_out": 600},
        seeds={"train": 1, "held_out": 97_112_358},
        stratified="its levels",
        recipe="tiny-ordering",
    ),
}
