"""A foreign log as evaluated responses of ours, under a protocol as far as the log says it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tersely.analysis.facts import ProtocolFacts
from tersely.errors import UserError, nearest
from tersely.evaluation.as_logged import AsLogged
from tersely.frozen import freeze_mapping
from tersely.imported.record import Answered, ForeignLog
from tersely.records import EvalRecord, Finish, LengthSource, Problem, Rollout, Status, Verdict
from tersely.rollouts import judged
from tersely.tasks import task_digest
from tersely.tasks.sources.checks import raise_faults
from tersely.verify import Judge
from tersely.verify.summary import remark

Count = Callable[[str], int]
"""Tokens of a text."""


CLOSES = "</think>"
"""Ends the thinking in a text."""
SLACK = 0.01
"""Share by which the tokens of a text that is encoded again may differ from those that were sampled."""


@dataclass(frozen=True, slots=True)
class Length:
    """Of a response."""

    tokens: int
    thinking: int | None
    source: LengthSource


@dataclass(frozen=True, slots=True)
class Imported:
    """A log as ours: everything that could be refused has been looked at, and nothing is written yet."""

    model: str
    records: tuple[EvalRecord, ...]
    rules: ProtocolFacts
    as_logged: AsLogged

    @property
    def label(self) -> str:
        """The model with what was asked of it besides."""
        return f"{self.model} {self.rules.request or ''}".strip()


def as_ours(log: ForeignLog, scorer: str | None, judge: Judge | None, count: Count | None) -> Imported:
    """Every response by the log's own score, or by our judge where one is given.

    ``scorer`` names one of several. UserError for responses without tokens and without ``count``, and for scores that
    are no share of right.
    """
    chosen = _scorer(log, scorer, needed=judge is None)
    lengths = [_length(one, log, count) for one in log.answers]
    ended = [
        one if log.says_finish else _cut_at(one, length, log) for one, length in zip(log.answers, lengths, strict=True)
    ]
    answers = _numbered(ended)
    verdicts = [_by_score(one, chosen) for one, _ in answers] if judge is None else _judged(answers, judge)
    records = tuple(
        _record(one, sample, verdict, length, chosen)
        for (one, sample), verdict, length in zip(answers, verdicts, lengths, strict=True)
    )
    of_scores, unfinished, partial = AsLogged.counts(records)
    as_logged = AsLogged(
        log.made_by, chosen, judge is not None, log.accuracies.get(chosen or ""), of_scores, unfinished, partial,
        failed=sum(one.failed and not one.scores for one in log.answers), missing=log.missing,
        repeated=_repeated(log.answers), says_finish=log.says_finish, says_cap=log.asked.max_new_tokens is not None,
    )  # fmt: skip
    return Imported(log.model, records, facts_of(log, chosen, judge is not None), as_logged)


def _scorer(log: ForeignLog, asked: str | None, needed: bool) -> str | None:
    """Whose scores count; None where nobody's are needed and they cannot be told."""
    known = log.scorers
    if asked is not None and asked not in known:
        raise UserError(
            f"the log of {log.task} has no scores of {asked!r}{nearest(asked, known)}: name one of "
            f"{', '.join(known) or 'none, as nobody scored it'}"
        )
    if needed and not known:
        raise UserError(
            f"the log of {log.task} has no score of each response: give --judge, which judges the responses here"
        )
    if needed and asked is None and len(known) > 1:
        raise UserError(f"the log of {log.task} has scores of {', '.join(known)}: say which count, --scorer {known[0]}")
    return asked or (known[0] if len(known) == 1 else None)


def _numbered(answers: Sequence[Answered]) -> list[tuple[Answered, int]]:
    """Each with its number among the responses to its problem, which is the same record for all of them."""
    seen: Counter[str] = Counter()
    problems: dict[str, Problem] = {}
    numbered = []
    for one in answers:
        problem = problems.setdefault(one.problem.id, one.problem)
        numbered.append((replace(one, problem=problem), seen[problem.id]))
        seen[problem.id] += 1
    return numbered


def _repeated(answers: Sequence[Answered]) -> int:
    names = {(one.problem.id, one.log_id) for one in answers}
    return sum(count > 1 for count in Counter(problem for problem, _ in names).values())


