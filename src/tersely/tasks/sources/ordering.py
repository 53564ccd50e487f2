"""The embedded task of ordering puzzles: a few objects on as many places, clues that leave one order, one place asked.

A problem reads ``E B C ; B<C E-B C!1 ; who1 ?``: ``B<C`` says that B stands somewhere before C, ``E-B`` that they are
neighbours, ``C@3`` and ``C!1`` that C stands on a place and does not. The answer is the object on the place asked. The
level is the number of objects. A clue is one word, and so is the question, so that a small model reads each as one.

Clues are true of a random order and drawn one after another, each kept only if it rules an order out that was left,
until one order is left; so all of them are needed or were when they came. A puzzle with many clues or a long search
(``MOST_TRIES``) is drawn again within its level. Answering when the asked place is first filled is right in about
three of four problems and takes half of the search: brevity has a price that nobody set.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate, permutations, product
from math import factorial

from tersely.records import Kind, Problem, content_id
from tersely.tasks.sources import EmbeddedSplit
from tersely.tasks.sources.drawing import drawn_of, require_drawable, split_of

LEVELS: tuple[int, ...] = (3, 4, 5)
"""Objects of a puzzle."""
OBJECTS = "ABCDE"
RELATIONS: Mapping[str, int] = {"<": 5, "-": 3, "@": 1, "!": 2}
"""How often each is drawn, in parts."""
EXTRA_CLUES = 1
"""More clues than objects, at most."""
MOST_TRIES = 16
"""Of a search without detours."""
_SPLIT_SHARES: tuple[EmbeddedSplit, ...] = (*3 * ("held_out",), "gate", *6 * ("train",))

Order = Sequence[str]
"""Objects by place, from the first; of a beginning where fewer stand there than there are."""


@dataclass(frozen=True, slots=True)
class Clue:
    """Such as ``B<C`` or ``C!1``."""

    one: str
    relation: str
    other: str
    """An object, or a place as written."""

    @property
    def objects(self) -> tuple[str, ...]:
        return (self.one, self.other) if self.relation in "<-" else (self.one,)

    def holds(self, order: Order) -> bool | None:
        """Whether it is true of an order; None where that hangs on an object that has no place yet."""
        if self.one not in order:
            return False if self.relation == "<" and self.other in order else None
        here = order.index(self.one) + 1
        if self.relation in "<-" and self.other not in order:
            return None
        match self.relation:
            case "<":
                return here < order.index(self.other) + 1
            case "-":
                return abs(here - order.index(self.other) - 1) == 1
            case "@":
                return here == int(self.other)
        return here != int(self.other)

    @property
    def word(self) -> str:
        return f"{self.one}{self.relation}{self.other}"


CLUE_WORDS: tuple[str, ...] = (
    *(f"{one}{relation}{other}" for relation in "<-" for one, other in permutations(OBJECTS, 2)),
    *(f"{one}{relation}{place}" for relation in "@!" for one in OBJECTS for place in range(1, LEVELS[-1] + 1)),
)
"""Every clue that can be given."""


@dataclass(frozen=True, slots=True)
class Try:
    """A candidate put on the next place of a beginning, and what the clues about it say, up to the first that fails."""

    name: str
    place: int
    """From 1."""
    said: tuple[tuple[Clue, bool | None], ...]

    @property
    def fits(self) -> bool:
        return all(verdict is not False for _, verdict in self.said)


@dataclass(frozen=True)
class Puzzle:
    """Objects as written, clues, and the place asked."""

    objects: tuple[str, ...]
    clues: tuple[Clue, ...]
    asked: int

    @property
    def level(self) -> int:
        return len(self.objects)

    def about(self, name: str) -> list[Clue]:
        return [clue for clue in self.clues if name in clue.objects]

    def put(self, order: Order, name: str) -> Try:
        """``name`` on the place behind ``order``."""
        said: list[tuple[Clue, bool | None]] = []
        for clue in self.about(name):
            said.append((clue, clue.holds((*order, name))))
            if said[-1][1] is False:
                break
        return Try(name, len(order) + 1, tuple(said))

    def search(self, order: tuple[str, ...] = ()) -> Generator[Try, None, tuple[str, ...] | None]:
        """Every try of a search without detours: places in turn, candidates as written. Returns the order found."""
        if len(order) == self.level:
            return order
        for name in self.objects:
            if name in order:
                continue
            tried = self.put(order, name)
            yield tried
            if tried.fits and (found := (yield from self.search((*order, name)))) is not None:
                return found
        return None

    @cached_property
    def tries(self) -> int:
        """How many the search takes."""
        return sum(1 for _ in self.search())

    @cached_property
    def solution(self) -> tuple[str, ...]:
        """The one order of which all clues are true."""
        [order] = (order for order in permutations(self.objects) if all(clue.holds(order) for clue in self.clues))
        return order

    @property
    def answer(self) -> str:
        return self.solution[self.asked - 1]

    @cached_property
    def question(self) -> str:
        return " ".join([*self.objects, ";", *(clue.word for clue in self.clues), ";", f"who{self.asked}", "?"])

    @cached_property
    def id(self) -> str:
        return content_id(self.question, self.answer)

    @property
    def split(self) -> EmbeddedSplit:
        """Which split the problem belongs to, by its content alone and whatever its letters: no problem of one split is
        one of another under other names."""
        slots = str.maketrans("".join(self.objects), OBJECTS.lower()[: self.level])
        return split_of(content_id(self.question.translate(slots), None), _SPLIT_SHARES)

    def problem(self) -> Problem:
        return Problem(
            id=self.id,
            question=self.question,
            answer=self.answer,
            kind=Kind.EXACT,
            source="ordering",
            difficulty=str(self.level),
            split=self.split,
        )


def puzzle_from(problem: Problem) -> Puzzle:
    """The puzzle that a problem of this task asks."""
    objects, clues, asked = problem.question.removesuffix(" ?").split(" ; ")
    read = tuple(Clue(word[0], word[1], word[2]) for word in clues.split())
    return Puzzle(tuple(objects.split()), read, int(asked.removeprefix("who")))


@dataclass(frozen=True, slots=True)
class _Clues:
    """All clues about the first few letters, how likely each is, and of which orders each is true."""

    clues: tuple[Clue, ...]
    weights: tuple[float, ...]
    """Running sums."""
    true_of: tuple[int, ...]
    """Orders as bits, in the order of ``permutations``."""


@cache
def _all_clues(level: int) -> _Clues:
    slots, places = OBJECTS[:level], [str(place + 1) for place in range(level)]
    of = {name: list(permutations(slots, 2)) for name in "<-"}
    of |= {name: list(product(slots, places)) for name in "@!"}
    clues = tuple(Clue(one, relation, other) for relation, pairs in of.items() for one, other in pairs)
    weights = accumulate(RELATIONS[clue.relation] / len(of[clue.relation]) for clue in clues)
    orders = list(permutations(slots))
    true_of = (sum(bool(clue.holds(order)) << bit for bit, order in enumerate(orders)) for clue in clues)
    return _Clues(clues, tuple(weights), tuple(true_of))


def _draw_clues(rng: random.Random, level: int) -> tuple[Clue, ...] | None:
    """Clues that leave one order, each of which rules something out when it comes; None where they get too many."""
    known, count = _all_clues(level), factorial(level)
    truth, left = 1 << rng.randrange(count), (1 << count) - 1
    chosen: list[Clue] = []
    while left != truth:
        [at] = rng.choices(range(len(known.clues)), cum_weights=known.weights)
        true = known.true_of[at]
        if true & truth and left & ~true:
            if len(chosen) == level + EXTRA_CLUES:
                return None
            left &= true
            chosen.append(known.clues[at])
    return tuple(chosen)


def draw_puzzle(rng: random.Random, level: int) -> Puzzle:
    """A random puzzle of a level, of any split."""
    slots = OBJECTS[:level]
    while True:
        clues = _draw_clues(rng, level)
        if clues is None:
            continue
        puzzle = Puzzle(tuple(rng.sample(slots, level)), clues, rng.randint(1, level))
        if puzzle.tries <= MOST_TRIES:
            return _renamed(puzzle, dict(zip(slots, rng.sample(OBJECTS, level), strict=True)))


def _renamed(puzzle: Puzzle, names: Mapping[str, str]) -> Puzzle:
    """The same puzzle about other objects."""
    clues = tuple(Clue(names[c.one], c.relation, names.get(c.other, c.other)) for c in puzzle.clues)
    return Puzzle(tuple(names[name] for name in puzzle.objects), clues, puzzle.asked)


def draw_puzzle_of(rng: random.Random, split: EmbeddedSplit, level: int) -> Puzzle:
    """As ``draw_puzzle``, drawn again until the problem belongs to ``split``."""
    return drawn_of(lambda: draw_puzzle(rng, level), split)


def ordering_puzzles(split: EmbeddedSplit, size: int, seed: int) -> list[Puzzle]:
    """``size`` different puzzles of a split, levels in turn (3, 4, 5, 3, ..), the same for the same seed."""
    require_drawable(split, size, _SPLIT_SHARES)
    rng = random.Random(f"ordering/{split}/{seed}")
    found: dict[str, Puzzle] = {}
    while len(found) < size:
        level = LEVELS[len(found) % len(LEVELS)]
        while (puzzle := draw_puzzle_of(rng, split, level)).id in found:
            pass
        found[puzzle.id] = puzzle
    return list(found.values())


def ordering_problems(split: EmbeddedSplit, size: int, seed: int) -> list[Problem]:
    """``size`` different problems of a split with levels balanced; see ``ordering_puzzles``.

    Example: ``ordering_problems("held_out", 600, seed=0)``. Problems of different splits never coincide, whatever
    the seeds, because the split of a problem is decided by its content.
    """
    return [puzzle.problem() for puzzle in ordering_puzzles(split, size, seed)]
