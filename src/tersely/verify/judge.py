"""The judge: one gold answer, one response, one kind; one of four verdicts with a reason.

CORRECT, WRONG and NO_ANSWER are reached in this process by strings, exact rationals and high-precision values wherever
they can be (``compare``); the rest is asked of math-verify in worker processes (``pool``), after a static guard.
UNJUDGED means that a worker ran out of its budget or crashed: it is counted by the caller, and never 0.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Self

from tersely.errors import UserError, require_known
from tersely.records import Kind, Problem, Status, Verdict
from tersely.verify import guard
from tersely.verify.extract import extract
from tersely.verify.grammar.equality import SEVERAL, compare
from tersely.verify.grammar.forms import read
from tersely.verify.grammar.normalise import CACHED, clean, key, number
from tersely.verify.grammar.scalars import Form, Shape
from tersely.verify.grammar.tokens import Refused, Undefined, Unparsed
from tersely.verify.grammar.values import exact
from tersely.verify.kinds import letters
from tersely.verify.workers.pool import Pool, Reply
from tersely.verify.workers.prefetch import Prefetcher

VERSION = "4"
"""Of the checker: changed whenever any verdict may change, so that kept verdicts are not mixed up."""
MAX_GOLD = 2_000
"""Longest gold answer, in characters."""

MAX_ANSWER = 2 * MAX_GOLD
"""Longest extracted answer, in characters, that is looked at."""
_LETTERED = re.compile(r"\\text\{\(([A-J])\)\}")
"""A choice among problems of mathematics: its gold says so by parentheses."""

Item = tuple[str, str, str]
"""(gold, response, kind)."""

KINDS = (Kind.EXACT, Kind.CHOICE, Kind.MATH)


def verdict_key(gold: str, answer: str, kind: str) -> str:
    """SHA-256 (hex) of checker version, kind, gold and extracted answer: what a verdict depends on."""
    text = "\x00".join((VERSION, kind, gold, answer))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Judge:
    """Judges responses; starts its worker processes only when the first answer needs one. Safe in any thread.

    ``known`` are verdicts kept from an earlier run (``unjudged``): they are given again instead of tried again, so
    that an answer that timed out stays timed out when a run is replayed.
    """

    def __init__(
        self,
        workers: int = 2,
        cpu_seconds: float = 2.0,
        memory_mb: int = 1024,
        known: Mapping[str, Verdict] | None = None,
    ) -> None:
        if workers < 1 or cpu_seconds <= 0 or memory_mb < 256:
            raise UserError("the judge needs workers >= 1, cpu_seconds > 0 and memory_mb >= 256")
        self.known = dict(known or {})
        self.unjudged: dict[str, Verdict] = {}
        self.pool = Pool(workers, cpu_seconds, memory_mb)
        self._ahead = Prefetcher(self.pool)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; the judge cannot be used again for answers that need them."""
        self.pool.close()
        self._ahead.close()

    def begin(self, item: Item) -> None:
        """Have the workers begin on an item that ``judge`` will be given later; returns at once.

        What ``judge`` finds and what it keeps as unjudged are the same with and without it.
        """
        gold, response, kind = item
        verdict, ask = judge_here(gold, response, kind)
        if ask is None or verdict.extracted is None:
            return
        name = verdict_key(gold, verdict.extracted, kind)
        if name not in self.known:
            self._ahead.ask(name, _request(ask))

    def judge(self, items: Sequence[Item]) -> list[Verdict]:
        """One verdict for each (gold, response, kind), in order. Equal questions are asked once."""
        verdicts: list[Verdict | None] = []
        pending: dict[str, tuple[str, str]] = {}
        waiting: list[tuple[int, str, Verdict]] = []
        for gold, response, kind in items:
            verdict, ask = judge_here(gold, response, kind)
            if ask is None or verdict.extracted is None:
                verdicts.append(verdict)
                continue
            name = verdict_key(gold, verdict.extracted, kind)
            if name in self.known:
                verdicts.append(self._again(name))
                continue
            pending.setdefault(name, ask)
            waiting.append((len(verdicts), name, verdict))
            verdicts.append(None)
        replies = self._ask(pending)
        for index, name, verdict in waiting:
            verdicts[index] = self._settle(name, verdict, replies[name])
        return [verdict for verdict in verdicts if verdict is not None]

    # ---- responses to problems (``tersely.rollouts.Grader``)

    def begin_grading(self, problem: Problem, text: str) -> None:
        """``begin`` for the response ``text`` to a problem."""
        self.begin((problem.gold, text, problem.kind))

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """``judge`` for responses to problems, in order."""
        return self.judge([(problem.gold, text, problem.kind) for problem, text in pairs])

    def check_gold(self, gold: str, kind: str) -> str | None:
        """Why ``gold`` cannot be the answer of a problem, or None. A worker is asked only where nothing else tells."""
        return self.check_golds([(gold, kind)])[0]

    def check_golds(self, golds: Iterable[tuple[str, str]]) -> list[str | None]:
        """``check_gold`` for many at once: those that need math-verify are spread over the workers."""
        reasons: list[str | None] = []
        asked: list[tuple[int, str]] = []
        for gold, kind in golds:
            reason, ask = gold_here(gold, kind)
            if ask is not None:
                asked.append((len(reasons), ask))
            reasons.append(reason)
        replies = self.pool.run([{"parse": text} for _, text in asked])
        for (index, _), reply in zip(asked, replies, strict=True):
            if not reply.equal:
                why = reply.reason if reply.equal is None else "neither a number, a formula nor plain words"
                reasons[index] = f"cannot be read as an answer ({why})"
        return reasons

    def _ask(self, pending: dict[str, tuple[str, str]]) -> dict[str, Reply]:
        begun = {name: reply for name in pending if (reply := self._ahead.take(name)) is not None}
        fresh = {name: _request(ask) for name, ask in pending.items() if name not in begun}
        replies = dict(zip(fresh, self.pool.run(list(fresh.values())), strict=True))
        return replies | {name: reply.result() for name, reply in begun.items()}

    def _again(self, name: str) -> Verdict:
        verdict = self.known[name]
        if verdict.status is Status.UNJUDGED:
            with self._lock:
                self.unjudged[name] = verdict
        return verdict

    def _settle(self, name: str, verdict: Verdict, reply: Reply) -> Verdict:
        seconds = verdict.seconds + reply.seconds
        if reply.equal is None:
            verdict = replace(verdict, status=Status.UNJUDGED, reason=reply.reason, seconds=seconds)
            with self._lock:
                self.unjudged[name] = verdict
            return verdict
        status = Status.CORRECT if reply.equal else Status.WRONG
        return replace(verdict, status=status, reason=reply.reason, seconds=seconds)


