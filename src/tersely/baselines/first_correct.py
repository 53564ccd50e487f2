"""First-Correct Solutions (Chen et al. 2024, arXiv 2412.21187, section 3.2): thinking ends where it is first right.

The authors let a model tell the solutions of a response apart; here the first one ends where the thinking first states
the gold answer as a result (``analysis.overthinking``, rules of writing). What follows up to the end of the thinking
goes; the answer behind it stays, so that the judge sees what it saw. Token ids stay as they were sampled. Their two
further choices are not built: a second solution as reflection needs solutions told apart, and Greedily Diverse
Solutions their strategies too. Both are the work of a language model there (galaxyChen/overthinking@e6a0379:
split_solution.py, diversity_cluster.py), and the text gives no formula by which text alone would do it.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from tersely.analysis.overthinking import first_answer
from tersely.baselines.choose import every_correct
from tersely.records import Group, Problem, Rollout
from tersely.verify.visible import THINKING, opens

Read = Callable[[Sequence[int]], str]
"""From token ids to text, as ``Rollout.text`` was made."""

_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n|$")


def shortest_first_correct(group: Group, read: Read) -> tuple[int, ...] | None:
    """Ids of the shortest first-correct form of any correct response to the problem.

    None where no correct response can be cut: it does not think in marks, or states the answer only at its end, or
    never before.
    """
    verdicts = dict(zip((r.index for r in group.rollouts), group.verdicts, strict=True))
    forms = [
        form
        for rollout in every_correct(group)
        if (form := first_correct(group.problem, rollout, verdicts[rollout.index].extracted, read)) is not None
    ]
    return min(forms, key=len, default=None)


def first_correct(problem: Problem, rollout: Rollout, extracted: str | None, read: Read) -> tuple[int, ...] | None:
    """The response up to the end of the sentence that first states the answer, then from its end of thinking on."""
    end = _end_of_thinking(rollout.text)
    place = None if end is None else first_answer(rollout.text[:end], problem.gold, extracted)
    if end is None or place is None:
        return None
    stop = _SENTENCE_END.search(rollout.text, place, end)
    cut = end if stop is None else stop.end()
    count = range(len(rollout.tokens) + 1)
    first = bisect_left(count, cut, key=lambda n: len(read(rollout.tokens[:n])))
    rest = bisect_right(count, end, key=lambda n: len(read(rollout.tokens[:n]))) - 1
    return rollout.tokens[:first] + rollout.tokens[rest:] if first < rest else None


def _end_of_thinking(text: str) -> int | None:
    """Where the last mark that ends a thought begins; None where there is none."""
    marks = [mark for mark in THINKING.finditer(text) if not opens(mark)]
    return marks[-1].start() if marks else None
