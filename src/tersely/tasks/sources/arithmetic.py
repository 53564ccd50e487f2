"""The embedded task: step chains modulo 10 with an exception clause. Pure: no torch, nothing but the standard library.

A problem reads ``(1) +4 (2) +5 (3) *3 , if (a) +6 (b) *3 (c) -2 (d) -8 is 0 then (e) +2 ?``: start from 0 and work the
main chain out, all digits modulo 10; should the condition chain (from 0 as well) come to 0, apply step (e) to the main
value too.

Whether the exception holds can be known only by working the condition out. Steps (a) and (c) add uniform digits, step
(b) permutes the digits, and step (d) takes away exactly what they come to if the exception is to hold, and another
digit if not. Leave out (a), (c) or (d), and the rest is distributed alike in both cases: nothing in the prompt tells
them apart short of the whole chain. Skipping the check is therefore right with probability ``1 -
EXCEPTION_RATES[level]``: checking has a known value, none at the lowest levels, and it cannot be learnt away. The level
(the number of main operations after the first) is visible.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from tersely.records import Kind, Problem, content_id
from tersely.tasks.sources import EmbeddedSplit
from tersely.tasks.sources.drawing import drawn_of, require_drawable, split_of

EXCEPTION_RATES: dict[int, float] = {1: 0.0, 2: 0.0, 3: 0.02, 4: 0.05, 5: 0.15, 6: 0.25}
"""How often the exception holds, by level."""
LEVELS: tuple[int, ...] = tuple(EXCEPTION_RATES)
MAIN_LABELS = ("(1)", "(2)", "(3)", "(4)", "(5)", "(6)", "(7)")
CONDITION_LABELS = ("(a)", "(b)", "(c)", "(d)")
EXCEPTION_LABEL = "(e)"

_SHIFTS = tuple((op, k) for op in "+-" for k in (2, 3, 4, 5, 6))
# Multiplying by 3, 7 or 9 permutes the digits modulo 10; twice each, so that a fair share of steps multiplies.
_STEPS = _SHIFTS + 2 * tuple(("*", k) for k in (3, 7, 9))
_DIGITS = tuple(("+", k) for k in range(10))
_LAST = tuple(("-", k) for k in range(10))
OPERATIONS: tuple[str, ...] = tuple(f"{op}{operand}" for op, operand in dict.fromkeys(_STEPS + _DIGITS + _LAST))
"""Every operation as written: operator and operand are one word, so that a step is found by its label alone."""
_SPLIT_SHARES: tuple[EmbeddedSplit, ...] = ("held_out", "gate") + 8 * ("train",)


@dataclass(frozen=True, slots=True)
class Step:
    """One labelled operation modulo 10, such as ``(2) *3``."""

    label: str
    op: str
    operand: int

    def __call__(self, value: int) -> int:
        if self.op == "+":
            return (value + self.operand) % 10
        if self.op == "-":
            return (value - self.operand) % 10
        return (value * self.operand) % 10

    def words(self) -> list[str]:
        return [self.label, f"{self.op}{self.operand}"]


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps applied in turn, starting from 0."""

    steps: tuple[Step, ...]

    def values(self) -> list[int]:
        """The running value after each step."""
        value, found = 0, []
        for step in self.steps:
            value = step(value)
            found.append(value)
        return found

    @property
    def value(self) -> int:
        return self.values()[-1]

    def words(self) -> list[str]:
        return [word for step in self.steps for word in step.words()]


