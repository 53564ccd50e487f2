"""The judge: one problem, one response; one of four verdicts with a reason.

A verdict is reached in this process wherever the problem's answer kind can tell (``kinds``); the rest is asked of
math-verify in worker processes (``workers``). Where the caller has a verifier of his own (``verifier``), it decides
alone, and in such processes too. UNJUDGED means that nobody could say, as a worker ran out of its budget or crashed or
a verifier raised: it is counted by the caller, and never 0.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

from tersely.errors import RunError, UserError
from tersely.records import Problem, Status, Verdict
from tersely.verify.extract import CUT, extract
from tersely.verify.grammar import CACHED, clean
from tersely.verify.keys import verdict_key, verifier_key
from tersely.verify.kinds import KINDS, AnswerKind, look_up
from tersely.verify.kinds.base import Decision
from tersely.verify.kinds.own import with_own
from tersely.verify.verifier import Reference, Verifier, refer, request
from tersely.verify.workers.pool import MATH_VERIFY, Pool, Request
from tersely.verify.workers.prefetch import Prefetcher

MAX_GOLD = 2_000
"""Longest gold answer, in characters."""

MAX_ANSWER = 2 * MAX_GOLD
"""Longest extracted answer, in characters, that is looked at."""

Item = tuple[str, str, str]
"""(gold, response, kind)."""


@dataclass(frozen=True, slots=True)
class Question:
    """One response as far as this process can judge it."""

    verdict: Verdict
    """Final where nothing is asked."""
    key: str = ""
    request: Request | None = None
    """What to ask a worker, and the name of its verdict."""


class Judge:
    """Judges responses; starts its worker processes only when the first answer needs one. Safe in any thread.

    ``cpu_seconds`` and ``memory_mb`` bound one answer in a worker. ``known`` are verdicts kept from an earlier run
    (``unjudged``): they are given again instead of tried again, so that an answer that timed out stays timed out when
    a run is replayed; what something else than the answer ended is not among them. ``kinds`` are answer kinds beside
    ours: objects, or names ``package.module:Name``. ``verifier`` decides instead of the kinds: a callable (problem,
    response) -> Verdict, bool or float in [0, 1], or its name.
    UserError for settings, kinds or a verifier that cannot work; a verifier is loaded at once to see that it does.
    """

    def __init__(
        self,
        workers: int = 2,
        cpu_seconds: float = 2.0,
        memory_mb: int = 1024,
        known: Mapping[str, Verdict] | None = None,
        *,
        kinds: Iterable[AnswerKind | str] = (),
        verifier: Verifier | str | None = None,
    ) -> None:
        if workers < 1 or cpu_seconds <= 0 or memory_mb < 256:
            raise UserError("the judge needs workers >= 1, cpu_seconds > 0 and memory_mb >= 256")
        self.known = dict(known or {})
        self.unjudged: dict[str, Verdict] = {}
        self.kinds = with_own(KINDS, kinds)
        self.verifier: Reference | None = None if verifier is None else refer(verifier)
        program = MATH_VERIFY if self.verifier is None else self.verifier.program
        self.pool = Pool(workers, cpu_seconds, memory_mb, program)
        self._ahead = Prefetcher(self.pool)
        self._lock = threading.Lock()
        if self.verifier is not None:
            self._load(self.verifier)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers; the judge cannot be used again for answers that need them."""
        self.pool.close()
        self._ahead.close()

    # ---- responses to problems (``tersely.rollouts.Grader``)

    def begin_grading(self, problem: Problem, text: str) -> None:
        """Have the workers begin on a response that ``grade`` will be given later; returns at once.

        What ``grade`` finds and what it keeps as unjudged are the same with and without it.
        """
        self._begin(self._question(problem, text))

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """One verdict for each (problem, response text), in order. Equal questions are asked once."""
        return self._answer([self._question(problem, text) for problem, text in pairs])

    # ---- bare answers

    def begin(self, item: Item) -> None:
        """``begin_grading`` for a bare (gold, response, kind)."""
        self._begin(self._by_kind(*item))

    def judge(self, items: Sequence[Item]) -> list[Verdict]:
        """``grade`` for bare (gold, response, kind). UserError where a verifier decides: it needs the problem."""
        return self._answer([self._by_kind(*item) for item in items])

    def check_gold(self, gold: str, kind: str) -> str | None:
        """Why ``gold`` cannot be the answer of a problem, or None. A worker is asked only where nothing else tells."""
        return self.check_golds([(gold, kind)])[0]

    def check_golds(self, golds: Iterable[tuple[str, str]]) -> list[str | None]:
        """``check_gold`` for many at once: those that need math-verify are spread over the workers.

        Where a verifier decides, every gold will do. UserError for an unknown kind.
        """
        if self.verifier is not None:
            return [None for _ in golds]
        reasons: list[str | None] = []
        asked: list[tuple[int, str]] = []
        for gold, kind in golds:
            reason, ask = gold_here(gold, kind, self.kinds)
            if ask is not None:
                asked.append((len(reasons), ask))
            reasons.append(reason)
        replies = self.pool.run([{"parse": text} for _, text in asked])
        for (index, text), reply in zip(asked, replies, strict=True):
            if reply.outside:
                raise RunError(f"the gold answer {text[:80]!r} could not be looked at: {reply.reason}; run it again")
            if reply.status is not Status.CORRECT:
                reasons[index] = f"cannot be read as an answer ({reply.reason})"
        return reasons

    # ---- what is asked

    def _question(self, problem: Problem, text: str) -> Question:
        if self.verifier is None:
            return self._by_kind(problem.gold, text, problem.kind)
        key = verifier_key(str(self.verifier), problem, text)
        return Question(Verdict(Status.UNJUDGED, None, "for the verifier"), key, request(problem, text))

    def _by_kind(self, gold: str, response: str, kind: str) -> Question:
        if self.verifier is not None:
            raise UserError("a judge with a verifier grades responses to problems (grade), not bare answers (judge)")
        verdict, ask = judge_here(gold, response, kind, self.kinds)
        if ask is None or verdict.extracted is None:
            return Question(verdict)
        return Question(verdict, verdict_key(gold, verdict.extracted, kind), {"gold": ask[0], "answer": ask[1]})

    # ---- and answered

    def _load(self, verifier: Reference) -> None:
        try:
            self.pool.warm()
        except RunError as error:
            self.close()
            raise UserError(f"verifier {str(verifier)!r} cannot be loaded in a fresh process: {error}") from error

    def _begin(self, question: Question) -> None:
        if question.request is not None and question.key not in self.known:
            self._ahead.ask(question.key, question.request)

    def _answer(self, questions: Sequence[Question]) -> list[Verdict]:
        open_ones = {q.key: q.request for q in questions if q.request is not None and q.key not in self.known}
        replies = self._ask(open_ones)
        return [self._settle(question, replies) for question in questions]

    def _ask(self, requests: Mapping[str, Request]) -> dict[str, Verdict]:
        begun = {key: reply for key in requests if (reply := self._ahead.take(key)) is not None}
        fresh = {key: request for key, request in requests.items() if key not in begun}
        replies = dict(zip(fresh, self.pool.run(list(fresh.values())), strict=True))
        return replies | {key: reply.result() for key, reply in begun.items()}

    def _settle(self, question: Question, replies: Mapping[str, Verdict]) -> Verdict:
        """The verdict of this process, the kept one, or the worker's; what the answer made unjudged is kept."""
        if question.request is None:
            return question.verdict
        verdict = self.known.get(question.key) or _joined(question.verdict, replies[question.key])
        if verdict.status is Status.UNJUDGED and not verdict.outside:
            with self._lock:
                self.unjudged[question.key] = verdict
        return verdict


