"""Countdown: a target from given numbers, each used once; the answer is worked out, and ``none`` is proved.

The gold names the goal, not a solution: ``5 from 4 8 10 by + - *``. Right is whatever reaches it: steps (``8 - 4 = 4
, ...``), one expression (``(4 + 7) * 5``), or one with its value, also in LaTeX. Every result on the way is a whole
number of at most 99 in size, so a division that leaves something is none. ``none`` is right only where trying
everything finds nothing, negative results on the way included: without + they help (``3 - (1 - 2) = 4``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

from tersely.records import Kind, Status
from tersely.verify.grammar import clean
from tersely.verify.guard import MAX_DEPTH, MAX_LENGTH
from tersely.verify.kinds.base import AnswerKind, Decision, GoldCheck

LARGEST = 99
"""Of any result."""
MOST_NUMBERS = 4
"""That may be given: everything is tried in little time."""
GOAL = "is no goal such as '5 from 4 8 10 by + - *' (2 to 4 numbers from 0 to 99, different operators)"

_GOAL = re.compile(r"(\d{1,2}) from ((?:\d{1,2} ){2,4})by ([-+*/](?: [-+*/]){0,3})", re.ASCII)
_NONE = re.compile(
    r"none|(?:there (?:is|are) )?no (?:valid |possible )?solutions?(?: exists?)?|(?:it is )?(?:impossible|not possible)"
    r"|no answer|unsolvable|(?:it )?cannot be done"
)
_SPELLED = (
    (re.compile(r"\\(?:left|right|,|;|!|:| |quad|qquad)(?![A-Za-z])"), " "),
    (re.compile(r"\\(?:times|cdot|ast)(?![A-Za-z])|[×·⋅∙∗]|(?<=[\d)\s])[xX](?=[\d(\s])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])|[÷∕]"), "/"),
    (re.compile("[\u2212\u2013]"), "-"),
    (re.compile(r"\\[dt]?frac(?![A-Za-z])"), "f"),
    (re.compile(r"\\\\|\\text\s*\{\s*(?:and|then)\s*\}|\b(?:and|then)\b|;"), ","),
    (re.compile(r"\\(?:implies|Rightarrow|rightarrow|Longrightarrow|to)(?![A-Za-z])|[→⇒⟹]|[=-]>"), ","),
)
"""How people write what a computer reads; ``f`` stands before the two braces of a fraction."""
_TOKEN = re.compile(r"\s*(\d+|[-+*/=,(){}f])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a gold asks for. Example: ``Goal(5, (4, 8, 10), ("+", "-", "*"))``."""

    target: int
    numbers: tuple[int, ...]
    operators: tuple[str, ...]


class _WrongError(Exception):
    """What an answer does that its task does not allow: it is WRONG."""


class _UnreadError(Exception):
    """An answer of another form: it is none."""


def read_goal(gold: str) -> Goal | None:
    """The goal, or None for any other text."""
    found = _GOAL.fullmatch(" ".join(gold.split()))
    if found is None or len(set(found[3])) < len(found[3].split()) + (" " in found[3]):
        return None
    return Goal(int(found[1]), tuple(map(int, found[2].split())), tuple(found[3].split()))


@lru_cache(maxsize=4096)
def reachable(numbers: tuple[int, ...], operators: tuple[str, ...]) -> frozenset[int]:
    """Every value that the numbers (sorted), each used once, give by the operators."""
    if len(numbers) == 1:
        return frozenset(numbers)
    found: set[int] = set()
    for i, j in permutations(range(len(numbers)), 2):
        others = [number for k, number in enumerate(numbers) if k not in (i, j)]
        for op in operators:
            value = _join(op, numbers[i], numbers[j])
            if value is not None:
                found |= reachable(tuple(sorted([*others, value])), operators)
    return frozenset(found)


def _join(op: str, left: int, right: int) -> int | None:
    """The result of a step; None where there is none that is allowed."""
    match op:
        case "+":
            value = left + right
        case "-":
            value = left - right
        case "*":
            value = left * right
        case _:
            if right == 0 or left % right:
                return None
            value = left // right
    return value if abs(value) <= LARGEST else None