@dataclass(frozen=True)
class Exercise:
    """A problem with its structure: the main chain, the condition, and the exception's step."""

    main: Chain
    condition: Chain
    exception: Step

    @property
    def level(self) -> int:
        return len(self.main.steps) - 1

    @property
    def holds(self) -> bool:
        """Whether the exception applies."""
        return self.condition.value == 0

    @property
    def answer(self) -> int:
        return self.exception(self.main.value) if self.holds else self.main.value

    @cached_property
    def question(self) -> str:
        condition = ["if", *self.condition.words(), "is", "0"]
        return " ".join([*self.main.words(), ",", *condition, "then", *self.exception.words(), "?"])

    @cached_property
    def id(self) -> str:
        return content_id(self.question, str(self.answer))

    @property
    def split(self) -> EmbeddedSplit:
        """Which split the problem belongs to, by its content alone: two splits can never share a problem."""
        return split_of(self.id, _SPLIT_SHARES)

    def problem(self) -> Problem:
        return Problem(
            id=self.id,
            question=self.question,
            answer=str(self.answer),
            kind=Kind.MATH,
            source="arithmetic",
            difficulty=str(self.level),
            split=self.split,
        )


def draw_chain(rng: random.Random, labels: tuple[str, ...]) -> Chain:
    """A random chain with the given step labels; its value is uniform, because its first step is."""
    first = Step(labels[0], *rng.choice(_DIGITS))
    return Chain((first, *(Step(label, *rng.choice(_STEPS)) for label in labels[1:])))


def draw_condition(rng: random.Random, holds: bool) -> Chain:
    """A random condition chain that comes to 0 if ``holds`` and to another digit (equally likely) if not."""
    begun = draw_chain(rng, CONDITION_LABELS[:2])
    chain = Chain((*begun.steps, Step(CONDITION_LABELS[2], *rng.choice(_DIGITS))))
    result = 0 if holds else rng.randrange(1, 10)
    last = Step(CONDITION_LABELS[-1], "-", (chain.value - result) % 10)
    return Chain((*chain.steps, last))


def draw_exercise(rng: random.Random, level: int, holds: bool) -> Exercise:
    """A random exercise of the given level whose exception holds or does not, of any split."""
    main = draw_chain(rng, MAIN_LABELS[: level + 1])
    # The exception only shifts: it always changes the value, so an unchecked exception is always a wrong answer.
    exception = Step(EXCEPTION_LABEL, *rng.choice(_SHIFTS))
    return Exercise(main, draw_condition(rng, holds), exception)


def draw_exercise_of(rng: random.Random, split: EmbeddedSplit, level: int, holds: bool) -> Exercise:
    """As ``draw_exercise``, drawn again until the problem belongs to ``split``."""
    return drawn_of(lambda: draw_exercise(rng, level, holds), split)


def _holding(rng: random.Random, rate: float) -> Iterator[bool]:
    """Endless flags, True at ``rate``: any n in a row hold n * rate, rounded up or down (random phase)."""
    total = rng.random()
    while True:
        before, total = int(total), total + rate
        yield int(total) > before


def arithmetic_exercises(split: EmbeddedSplit, size: int, seed: int) -> list[Exercise]:
    """``size`` different exercises of a split, levels in turn (1, 2, .. 6, 1, ..), the same for the same seed."""
    require_drawable(split, size, _SPLIT_SHARES)
    rng = random.Random(f"arithmetic/{split}/{seed}")
    holding = {level: _holding(rng, rate) for level, rate in EXCEPTION_RATES.items()}
    found: dict[str, Exercise] = {}
    while len(found) < size:
        level = LEVELS[len(found) % len(LEVELS)]
        holds = next(holding[level])
        while (exercise := draw_exercise_of(rng, split, level, holds)).id in found:
            pass
        found[exercise.id] = exercise
    return list(found.values())


def arithmetic_problems(split: EmbeddedSplit, size: int, seed: int) -> list[Problem]:
    """``size`` different problems of a split with levels balanced; see ``arithmetic_exercises``.

    Example: ``arithmetic_problems("held_out", 600, seed=0)``. Problems of different splits never coincide, whatever
    the seeds, because the split of a problem is decided by its content id.
    """
    return [exercise.problem() for exercise in arithmetic_exercises(split, size, seed)]