def _joined(here: Verdict, reply: Verdict) -> Verdict:
    """The worker's verdict, with the answer found here and the time spent here."""
    return replace(reply, extracted=here.extracted or reply.extracted, seconds=here.seconds + reply.seconds)


def judge_here(
    gold: str, response: str, kind: str, kinds: Mapping[str, AnswerKind] = KINDS
) -> tuple[Verdict, tuple[str, str] | None]:
    """The verdict as far as this process can tell, and (gold, answer) for math-verify where it cannot."""
    start = time.thread_time()
    how = look_up(kind, kinds)
    found = extract(response)
    if found.answer is None:
        return Verdict(Status.NO_ANSWER, None, found.reason, time.thread_time() - start), None
    if len(found.answer) > MAX_ANSWER:
        reason = "refused: longer than any final answer"
        return Verdict(Status.WRONG, found.answer, reason, time.thread_time() - start), None
    decide = _decide if len(gold) + len(found.answer) <= 2 * CACHED else _decide.__wrapped__
    status, reason = decide(how, gold, found.answer)
    reason += f"; {CUT}" * found.reason.endswith(CUT)
    verdict = Verdict(status or Status.UNJUDGED, found.answer, reason, time.thread_time() - start)
    if status is not None or how.for_worker is None:
        return verdict, None
    return verdict, (how.for_worker(gold), how.for_worker(found.answer))


@lru_cache(maxsize=16384)
def _decide(kind: AnswerKind, gold: str, answer: str) -> Decision:
    return kind.decide(gold, answer)


def gold_here(gold: str, kind: str, kinds: Mapping[str, AnswerKind] = KINDS) -> tuple[str | None, str | None]:
    """(reason against a gold, text for math-verify to try): both None where it is fine."""
    how = look_up(kind, kinds)
    if not clean(gold):
        return "is empty", None
    if len(gold) > MAX_GOLD:
        return f"is longer than {MAX_GOLD} characters", None
    usable, reason = how.check_gold(gold)
    if usable is None and how.for_worker is not None:
        return None, how.for_worker(gold)
    return (None, None) if usable else (reason, None)


def forget() -> None:
    """Empty the kept decisions, so that a measurement starts cold."""
    _decide.cache_clear()
