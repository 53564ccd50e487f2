"""Verbose demonstrations of the task arithmetic: what the base is trained to imitate, checks and slips included.

A response works the main chain out, re-checks it, looks at the exception, looks again, and answers: ``(1) +4 = 4
(2) *3 = 2 so 2 Let me check: (1) +4 = 4 (2) *3 = 2 ok so 2 Wait, if (a) +6 = 6 (b) *3 = 8 (c) -2 = 6 (d) -6 = 0 holds
then 2 (e) +3 = 5 so 5 </think> \\boxed{ 5 }``. Some responses answer without any check and some check exactly once, so
that reinforcement learning finds every behaviour in the base.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tersely.tasks.sources.arithmetic import (
    CONDITION_LABELS,
    EXCEPTION_LABEL,
    LEVELS,
    MAIN_LABELS,
    OPERATIONS,
    Chain,
    Exercise,
    draw_chain,
    draw_condition,
    draw_exercise_of,
)
from tersely.toy.writing import BOX, CLOSE, FIRST, THINK, Demonstration, Phase, final, prompt_of

CHECKS: tuple[tuple[str, ...], ...] = (("Wait,",), ("Let", "me", "check:"), ("Alternatively,",))
"""How a re-check may begin."""
WORDS: tuple[str, ...] = (
    *("?", ",", "if", "is", "then", "holds", "fails", "so", "ok", "no,", "=", BOX, CLOSE),
    *(word for check in CHECKS for word in check),
    *(*MAIN_LABELS, *CONDITION_LABELS, EXCEPTION_LABEL, *OPERATIONS),
    *(str(digit) for digit in range(10)),
)
"""The task's own, in the order of their ids."""
_CHECK = re.compile("|".join(" ".join(words) for words in CHECKS))


def behaviours(text: str) -> dict[str, int]:
    """How often a response begins a re-check."""
    return {"check": len(_CHECK.findall(text))}


@dataclass(frozen=True, slots=True)
class Style:
    """How verbose and how careless the demonstrations are; every field is a probability but the two caps."""

    skip_easiest: float = 0.35
    """No look at the exception at all, at level 1 (half of these do not re-check the main chain either)."""
    skip_hardest: float = 0.07
    """The same at the highest level; linear between. A habit that depends on the level is one that can be refined."""
    single: float = 0.15
    """The main chain, exactly one look at the exception, the answer."""
    recheck: float = 0.72
    """One more re-check of the chain in hand (each time anew)."""
    most_rechecks: int = 4
    slip: float = 0.03
    """A wrong digit at a step of the first pass."""
    recheck_slip: float = 0.003
    """A wrong digit at a step of any later pass."""
    exception: float = 0.4
    """How often the exception holds in the demonstrations: more often than in the task, so that it is learnt."""

    def skip(self, level: int) -> float:
        """Share of responses that never look at the exception, by level."""
        ease = (LEVELS[-1] - level) / (LEVELS[-1] - LEVELS[0])
        return self.skip_hardest + ease * (self.skip_easiest - self.skip_hardest)

    def draw(self, phase: Phase, rng: random.Random) -> Demonstration:
        """A fresh demonstration of a phase; bare chains, to begin with."""
        if phase is Phase.PRACTICE:
            return draw_practice(rng)
        return draw_demonstration(rng, STRAIGHT if phase is Phase.STRAIGHT else self)


STRAIGHT = Style(single=0.4, recheck=0.4, slip=0.0, recheck_slip=0.0)
"""Whole problems with few re-checks and no slips: the second phase of training."""


