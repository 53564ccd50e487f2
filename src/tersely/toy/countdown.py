"""Demonstrations of Countdown: a search that tries blocks, some twice, looks again at what it found, and at times gives
up.

A response may guess first (``maybe`` before a block), then searches all blocks in order: ``search try a+b 4 + 7 = 11
left 5 11 + 5 = 16 low 11 - 5 = 6 low 11 * 5 = 55 yes check 4 + 7 = 11 , 11 * 5 = 55 ok so </think> \\boxed{ 4 + 7 = 11
, 11 * 5 = 55 }``. A first step that leaves something is ``8 / 3 x``, one above 99 ``12 * 11 big``, and both end their
block. A second step says on which side of the target it came out (``low``, ``high``): from a bare ``no`` nothing is
learnt that leads to the rare ``yes``. ``wait`` begins the search anew, ``hmm`` gives up.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise

from tersely.records import Problem
from tersely.tasks.sources.countdown import (
    LARGEST,
    LEVELS,
    NONE,
    PAIRS,
    SLOTS,
    Block,
    Puzzle,
    Step,
    chain_words,
    draw_puzzle_of,
    puzzle_from,
)
from tersely.toy.optimum import Optimum, Stop
from tersely.toy.writing import BOX, CLOSE, Demonstration, Phase, final, prompt_of

_NAMES = tuple(f"{SLOTS[i]}{op}{SLOTS[j]}" for i, j in PAIRS for op in LEVELS[3])
"""A block is one word, so that what comes next in the search is known by its name alone."""
WORDS: tuple[str, ...] = (
    *("?", "use", "to", ",", "=", "so", BOX, CLOSE, *SLOTS, *LEVELS[3], *_NAMES),
    *("try", "left", "x", "big", "low", "high", "yes", "no", "maybe", "search", "check", "ok", "wait", "hmm", NONE),
    *(str(number) for number in range(LARGEST + 1)),
)


def behaviours(text: str) -> dict[str, int]:
    """How often a response looks at its solution again, begins its search anew, gives up with blocks left, guesses, and
    tries a block that it has tried before."""
    words = text.split()
    tried = [name for word, name in pairwise(words) if word == "try"]
    marks = {"check": "check", "restart": "wait", "early stop": "hmm", "guess": "maybe"}
    return {name: words.count(mark) for name, mark in marks.items()} | {"repeated try": len(tried) - len(set(tried))}


@dataclass(frozen=True, slots=True)
class CountdownStyle:
    """How verbose and how careless the demonstrations are; every field is a probability but those that say most."""

    guess: float = 0.55
    """One more block tried out of order (each time anew)."""
    most_guesses: int = 4
    rewrite: float = 0.12
    """A second step written twice."""
    restart: float = 0.06
    """The search begun anew after a block."""
    again: float = 0.25
    """All over again after all blocks failed."""
    most_restarts: int = 2
    """Of both kinds."""
    give_up: float = 0.3
    """``none`` after a block that failed, though others are left."""
    check: float = 0.6
    """One more look at the solution found (each time anew)."""
    most_checks: int = 3
    slip: float = 0.02
    """A wrong digit in the result of a step."""
    short: float = 0.05
    """Of the verbose rows: a lucky guess instead of a search."""

    def draw(self, phase: Phase, rng: random.Random) -> Demonstration:
        """Comparisons and lucky guesses to begin with, then searches, of which half find nothing."""
        if phase is Phase.PRACTICE and rng.random() < 0.3:
            return draw_compared(rng)
        short = phase is Phase.PRACTICE or (phase is Phase.VERBOSE and rng.random() < self.short)
        puzzle = draw_puzzle_of(rng, "train", rng.choice(list(LEVELS)), short or rng.random() < 0.5)
        writer = Writer(puzzle, rng, STRAIGHT if phase is Phase.STRAIGHT else self)
        return prompt_of(puzzle.question), writer.lucky() if short else writer.write()


PLAIN = CountdownStyle(guess=0, rewrite=0, restart=0, again=0, give_up=0, check=0, slip=0)
"""The search without any redundancy: the yardstick."""
STRAIGHT = replace(PLAIN, check=0.3)
"""The second phase of training."""


class Writer:
    """Writes one response word by word, believing its own slips as a reasoner would."""

    def __init__(self, puzzle: Puzzle, rng: random.Random, style: CountdownStyle) -> None:
        self.puzzle, self.rng, self.style = puzzle, rng, style
        self.words: list[str] = []
        self.found: list[str] | None = None
        """The chain believed to be a solution."""

    def write(self) -> list[str]:
        """Guesses, then the search, then the answer."""
        for _ in range(self.style.most_guesses):
            if self.found is None and self._chance(self.style.guess):
                self.words.append("maybe")
                self._block(self.rng.choice(self.puzzle.blocks))
        self._search()
        return self._end()

    def lucky(self) -> list[str]:
        """At most two guesses in vain, then one that solves a solvable puzzle."""
        solving = [block for block in self.puzzle.blocks if self.puzzle.hits(block)]
        failing = [block for block in self.puzzle.blocks if block not in solving]
        guesses = self.rng.sample(failing, min(self.rng.randrange(3), len(failing)))
        self.style = PLAIN
        for block in [*guesses, self.rng.choice(solving)]:
            self.words.append("maybe")
            self._block(block)
        return self._end()

    def knowing(self) -> list[str]:
        """The steps that solve a solvable puzzle, and no other."""
        assert self.puzzle.first_hit is not None
        place, second = self.puzzle.first_hit
        block = self.puzzle.blocks[place]
        self.words += ["try", block.name, *block.first.words(), "=", str(block.first.result), "left", str(block.left)]
        self.words += [*second.words(), "=", str(second.result), "yes"]
        self.found = chain_words([block.first, second])
        return self._end()

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self.rng.random() < probability

    def _search(self) -> None:
        """All blocks in order, perhaps several times, until a solution is believed in or the search is given up."""
        for restarts in count():
            if self.found is not None or not self._sweep(restarts < self.style.most_restarts):
                return
            self.words.append("wait")

    def _sweep(self, may_restart: bool) -> bool:
        """Try the blocks in order; returns whether to begin anew."""
        self.words.append("search")
        for block in self.puzzle.blocks:
            self._block(block)
            if self.found is not None:
                return False
            if block is not self.puzzle.blocks[-1]:
                if may_restart and self._chance(self.style.restart):
                    return True
                if self._chance(self.style.give_up):
                    self.words.append("hmm")
                    return False
        return may_restart and self._chance(self.style.again)

    def _block(self, block: Block) -> None:
        """A first step and its second ones, up to the first that is believed to reach the target."""
        self.words += ["try", block.name, *block.first.words()]
        if not block.first.allowed:
            self.words.append("x" if block.first.result is None else "big")
            return
        result = self._result(block.first)
        self.words += ["=", str(result), "left", str(block.left)]
        for second in block.seconds(self.puzzle.operators, result):
            for _ in range(2 if self._chance(self.style.rewrite) else 1):
                if self._reaches(second) and self._stands([block.first, second], [result, self.puzzle.target]):
                    return

    def _result(self, step: Step) -> int:
        """What a step is believed to give: at times with one wrong digit."""
        assert step.result is not None
        digits = list(str(step.result))
        if self._chance(self.style.slip):
            place = self.rng.randrange(len(digits))
            digits[place] = self.rng.choice([digit for digit in "0123456789" if digit != digits[place]])
        return int("".join(digits))

    def _reaches(self, second: Step) -> bool:
        """Write a second step; returns whether it is believed to reach the target."""
        self.words += second.words()
        if not second.allowed:
            self.words.append("x" if second.result is None else "big")
            return False
        result = self._result(second)
        reached = result == self.puzzle.target
        self.words += compared(result, self.puzzle.target)
        return reached

    def _stands(self, steps: Sequence[Step], results: Sequence[int]) -> bool:
        """Look at a solution again, several times or not at all; returns whether it is still believed in."""
        chain = chain_words(steps, results)
        true = [step.result for step in steps]
        for _ in range(self.style.most_checks):
            if not self._chance(self.style.check):
                break
            self.words += ["check", *chain_words(steps), "ok" if true == list(results) else "no"]
            if true != list(results):
                return False
        self.found = chain
        return True

    def _end(self) -> list[str]:
        answer = [NONE] if self.found is None else self.found
        return [*self.words, "so", *final(answer)]


def compared(result: int, target: int) -> list[str]:
    """A result and what it means for the target."""
    return ["=", str(result), "yes" if result == target else "low" if result < target else "high"]


def draw_compared(rng: random.Random) -> Demonstration:
    """Results beside a target, near it or not, each with what it means: a piece of a search, without an end."""
    puzzle = draw_puzzle_of(rng, "train", rng.choice(list(LEVELS)), rng.random() < 0.5)
    target, words = puzzle.target, list[str]()
    for _ in range(rng.randint(8, 15)):
        near = target + rng.choice([-4, -3, -2, -1, 1, 2, 3, 4])
        [result] = rng.choices([target, near, rng.randint(0, LARGEST)], [6, 7, 7])
        words += compared(min(max(result, 0), LARGEST), target)
    return prompt_of(puzzle.question), words


def optimum(problem: Problem) -> Optimum:
    """The known best: the plain search, giving up after each number of blocks, and the solving step alone."""
    puzzle = puzzle_from(problem)
    words = Writer(puzzle, random.Random(0), PLAIN).write()
    nothing = ["so", *final([NONE])]
    begins = [at for at, word in enumerate(words) if word == "try"]
    # After k blocks the next one would begin; one that ends in a solution is never given up.
    stops = [Stop(begin + len(["hmm", *nothing]), not puzzle.solvable) for begin in begins]
    lucky = len(Writer(puzzle, random.Random(0), PLAIN).knowing()) if puzzle.solvable else len(nothing)
    return Optimum(len(words), lucky, (*stops, Stop(len(words), True)))
