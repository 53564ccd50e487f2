"""Demonstrations of ordering puzzles: places filled in turn, clues read, steps taken back, some work done twice.

``order free E B C put E 1 E-B open order 1 E free B C put B 2 B<C open E-B ok ...``: a candidate is put on the next
place and the clues about it are read up to the first that says ``no`` (``open``: its other object has no place yet);
where it fits, the order so far is written down with what is left, place by place, and where nothing is left to try, a
step is taken back. It ends ``so who1 1 E </think> \\boxed{ E }``, which repeats the question before it looks the object
up. ``again`` reads a candidate's clues once more, ``check`` all of a finished order,
``wait`` begins anew, ``hmm`` guesses; some responses answer as soon as the asked place is filled.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tersely.records import Problem
from tersely.tasks.sources.ordering import CLUE_WORDS, LEVELS, OBJECTS, Clue, Puzzle, draw_puzzle_of, puzzle_from
from tersely.toy.optimum import Optimum, Stop
from tersely.toy.writing import BOX, CLOSE, Demonstration, Phase, final, prompt_of

WORDS: tuple[str, ...] = (
    *("?", ";", "so", BOX, CLOSE, "put", "ok", "no", "open", "again", "order", "free", "back", "check", "wait", "hmm"),
    *(*OBJECTS, *CLUE_WORDS),
    *(f"{said}{place}" for said in ("", "who") for place in range(1, LEVELS[-1] + 1)),
)

SAID: Mapping[bool | None, str] = {None: "open", True: "ok", False: "no"}
"""What a clue says of an order (``Clue.holds``)."""


def behaviours(text: str) -> dict[str, int]:
    """How often a response checks a finished order, begins anew, guesses, takes a step back, reads a candidate's clues
    again, and whether it answers from an order that is not finished."""
    words = text.split()
    marks = {"check": "check", "restart": "wait", "guess": "hmm", "step back": "back", "second reading": "again"}
    counts = {name: words.count(mark) for name, mark in marks.items()}
    return counts | {"early stop": int(_stops_early(words))}


def _stops_early(words: Sequence[str]) -> bool:
    """Whether the last order written before the answer has objects left, and it is no guess."""
    if "so" not in words or "order" not in words:
        return False
    end = words.index("so")
    last = max((at for at, word in enumerate(words[:end]) if word == "order"), default=end)
    return words[end - 1] != "hmm" and "free" in words[last:end]


@dataclass(frozen=True, slots=True)
class OrderingStyle:
    """How verbose and how careless the demonstrations are; every field is a probability but those that say most."""

    shuffle: float = 0.25
    """Candidates for a place in another order than written."""
    again: float = 0.12
    """The clues of a candidate that fits read once more."""
    check: float = 0.6
    """One more look at all clues of a finished order (each time anew)."""
    most_checks: int = 3
    restart: float = 0.04
    """The search begun anew after a candidate."""
    most_restarts: int = 2
    guess: float = 0.09
    """Any object as the answer, after a candidate."""
    early: float = 0.3
    """An answer after a candidate that fits, once the asked place is filled."""
    slip: float = 0.02
    """A clue that is misjudged."""
    short: float = 0.05
    """Of the verbose rows: a search whose every candidate fits."""

    def draw(self, phase: Phase, rng: random.Random) -> Demonstration:
        """Tries of every candidate behind any beginning, orders that are looked up and searches without a wrong
        candidate, to begin with; then true searches."""
        if phase is Phase.PRACTICE and (kind := rng.random()) < 0.75:
            return draw_tries(rng) if kind < 0.6 else draw_given(rng)
        short = phase is Phase.PRACTICE or (phase is Phase.VERBOSE and rng.random() < self.short)
        puzzle = draw_puzzle_of(rng, "train", rng.choice(LEVELS))
        writer = Writer(puzzle, rng, PLAIN if short or phase is Phase.STRAIGHT else self)
        return prompt_of(puzzle.question), writer.lucky() if short else writer.write()


PLAIN = OrderingStyle(shuffle=0, again=0, check=0, restart=0, guess=0, early=0, slip=0)
"""The search without any redundancy: the yardstick, and the second phase of training."""


class Writer:
    """Writes one response word by word, believing what it misjudged as a reasoner would."""

    def __init__(self, puzzle: Puzzle, rng: random.Random, style: OrderingStyle) -> None:
        self.puzzle, self.rng, self.style = puzzle, rng, style
        self.words: list[str] = []
        self.order: list[str] = []
        self.answer: str | None = None

    def write(self) -> list[str]:
        """The search, begun anew at most so often, then the answer."""
        for restarts in range(self.style.most_restarts + 1):
            if restarts:
                self.words.append("wait")
            if not self._search(restarts < self.style.most_restarts):
                break
        return self._end()

    def lucky(self) -> list[str]:
        """Only candidates that belong where they are put."""
        self.write_state()
        for name in self.puzzle.solution:
            self.put(name)
            self.order.append(name)
            self.write_state()
        self.answer = self.puzzle.answer
        return self._end()

    def _chance(self, probability: float) -> bool:
        return probability > 0 and self.rng.random() < probability

    def _search(self, may_restart: bool) -> bool:
        """Try candidates until there is an answer; returns whether to begin anew."""
        self.order = []
        self.write_state()
        untried = [self._candidates()]
        while self.answer is None:
            if not untried[-1]:
                untried.pop()
                if not untried:  # as something was misjudged
                    return may_restart or self._guess()
                self._back()
                continue
            fits = self.put(name := untried[-1].pop(0))
            if may_restart and self._chance(self.style.restart):
                return True
            if self._chance(self.style.guess):
                return self._guess()
            if fits and self._place(name):
                untried.append(self._candidates())
        return False

    def _candidates(self) -> list[str]:
        left = [name for name in self.puzzle.objects if name not in self.order]
        return self.rng.sample(left, len(left)) if self._chance(self.style.shuffle) else left

    def write_state(self) -> None:
        """The order so far and what is left."""
        placed = [word for place, name in enumerate(self.order, start=1) for word in (str(place), name)]
        left = [name for name in self.puzzle.objects if name not in self.order]
        self.words += ["order", *placed, *(["free", *left] if left else [])]

    def _back(self) -> None:
        self.order.pop()
        self.words.append("back")
        self.write_state()

    def put(self, name: str) -> bool:
        """Put a candidate on the next place and read its clues; returns whether it is believed to fit."""
        self.words += ["put", name, str(len(self.order) + 1)]
        fits = self._read(name, self.style.slip)
        if fits and self._chance(self.style.again):
            self.words.append("again")
            fits = self._read(name, 0.0)
        return fits

    def _read(self, name: str, slip: float) -> bool:
        order = (*self.order, name)
        return all(self._says(clue, order, slip) for clue in self.puzzle.about(name))

    def _says(self, clue: Clue, order: Sequence[str], slip: float) -> bool:
        """Write a clue and what it says; returns whether it allows the order."""
        verdict = clue.holds(order)
        if verdict is not None and self._chance(slip):
            verdict = not verdict
        self.words += [clue.word, SAID[verdict]]
        return verdict is not False

    def _place(self, name: str) -> bool:
        """Go on with a candidate that fits, perhaps to the answer; returns whether another place is to be filled."""
        self.order.append(name)
        self.write_state()
        finished = len(self.order) == self.puzzle.level
        if finished and not self._stands():
            self._back()
            return False
        if finished or (len(self.order) >= self.puzzle.asked and self._chance(self.style.early)):
            self.answer = self.order[self.puzzle.asked - 1]
        return not finished

    def _stands(self) -> bool:
        """Look at a finished order again, several times or not at all; returns whether it is still believed in."""
        for _ in range(self.style.most_checks):
            if not self._chance(self.style.check):
                break
            self.words.append("check")
            if not all(self._says(clue, self.order, 0.0) for clue in self.puzzle.clues):
                return False
        return True

    def _guess(self) -> bool:
        self.words.append("hmm")
        self.answer = self.rng.choice(self.puzzle.objects)
        return False

    def _end(self) -> list[str]:
        assert self.answer is not None
        return [*self.words, *_told(self.puzzle.asked, self.answer)]


def optimum(problem: Problem) -> Optimum:
    """The known best: the plain search, an answer after every candidate that fits once the asked place is filled, and
    the search in which every candidate belongs where it is put."""
    puzzle = puzzle_from(problem)
    words = Writer(puzzle, random.Random(0), PLAIN).write()
    told = len(_told(puzzle.asked, puzzle.answer))
    stops = [
        Stop(end + told, order[puzzle.asked - 1] == puzzle.answer)
        for order, end in orders_in(words)
        if len(order) >= puzzle.asked
    ]
    return Optimum(len(words), len(Writer(puzzle, random.Random(0), PLAIN).lucky()), tuple(stops))


def orders_in(words: Sequence[str]) -> Iterator[tuple[list[str], int]]:
    """Every order that a response comes to by a candidate that fits, objects by place, and where its writing ends."""
    for at, (before, word) in enumerate(pairwise(words), start=1):
        if word != "order" or before == "back":
            continue
        end = at + 1
        order: list[str] = []
        while words[end] == str(len(order) + 1):
            order.append(words[end + 1])
            end += 2
        while words[end] in OBJECTS or words[end] == "free":
            end += 1
        yield order, end


def _told(asked: int, answer: str) -> list[str]:
    return ["so", f"who{asked}", str(asked), answer, *final([answer])]


def draw_tries(rng: random.Random) -> Demonstration:
    """Every candidate for the place behind a random beginning, right or wrong, with what the clues say: a piece of a
    search, without an end."""
    puzzle = draw_puzzle_of(rng, "train", rng.choice(LEVELS))
    writer = Writer(puzzle, rng, PLAIN)
    writer.order = rng.sample(puzzle.objects, rng.randrange(puzzle.level))
    writer.write_state()
    for name in puzzle.objects:
        if name not in writer.order:
            writer.put(name)
    return prompt_of(puzzle.question), writer.words


def draw_given(rng: random.Random) -> Demonstration:
    """Clues that say each object's place outright: what an order is, and how the asked object is looked up in it."""
    objects = rng.sample(OBJECTS, rng.choice(LEVELS))
    order = rng.sample(objects, len(objects))
    clues = [Clue(name, "@", str(order.index(name) + 1)) for name in rng.sample(objects, len(objects))]
    puzzle = Puzzle(tuple(objects), tuple(clues), rng.randint(1, len(objects)))
    placed = [word for place, name in enumerate(order, start=1) for word in (str(place), name)]
    return prompt_of(puzzle.question), ["order", *placed, *_told(puzzle.asked, order[puzzle.asked - 1])]