def _request(ask: tuple[str, str]) -> dict[str, str]:
    return {"gold": ask[0], "answer": ask[1]}


def judge_here(gold: str, response: str, kind: str) -> tuple[Verdict, tuple[str, str] | None]:
    """The verdict as far as this process can tell, and (gold, answer) for math-verify where it cannot."""
    start = time.thread_time()
    require_known("kind", kind, KINDS)
    found = extract(response)
    if found.answer is None:
        return Verdict(Status.NO_ANSWER, None, found.reason, time.thread_time() - start), None
    if len(found.answer) > MAX_ANSWER:
        return Verdict(
            Status.WRONG, found.answer, "refused: longer than any final answer", time.thread_time() - start
        ), None
    decide = _decide if len(gold) + len(found.answer) <= 2 * CACHED else _decide.__wrapped__
    status, reason = decide(gold, found.answer, kind)
    seconds = time.thread_time() - start
    if status is not None:
        return Verdict(status, found.answer, reason, seconds), None
    return Verdict(Status.UNJUDGED, found.answer, reason, seconds), (clean(gold), clean(found.answer))


@lru_cache(maxsize=16384)
def _decide(gold: str, answer: str, kind: str) -> tuple[Status | None, str]:
    """Status and reason, or None where only math-verify can tell."""
    if kind == Kind.CHOICE:
        return _choice(gold, answer)
    if kind == Kind.EXACT:
        return _exact(gold, answer)
    return _math(gold, answer)