class _Reader:
    """Reads one side of an equation and works it out: ``value`` and the numbers it used."""

    def __init__(self, tokens: Sequence[str], operators: Sequence[str]) -> None:
        self.tokens, self.operators = tokens, operators
        self.at = 0
        self.depth = 0
        self.steps = 0
        self.used: Counter[int] = Counter()
        self.value = self._sum()
        if self.at < len(tokens):
            raise _UnreadError

    def _next(self, wanted: str) -> str | None:
        """The next token, taken, if it is among ``wanted``."""
        if self.at < len(self.tokens) and self.tokens[self.at] in wanted:
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def _sum(self) -> int:
        value = self._product()
        while op := self._next("+-"):
            value = self._step(op, value, self._product())
        return value

    def _product(self) -> int:
        value = self._one()
        while op := self._next("*/") or "*" * (self.tokens[self.at : self.at + 1] == ["("]):  # "5(4 + 7)"
            value = self._step(op, value, self._one())
        return value

    def _one(self) -> int:
        """A number, a group in brackets, or a fraction."""
        if self._next("f"):
            above = self._group("{", "}")
            return self._step("/", above, self._group("{", "}"))
        if self.at < len(self.tokens) and self.tokens[self.at] == "(":
            return self._group("(", ")")
        sign = -1 if self._next("-") else 1
        if self.at == len(self.tokens) or not self.tokens[self.at].isdigit():
            raise _UnreadError
        self.at += 1
        number = sign * int(self.tokens[self.at - 1])
        self.used[number] += 1
        return number

    def _group(self, opens: str, closes: str) -> int:
        self.depth += 1
        if self.depth > MAX_DEPTH or not self._next(opens):
            raise _UnreadError
        value = self._sum()
        if not self._next(closes):
            raise _UnreadError
        self.depth -= 1
        return value

    def _step(self, op: str, left: int, right: int) -> int:
        if op not in self.operators:
            raise _WrongError(f"{op} is not to be used")
        value = _join(op, left, right)
        if value is None:
            raise _WrongError(f"{left} {op} {right} is no whole number of at most {LARGEST}")
        self.steps += 1
        return value


def decide(gold: str, answer: str) -> Decision:
    """CORRECT for what reaches the goal and for a ``none`` that is true; NO_ANSWER for what cannot be read."""
    goal = read_goal(gold)
    if goal is None:
        return Status.UNJUDGED, f"the gold answer {GOAL}"
    if len(answer) > MAX_LENGTH:
        return Status.WRONG, "refused: longer than any final answer"
    plain = clean(answer.replace("\n", " , "))
    if _NONE.fullmatch(re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", plain).strip(" .").lower()):
        found = goal.target in reachable(tuple(sorted(goal.numbers)), goal.operators)
        return (Status.WRONG, "there is a solution") if found else (Status.CORRECT, "there is no solution")
    try:
        return _follow(goal, _tokens(plain))
    except _UnreadError:
        return Status.NO_ANSWER, "neither steps nor an expression nor none"
    except _WrongError as failure:
        return Status.WRONG, str(failure)


def _tokens(text: str) -> list[str]:
    for spelled, meant in _SPELLED:
        text = spelled.sub(meant, text)
    tokens, at = [], 0
    text = text.strip().rstrip(".,").rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or len(found[1]) > 4:
            raise _UnreadError
        tokens.append(found[1])
        at = found.end()
    if not tokens:
        raise _UnreadError
    return tokens


def _follow(goal: Goal, tokens: list[str]) -> Decision:
    """Work the steps out one after another: each takes numbers that are there and puts its result in their place."""
    there = Counter(goal.numbers)
    for part in filter(None, _split(tokens, ",")):
        sides = [_Reader(side, goal.operators) for side in _split(part, "=")]
        step = next((side for side in sides if side.steps), None)
        if step is None:
            raise _WrongError("no step")
        if any(side.value != step.value for side in sides):
            raise _WrongError("an equation that does not hold")
        if step.used - there:
            raise _WrongError(f"{min(step.used - there)} is not there to be used")
        there = there - step.used + Counter([step.value])
    if there != Counter([goal.target]):
        return Status.WRONG, "numbers are left" if there.total() > 1 else f"reaches {min(there)}"
    return Status.CORRECT, "reaches the target"


def _split(tokens: Sequence[str], at: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token == at:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def check_gold(gold: str) -> GoldCheck:
    """A gold must name a target, numbers and operators."""
    return read_goal(gold) is not None, GOAL


COUNTDOWN = AnswerKind(Kind.COUNTDOWN, decide, check_gold)
