"""Training problems from raw ones: filter, drop duplicates and evaluation problems, draw.

Pure but for the checker that it is given: problems in, problems out, the same for the same seed.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tersely.errors import UserError
from tersely.records import Kind, Problem
from tersely.tasks.prepare.dedup import EvaluationIndex, Overlap, Tokens, exact, words
from tersely.tasks.prepare.filters import Reason, gold_is_number, same_gold, text_reason
from tersely.tasks.prepare.settings import Balance, OverlapRule, Settings
from tersely.tasks.sources import CheckGolds


@dataclass(frozen=True, slots=True)
class Dropped:
    """A problem left out, and what a person needs to agree."""

    problem: Problem
    reason: Reason
    detail: str = ""
    overlap: Overlap | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What ``select`` found."""

    kept: list[Problem]
    passed: list[Problem]
    """All that passed the filters; ``kept`` was drawn from them."""
    dropped: list[Dropped]


def select(
    problems: Sequence[Problem],
    evaluation: Sequence[Problem],
    settings: Settings,
    check_golds: CheckGolds | None = None,
) -> Selection:
    """Filter and draw. UserError if fewer problems than asked for are left, with how many and why."""
    dropped: list[Dropped] = []
    passed = _readable(problems, settings, check_golds, dropped)
    passed = _distinct(passed, dropped)
    passed = _unseen(passed, evaluation, settings, dropped)
    if not passed or (settings.size or 0) > len(passed):
        raise UserError(_too_few(len(problems), len(passed), settings, dropped))
    return Selection(draw(passed, settings), passed, dropped)


def _too_few(read: int, left: int, settings: Settings, dropped: Sequence[Dropped]) -> str:
    why = ", ".join(f"{count} {reason}" for reason, count in Counter(d.reason for d in dropped).most_common())
    asked = f"{settings.size} were asked for" if settings.size else "none can be kept"
    cure = f"lower --size to at most {left} or add data" if left else "give other data"
    return f"{left} of {read} problems are left after filtering ({why or 'nothing was dropped'}), {asked}: {cure}"


def _readable(
    problems: Sequence[Problem], settings: Settings, check_golds: CheckGolds | None, dropped: list[Dropped]
) -> list[Problem]:
    """Those with a question of one part, with all it refers to, and a gold answer that can be judged."""
    passed = []
    for problem in problems:
        numeric = gold_is_number(problem)
        # Proofs, parts and figures are matters of exercises: "as shown" in a commonsense question means nothing.
        reason = None if problem.kind == Kind.CHOICE else text_reason(problem.question, numeric)
        if reason is None and settings.numeric_only and not numeric:
            reason = Reason.NOT_NUMERIC
        if reason is None:
            passed.append(problem)
        else:
            dropped.append(Dropped(problem, reason))
    if check_golds is None:
        return passed
    whys = check_golds([(problem.gold, problem.kind) for problem in passed])
    dropped += [Dropped(p, Reason.UNREADABLE, why) for p, why in zip(passed, whys, strict=True) if why is not None]
    return [problem for problem, why in zip(passed, whys, strict=True) if why is None]


def _distinct(problems: Sequence[Problem], dropped: list[Dropped]) -> list[Problem]:
    """One of every set of equal questions; none of a set whose golds differ, for nobody knows which is right.

    The same words with the same gold are the same problem too, whatever signs and braces it was typed with.
    """
    passed = []
    for group in _groups(problems, exact):
        first, *others = group
        if odd := next((other for other in others if not same_gold(first, other)), None):
            detail = f"answers {first.gold[:60]!r} and {odd.gold[:60]!r}"
            dropped += [Dropped(problem, Reason.CONFLICT, detail) for problem in group]
            continue
        passed.append(first)
        dropped += [Dropped(other, Reason.DUPLICATE, f"of a problem of {first.source}") for other in others]
    distinct: list[Problem] = []
    for group in _groups(passed, words):
        firsts: list[Problem] = []
        for problem in group:
            twin = next((first for first in firsts if same_gold(first, problem)), None)
            if twin is None:
                firsts.append(problem)
            else:
                dropped.append(Dropped(problem, Reason.DUPLICATE, f"of a problem of {twin.source}"))
        distinct += firsts
    return distinct


def _groups(problems: Sequence[Problem], normalise: Callable[[str], Tokens]) -> list[list[Problem]]:
    groups: dict[Tokens, list[Problem]] = defaultdict(list)
    for problem in problems:
        groups[normalise(problem.question)].append(problem)
    return list(groups.values())


def _unseen(
    problems: Sequence[Problem], evaluation: Sequence[Problem], settings: Settings, dropped: list[Dropped]
) -> list[Problem]:
    """Those that overlap no evaluation problem (``dedup`` states when two do)."""
    index = EvaluationIndex([problem.question for problem in evaluation], ngrams=settings.overlap is OverlapRule.NGRAMS)
    texts = [words(problem.question) for problem in problems]
    index.count(texts)
    passed = []
    for problem, text in zip(problems, texts, strict=True):
        overlap = index.find(text)
        if overlap is None:
            passed.append(problem)
        else:
            other = " ".join(evaluation[overlap.index].question.split())
            dropped.append(Dropped(problem, Reason.OVERLAP, other[:300], overlap))
    return passed


def draw(problems: Sequence[Problem], settings: Settings) -> list[Problem]:
    """A seeded random subset in random order, whatever the order given. One number generator a source.

    A source's draw depends on its own problems and the seed alone: another source added moves quotas, not picks.
    """
    by_source: dict[str, list[Problem]] = defaultdict(list)
    for problem in sorted(problems, key=lambda p: p.id):
        by_source[problem.source].append(problem)
    share = quotas({name: len(found) for name, found in by_source.items()}, settings)
    chosen = []
    for name, found in by_source.items():
        random.Random(f"prepare/{settings.seed}/{name}").shuffle(found)
        chosen += found[: share[name]]
    chosen.sort(key=lambda p: p.id)
    random.Random(f"prepare/{settings.seed}").shuffle(chosen)
    return chosen


def quotas(available: Mapping[str, int], settings: Settings) -> dict[str, int]:
    """How many of each source: they add up to the size, and none exceeds what is there."""
    total = sum(available.values())
    size = total if settings.size is None else settings.size
    if settings.balance is Balance.PROPORTIONAL:
        shares = {name: size * count // total for name, count in available.items()}
        rest = sorted(available, key=lambda name: (-(size * available[name] % total), name))
        return shares | {name: shares[name] + 1 for name in rest[: size - sum(shares.values())]}
    shares = {}
    # From the smallest source up: what it cannot give is shared among the larger ones.
    for place, (name, count) in enumerate(sorted(available.items(), key=lambda item: (item[1], item[0]))):
        shares[name] = min(count, (size - sum(shares.values())) // (len(available) - place))
    return shares
