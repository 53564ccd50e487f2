"""The embedded task Countdown: three numbers, a few operators, a target; half of the problems have no solution.

A problem reads ``a 4 b 8 c 10 use + - * to 5 ?``: join two of the numbers by an operator, then the result and the
third number, so that the target comes out; or say ``none``. Every result is a whole number of at most 99; ``-`` and
``/`` take the larger number first, ``/`` only where nothing remains. The level says how many operators there are: 2
for + - *, 3 for + - * / . Two numbers and an operator make a first step (9 or 12 of them, tried in a fixed order,
called blocks), which leaves 3 or 4 second steps.

Solvable and unsolvable problems are drawn alike: numbers of one solvable problem under the target of another, until
nothing reaches it. How often a solution is still to be found after k blocks that failed is therefore known exactly:
stopping early has a price that nobody set.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations_with_replacement, cycle

from tersely.errors import UserError
from tersely.records import Kind, Problem, content_id
from tersely.tasks.sources import EmbeddedSplit
from tersely.tasks.sources.drawing import drawn_of, require_drawable, split_of

LEVELS: dict[int, tuple[str, ...]] = {2: ("+", "-", "*"), 3: ("+", "-", "*", "/")}
"""The operators of each level, in the order in which they are tried."""
SLOTS = ("a", "b", "c")
LARGEST_GIVEN, LARGEST = 12, 99
"""Of the numbers given, and of any result or target."""
PAIRS = ((0, 1), (0, 2), (1, 2))
"""Which two numbers a first step joins, in the order in which they are tried."""
NONE = "none"
_SPLIT_SHARES: tuple[EmbeddedSplit, ...] = (*3 * ("held_out",), "gate", *6 * ("train",))


@dataclass(frozen=True, slots=True)
class Step:
    """Two numbers joined, such as ``8 - 4``, in the order in which they are written."""

    op: str
    left: int
    right: int

    @classmethod
    def of(cls, op: str, one: int, other: int) -> Step:
        """The larger number first where the order matters."""
        return cls(op, max(one, other), min(one, other)) if op in "-/" else cls(op, one, other)

    @property
    def result(self) -> int | None:
        """None where the division leaves something or is by zero."""
        match self.op:
            case "+":
                return self.left + self.right
            case "-":
                return self.left - self.right
            case "*":
                return self.left * self.right
        return None if self.right == 0 or self.left % self.right else self.left // self.right

    @property
    def allowed(self) -> bool:
        return self.result is not None and self.result <= LARGEST

    def words(self) -> list[str]:
        return [str(self.left), self.op, str(self.right)]


@dataclass(frozen=True, slots=True)
class Block:
    """A first step, by its name ``a+b``, and the number it leaves."""

    name: str
    first: Step
    left: int

    def seconds(self, operators: Sequence[str], result: int | None = None) -> list[Step]:
        """The second steps in their order; none where the first is not allowed. ``result``: what the first is taken
        to give (default: what it gives)."""
        if not self.first.allowed:
            return []
        value = self.first.result if result is None else result
        assert value is not None
        return [Step.of(op, value, self.left) for op in operators]


@dataclass(frozen=True)
class Puzzle:
    """Numbers as written, and the target. Example: ``Puzzle((4, 8, 10), 2, 5)``."""

    numbers: tuple[int, int, int]
    level: int
    target: int

    @property
    def operators(self) -> tuple[str, ...]:
        return LEVELS[self.level]

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Every first step: pairs in their order, and within a pair the operators."""
        found = []
        for i, j in PAIRS:
            for op in self.operators:
                first = Step.of(op, self.numbers[i], self.numbers[j])
                found.append(Block(f"{SLOTS[i]}{op}{SLOTS[j]}", first, self.numbers[3 - i - j]))
        return tuple(found)

    def hits(self, block: Block) -> list[Step]:
        """The second steps of a block that reach the target."""
        return [second for second in block.seconds(self.operators) if second.result == self.target]

    @cached_property
    def first_hit(self) -> tuple[int, Step] | None:
        """(place of the block, second step) that trying all in order finds first; None where nothing is found."""
        return next(((k, hits[0]) for k, block in enumerate(self.blocks) if (hits := self.hits(block))), None)

    @property
    def solvable(self) -> bool:
        return self.first_hit is not None

    def solution(self) -> str:
        """``"4 + 7 = 11 , 5 * 11 = 55"``, or ``"none"``."""
        if self.first_hit is None:
            return NONE
        place, second = self.first_hit
        return " ".join(chain_words([self.blocks[place].first, second]))

    @cached_property
    def question(self) -> str:
        given = " ".join(f"{slot} {number}" for slot, number in zip(SLOTS, self.numbers, strict=True))
        return f"{given} use {' '.join(self.operators)} to {self.target} ?"

    @cached_property
    def gold(self) -> str:
        """The goal, by which any answer is judged (``verify.kinds.countdown``)."""
        return f"{self.target} from {' '.join(map(str, self.numbers))} by {' '.join(self.operators)}"

    @cached_property
    def id(self) -> str:
        return content_id(self.question, self.gold)

    @property
    def split(self) -> EmbeddedSplit:
        """Which split the problem belongs to, by its content alone: two splits can never share a problem."""
        return split_of(self.id, _SPLIT_SHARES)

    def problem(self) -> Problem:
        return Problem(
            id=self.id,
            question=self.question,
            answer=self.gold,
            kind=Kind.COUNTDOWN,
            source="countdown",
            difficulty=str(self.level),
            split=self.split,
        )