class _Writer:
    """Writes one response word by word, believing its own slips as a reasoner would."""

    def __init__(self, exercise: Exercise, rng: random.Random, style: Style) -> None:
        self.exercise, self.rng, self.style = exercise, rng, style
        self.words: list[str] = []

    def run(self, chain: Chain, slip: float) -> int:
        """Work a chain out step by step; returns the value it comes to, slips included."""
        value = 0
        for step in chain.steps:
            value = step(value)
            if slip and self.rng.random() < slip:
                value = (value + self.rng.randrange(1, 10)) % 10
            self.words += [*step.words(), "=", str(value)]
        return value

    def again(self) -> bool:
        return self.rng.random() < self.style.recheck

    def main(self, rechecks: bool) -> int:
        """The main chain, with re-checks if wanted; returns the value believed in the end."""
        believed = self.run(self.exercise.main, self.style.slip)
        self.words += ["so", str(believed)]
        for _ in range(self.style.most_rechecks if rechecks else 0):
            if not self.again():
                break
            self.words += self.rng.choice(CHECKS)
            value = self.run(self.exercise.main, self.style.recheck_slip)
            self.words += ["ok" if value == believed else "no,", "so", str(value)]
            believed = value
        return believed

    def look(self, marker: tuple[str, ...], slip: float) -> bool:
        """Work the condition out; returns whether it is believed to hold."""
        self.words += [*marker, "if"]
        holds = self.run(self.exercise.condition, slip) == 0
        self.words.append("holds" if holds else "fails")
        return holds

    def exception(self, believed: int, rechecks: bool) -> int:
        """Look at the exception, once or several times, and apply it if it holds; returns the value believed."""
        holds = self.look(("Wait,",), self.style.slip)
        for _ in range(self.style.most_rechecks if rechecks else 0):
            if not self.again():
                break
            holds = self.look(self.rng.choice(CHECKS), self.style.recheck_slip)
        self.words += ["then" if holds else "so", str(believed)]
        if not holds:
            return believed
        step = self.exercise.exception
        value = step(believed)
        self.words += [*step.words(), "=", str(value), "so", str(value)]
        return value

    def write(self) -> list[str]:
        mood, share = self.rng.random(), self.style.skip(self.exercise.level)
        bare, skip, single = mood < share / 2, mood < share, mood < share + self.style.single
        believed = self.main(rechecks=not bare if skip else not single)
        if not skip:
            believed = self.exception(believed, rechecks=not single)
        return [*self.words, *final([str(believed)])]


def demonstration(exercise: Exercise, rng: random.Random, style: Style) -> list[str]:
    """One response to the exercise as a list of words (tokens), from after ``<think>`` to ``<eos>`` inclusive."""
    return _Writer(exercise, rng, style).write()


def prompt_words(exercise: Exercise) -> list[str]:
    """The prompt as a list of words (tokens)."""
    return prompt_of(exercise.question)


def draw_demonstration(rng: random.Random, style: Style) -> Demonstration:
    """(prompt, response) words for a fresh problem of the training split, levels equally likely."""
    holds = rng.random() < style.exception
    exercise = draw_exercise_of(rng, "train", rng.choice(LEVELS), holds)
    return prompt_words(exercise), demonstration(exercise, rng, style)


PLAIN = Style(skip_easiest=0.1, single=0.9, slip=0.0, recheck_slip=0.0, exception=0.5)
"""Straight work without any re-check."""


def draw_practice(rng: random.Random) -> Demonstration:
    """(prompt, response) words for a bare chain, a bare condition or a whole problem of level 1, without slips.

    The first phase of training: on these short rows a small model learns within seconds where the next step stands
    and the table of single operations; inside the long demonstrations it would take minutes.
    """
    kind = rng.random()
    if kind < 0.3:
        holds = rng.random() < PLAIN.exception
        exercise = draw_exercise_of(rng, "train", LEVELS[0], holds)
        return prompt_words(exercise), demonstration(exercise, rng, PLAIN)
    if kind < 0.6:
        chain = draw_condition(rng, holds=rng.random() < PLAIN.exception)
        asked = ["if", *chain.words(), "is", "0"]
        worked = ["if", *_worked(chain), "holds" if chain.value == 0 else "fails"]
    else:
        chain = draw_chain(rng, MAIN_LABELS[: rng.choice(LEVELS) + 1])
        asked, worked = chain.words(), [*_worked(chain), "so", str(chain.value)]
    return [FIRST, *asked, "?", THINK], [*worked, *final([str(chain.value)])]


def _worked(chain: Chain) -> list[str]:
    words: list[str] = []
    for step, value in zip(chain.steps, chain.values(), strict=True):
        words += [*step.words(), "=", str(value)]
    return words