def _choice(gold: str, answer: str) -> tuple[Status, str]:
    chosen, reason = letters.letter(answer)
    if chosen is None:
        return Status.NO_ANSWER, reason
    right = chosen == letters.letter(gold)[0]
    return (Status.CORRECT, "same letter") if right else (Status.WRONG, "another letter")


def _plain(text: str) -> str:
    """For ``exact``: cleaned, fonts dropped, white space collapsed."""
    text = clean(text)
    if text.startswith("\\text{") and text.endswith("}"):
        text = text[len("\\text{") : -1]
    return key(text)


def _exact(gold: str, answer: str) -> tuple[Status, str]:
    given = _plain(answer)
    if not given:
        return Status.NO_ANSWER, "empty answer"
    return (Status.CORRECT, "equal strings") if given == _plain(gold) else (Status.WRONG, "different strings")


def _math(gold: str, answer: str) -> tuple[Status | None, str]:
    cleaned, wanted = clean(answer), clean(gold)
    if not cleaned:
        return Status.NO_ANSWER, "empty answer"
    if not wanted:
        return Status.WRONG, "the gold answer is empty"
    if key(answer) == key(gold) and not _undefined(wanted):
        return Status.CORRECT, "equal strings"
    a, b = number(wanted), number(cleaned)
    if a is not None and b is not None and a == b:
        return Status.CORRECT, "equal numbers"
    if (letter := _LETTERED.fullmatch(wanted)) and letters.letter(answer)[0] == letter[1] and letter[1] in cleaned:
        return Status.CORRECT, "same letter"
    operator = guard.unevaluated(cleaned)
    if operator and operator not in wanted:
        return Status.WRONG, f"refused: {operator} is not evaluated"
    try:
        return _by_form(gold, answer)
    except Refused as refusal:
        return Status.WRONG, f"refused: {refusal}"
    except Unparsed:
        pass
    if (form := _gold_form(gold)) is not None and _is_number(form):
        return Status.WRONG, "not written as a number"
    reason = guard.refuse(cleaned) or guard.refuse(wanted) or guard.other_words(wanted, cleaned)
    return (Status.WRONG, reason) if reason else (None, "for math-verify")


def _undefined(text: str) -> bool:
    """True for a gold like 0/0, with which nothing agrees."""
    try:
        form = read(text)
        compare(form, form)
    except Undefined:
        return True
    except (Refused, Unparsed):
        return False
    return False


def _by_form(gold: str, answer: str) -> tuple[Status | None, str]:
    wanted = _gold_form(gold)
    given = read(answer)
    if wanted is None:
        raise Unparsed("the gold answer")
    same, reason = compare(wanted, given)
    if same is None:
        raise Unparsed(reason)
    if not same and reason == SEVERAL:
        return Status.NO_ANSWER, reason
    return (Status.CORRECT if same else Status.WRONG), reason


def _gold_form(gold: str) -> Form | None:
    """The gold's form; None where this grammar has none or finds it too large."""
    try:
        return read(gold)
    except (Unparsed, Refused):
        return None


def _is_number(form: Form) -> bool:
    """A rational gold: what equals it is in the grammar, and math-verify reads too much into the rest."""
    try:
        return form.shape is Shape.SCALAR and form.node is not None and exact(form.node) is not None
    except Refused:
        return False


def gold_here(gold: str, kind: str) -> tuple[str | None, str | None]:
    """(reason against a gold, text for math-verify to try): both None where it is fine."""
    cleaned = clean(gold)
    if not cleaned:
        return "is empty", None
    if len(gold) > MAX_GOLD:
        return f"is longer than {MAX_GOLD} characters", None
    if kind == Kind.CHOICE:
        return (None, None) if letters.letter(gold)[0] else ("is no single letter from A to J", None)
    if kind == Kind.EXACT or number(cleaned) is not None:
        return None, None
    try:
        form = read(gold)
        compare(form, form)
    except Refused as refusal:
        return f"has no value that can be compared ({refusal})", None
    except Unparsed:
        reason = guard.refuse(cleaned)
        return (f"cannot be read as an answer ({reason})", None) if reason else (None, cleaned)
    return None, None


__all__ = ["VERSION", "Judge", "gold_here", "judge_here", "verdict_key"]