def _by_score(one: Answered, scorer: str | None) -> Verdict:
    """The log's own verdict; what did not end by itself has no answer, as everywhere here."""
    scored = one.scores.get(scorer or "")
    if one.finish is not Finish.EOS:
        return Verdict(Status.NO_ANSWER, None, f"unfinished: {one.finish}")
    if scored is None or math.isnan(scored.value):
        return Verdict(Status.UNJUDGED, None, "the log has no score of it")
    if not 0.0 <= scored.value <= 1.0:
        raise UserError(
            f"{scorer} gave the score {scored.value:g}, which is no share of right: name another scorer with --scorer, "
            "or give --judge, which judges the responses here"
        )
    return Verdict(Status.CORRECT if scored.value == 1.0 else Status.WRONG, scored.answer, "the log's score")


def _judged(answers: Sequence[tuple[Answered, int]], judge: Judge) -> list[Verdict]:
    """UserError where a gold answer cannot be judged."""
    asked = list({one.problem.id: one.problem for one, _ in answers}.values())
    reasons = judge.check_golds((problem.gold, problem.kind) for problem in asked)
    faults = [(repr(p.gold[:60]), why) for p, why in zip(asked, reasons, strict=True) if why is not None]
    raise_faults(faults, f"{{count}} of {len(asked)} gold answers of the log cannot be judged: leave --judge out")
    pairs = [(one.problem, Rollout(one.problem.id, i, (), (), None, one.text, one.finish, 0)) for one, i in answers]
    return judged(pairs, judge, {one.problem.id for one, _ in answers if one.opened})


def _length(one: Answered, log: ForeignLog, count: Count | None) -> Length:
    """As the log counted, else as ``count`` says; what failed before its first word has none."""
    if one.tokens is not None:
        return Length(one.tokens, one.thinking_tokens, LengthSource.USAGE)
    if one.failed and not one.text:
        return Length(0, None, LengthSource.USAGE)
    if count is None:
        raise UserError(
            f"the log of {log.task} does not say how many tokens a response has, and they are not invented: give "
            "--tokenizer FOLDER of its model, which counts them approximately"
        )
    thought, closed, _ = one.text.rpartition(CLOSES)
    return Length(max(1, count(one.text)), count(thought + closed) if closed else None, LengthSource.RETOKENISED)


def _cut_at(one: Answered, length: Length, log: ForeignLog) -> Answered:
    """As long as the cap, which a response that was encoded again may miss by little, is cut off."""
    cap, slack = log.asked.max_new_tokens, SLACK if length.source is LengthSource.RETOKENISED else 0.0
    return replace(one, finish=Finish.LENGTH) if cap and length.tokens >= cap * (1 - slack) else one


def _record(one: Answered, sample: int, verdict: Verdict, length: Length, scorer: str | None) -> EvalRecord:
    scored = one.scores.get(scorer or "")
    return EvalRecord(
        problem_id=one.problem.id,
        question=one.problem.question,
        answer=one.problem.gold,
        difficulty=one.problem.difficulty,
        sample=sample,
        status=verdict.status,
        correct=verdict.status is Status.CORRECT,
        tokens=length.tokens,
        finish=one.finish,
        extracted=verdict.extracted,
        text=one.text,
        thinking_tokens=length.thinking,
        length_source=length.source,
        outside=verdict.outside,
        remark=remark(verdict),
        score=None if scored is None or math.isnan(scored.value) else scored.value,
    )


def facts_of(log: ForeignLog, scorer: str | None, judged_here: bool) -> ProtocolFacts:
    """The protocol, as far as the log says it; version and arguments of the task are part of it, so that two are never
    mixed. The set of problems is known whatever their order."""
    problems = sorted({one.problem.id: one.problem for one in log.answers}.values(), key=lambda problem: problem.id)
    most = max(Counter(one.problem.id for one in log.answers).values())
    asked, further = log.asked, freeze_mapping({"task_version": log.version, **log.asked.further}, "fact")
    rules = ProtocolFacts(
        task=log.task, task_sha256=task_digest(problems), k=most, temperature=asked.temperature, top_p=asked.top_p,
        max_new_tokens=asked.max_new_tokens, template=asked.template,
    )  # fmt: skip
    rules = replace(rules, further=further, recorded=(*rules.recorded, *further)).asked_with(asked.request)
    return rules.judged_by(None if judged_here else f"{log.made_by.partition(' ')[0]}:{scorer}")
