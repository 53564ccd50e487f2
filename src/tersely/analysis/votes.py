"""What k responses to a problem are worth together: the majority's answer, and the best of them.

Votes are by the answer's normal form alone, as somebody without the gold answer would have to count them: numbers by
exact value, choices by letter, everything else by its cleaned spelling. (Two spellings of one expression that only
computer algebra equates are two answers.)
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from tersely.records import EvalRecord, Finish, Status
from tersely.verify.grammar import clean, key, number
from tersely.verify.kinds.choice import letter

_LETTER = re.compile("[A-Z]")


def normal_form(record: EvalRecord) -> str | None:
    """The answer a response votes for; None (no vote) where it was cut off, gives no answer, or was not judged."""
    if record.extracted is None or record.finish is not Finish.EOS:
        return None
    if record.status in (Status.NO_ANSWER, Status.UNJUDGED):
        return None
    if _LETTER.fullmatch(record.answer.strip()):
        chosen = letter(record.extracted)[0]
        if chosen is not None:
            return chosen
    value = number(clean(record.extracted))
    return key(record.extracted) if value is None else str(value)


def majority_chance(responses: Sequence[EvalRecord]) -> float:
    """Chance that the answer with most votes among all responses to one problem is correct, ties broken at random.

    An answer is correct by the share of its voters judged correct (0 or 1, but for a judge that tells equal spellings
    apart). Without any vote the chance is 0.
    """
    votes: Counter[str] = Counter()
    right: defaultdict[str, int] = defaultdict(int)
    for record in responses:
        answer = normal_form(record)
        if answer is not None:
            votes[answer] += 1
            right[answer] += record.correct
    if not votes:
        return 0.0
    most = max(votes.values())
    leaders = [answer for answer, count in votes.items() if count == most]
    return math.fsum(right[answer] / most for answer in leaders) / len(leaders)


def majority_clusters(groups: Mapping[str, Sequence[EvalRecord]]) -> dict[str, list[float]]:
    """Problem -> [chance of the majority] over its judged responses; problems without any are absent."""
    judged = {problem: [r for r in group if r.status is not Status.UNJUDGED] for problem, group in groups.items()}
    return {problem: [majority_chance(group)] for problem, group in judged.items() if group}


def shortest_correct(responses: Sequence[EvalRecord]) -> float:
    """Tokens of the shortest correct response; where none is correct, the mean of all (any may be picked)."""
    right = [record.tokens for record in responses if record.correct]
    return float(min(right)) if right else math.fsum(r.tokens for r in responses) / len(responses)