def chain_words(steps: Sequence[Step], results: Sequence[int | None] | None = None) -> list[str]:
    """Steps with what they give, as an answer names them: ``4 + 7 = 11 , 11 * 5 = 55``. ``results``: what they are
    believed to give."""
    given = [step.result for step in steps] if results is None else results
    parts = [[*step.words(), "=", str(result), ","] for step, result in zip(steps, given, strict=True)]
    return [word for part in parts for word in part][:-1]


def puzzle_of(numbers: Sequence[int], level: int, target: int) -> Puzzle:
    """The puzzle of these numbers in any order. They are written in an order that the content decides, so that no other
    problem asks the same."""
    ordered = sorted(numbers)
    digest = hashlib.sha256(f"countdown/{ordered}/{level}/{target}".encode()).digest()
    random.Random(digest).shuffle(ordered)
    a, b, c = ordered
    return Puzzle((a, b, c), level, target)


def puzzle_from(problem: Problem) -> Puzzle:
    """The puzzle that a problem of this task asks."""
    words = problem.question.split()
    level = next(level for level, operators in LEVELS.items() if len(operators) == words.index("to") - 7)
    return Puzzle((int(words[1]), int(words[3]), int(words[5])), level, int(words[-2]))


@lru_cache(maxsize=4096)
def targets(numbers: tuple[int, ...], level: int) -> tuple[int, ...]:
    """Every target from 1 to 99 that three numbers (sorted) reach, in order."""
    a, b, c = numbers
    puzzle = Puzzle((a, b, c), level, 0)
    reached = {step.result for block in puzzle.blocks for step in block.seconds(puzzle.operators) if step.allowed}
    return tuple(sorted(value for value in reached if value))


def draw_puzzle(rng: random.Random, level: int, solvable: bool) -> Puzzle:
    """A random puzzle of any split: uniform numbers, a target uniform over what they reach; without a solution the
    numbers of one such puzzle under the target of another."""
    numbers, target = _draw(rng, level)
    while not solvable and target in targets(numbers, level):
        (numbers, _), (_, target) = _draw(rng, level), _draw(rng, level)
    return puzzle_of(numbers, level, target)


def _draw(rng: random.Random, level: int) -> tuple[tuple[int, ...], int]:
    numbers = tuple(sorted(rng.randint(1, LARGEST_GIVEN) for _ in SLOTS))
    return numbers, rng.choice(targets(numbers, level))


def draw_puzzle_of(rng: random.Random, split: EmbeddedSplit, level: int, solvable: bool) -> Puzzle:
    """As ``draw_puzzle``, drawn again until the problem belongs to ``split``."""
    return drawn_of(lambda: draw_puzzle(rng, level, solvable), split)


def solvable_puzzles(level: int) -> Iterator[Puzzle]:
    """Every solvable puzzle of a level, once."""
    for numbers in combinations_with_replacement(range(1, LARGEST_GIVEN + 1), len(SLOTS)):
        for target in targets(numbers, level):
            yield puzzle_of(numbers, level, target)


@lru_cache(maxsize=len(LEVELS))
def _solvable_in(level: int) -> dict[EmbeddedSplit, int]:
    """How many solvable puzzles of a level there are in each split."""
    counts = dict.fromkeys(_SPLIT_SHARES, 0)
    for puzzle in solvable_puzzles(level):
        counts[puzzle.split] += 1
    return counts


def countdown_puzzles(split: EmbeddedSplit, size: int, seed: int) -> list[Puzzle]:
    """``size`` different puzzles of a split, the same for the same seed: levels in turn, half of each unsolvable."""
    require_drawable(split, size, _SPLIT_SHARES)
    kinds = [(level, solvable) for solvable in (True, False) for level in LEVELS]
    most = len(kinds) * min(_solvable_in(level)[split] for level in LEVELS)
    if size > most:
        raise UserError(f"countdown has no more than {most} different problems in {split}: ask for at most as many")
    rng = random.Random(f"countdown/{split}/{seed}")
    found: dict[str, Puzzle] = {}
    for level, solvable in cycle(kinds):
        if len(found) == size:
            return list(found.values())
        while (puzzle := draw_puzzle_of(rng, split, level, solvable)).id in found:
            pass
        found[puzzle.id] = puzzle
    raise AssertionError("the kinds of problems never end")


def countdown_problems(split: EmbeddedSplit, size: int, seed: int) -> list[Problem]:
    """``size`` different problems of a split; see ``countdown_puzzles``.

    Example: ``countdown_problems("held_out", 600, seed=0)``. Problems of different splits never coincide, whatever
    the seeds, because the split of a problem is decided by its content id.
    """
    return [puzzle.problem() for puzzle in countdown_puzzles(split, size, seed)]
