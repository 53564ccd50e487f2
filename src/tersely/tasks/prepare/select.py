"""Training problems from raw ones: filter, drop duplicates and evaluation problems, draw, and say what was done.

``select`` is pure but for the checker it is given: problems in, problems out, the same for the same seed. ``prepare``
reads the inputs, and writes FILE.jsonl with FILE.report.json and FILE.report.md beside it.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely.errors import UserError, nearest, require_known
from tersely.records import Kind, Problem
from tersely.tasks.prepare.dedup import EvaluationIndex, Overlap, Tokens, exact, near_duplicates, words
from tersely.tasks.prepare.filters import Reason, gold_is_number, same_gold, text_reason
from tersely.tasks.sources.files import read_problems
from tersely.tasks.sources.hub import NAMED, Named, Split, parse_name, read_hub

CheckGolds = Callable[[Sequence[tuple[str, str]]], list[str | None]]

EXCLUDED = ("math500", "aime2024", "gsm8k")
"""Evaluation sets that are kept out where the user names none; the task's own held-out split comes on top."""
BALANCES = ("equal", "proportional")
OVERLAPS = ("ngrams", "equal")
TEMPLATED = frozenset({"logical_deduction"})
"""Named tasks whose problems are made from templates: their overlap rule is "equal" unless another is asked for."""
NEAR_LIMIT = 50_000
"""Most kept problems for which near-duplicates among them are looked for (memory)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How problems are filtered and drawn."""

    size: int | None = None
    """Problems to keep; None: all that pass."""
    seed: int = 0
    numeric_only: bool = True
    balance: str = "equal"
    """"equal": the same number of every source as far as they go; "proportional": as they are among what is left."""
    overlap: str = "ngrams"
    """When a problem overlaps an evaluation problem: "ngrams" (see ``dedup``) or "equal", equal words alone, for
    tasks made from templates, where every problem shares long runs of words with many others."""

    def __post_init__(self) -> None:
        require_known("balance", self.balance, BALANCES)
        require_known("overlap rule", self.overlap, OVERLAPS)
        if self.size is not None and self.size < 1:
            raise UserError(f"size {self.size} is no number of problems; ask for at least 1")


@dataclass(frozen=True, slots=True)
class Input:
    """One file or one named task, read."""

    name: str
    problems: list[Problem]
    skipped: Counter[tuple[str, str]]
    """(source, reason) -> rows of the hub that gave no problem."""
    origin: dict[str, Any]


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
    index = EvaluationIndex([problem.question for problem in evaluation], ngrams=settings.overlap == "ngrams")
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
    if settings.balance == "proportional":
        shares = {name: size * count // total for name, count in available.items()}
        rest = sorted(available, key=lambda name: (-(size * available[name] % total), name))
        return shares | {name: shares[name] + 1 for name in rest[: size - sum(shares.values())]}
    shares = {}
    # From the smallest source up: what it cannot give is shared among the larger ones.
    for place, (name, count) in enumerate(sorted(available.items(), key=lambda item: (item[1], item[0]))):
        shares[name] = min(count, (size - sum(shares.values())) // (len(available) - place))
    return shares


# ---- inputs


def read_input(text: str, split: Split, revision: str | None = None) -> Input:
    """A named task's split or a JSONL file. UserError: neither; a file with faulty lines; the hub out of reach."""
    if (named := parse_name(text)) is not None:
        if revision is not None:
            named = Named(named.name, named.subsets, revision)
        got = read_hub(named, split)
        return Input(text, got.problems, got.skipped, got.origin)
    path = Path(text)
    if path.suffix != ".jsonl" and not path.exists():
        raise UserError(
            f"unknown task {text!r}{nearest(text, NAMED)}: give one of {', '.join(NAMED)} or a JSONL file with "
            "problem and answer on each line"
        )
    problems = read_problems(path, split=split)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Input(text, problems, Counter(), {"file": text, "sha256": digest, "rows": len(problems)})


def read_training(name: str, data: Sequence[str], revision: str | None) -> list[Input]:
    """The raw problems: of ``data`` if given, else of the task ``name`` itself."""
    named = parse_name(name)
    if not data:
        return [read_input(name, "train", revision)]
    if named is None and not name.endswith(".jsonl") and not Path(name).exists():
        require_known("task", name, NAMED)
    if ":" in name or revision is not None:
        raise UserError("subsets and --revision choose among the hub's rows: leave them out where --data is given")
    return [read_input(text, "train") for text in ([name] if named is None else []) + list(data)]


def read_evaluation(name: str, exclude: Sequence[str] | None, revision: str | None) -> list[Input]:
    """The evaluation sets to keep out: those named, or the usual ones. ``["none"]`` is none at all."""
    if exclude is not None:
        return [] if list(exclude) == ["none"] else [read_input(text, "held_out") for text in exclude]
    named = parse_name(name)
    own = [named.name] if named and "held_out" in named.task.splits and named.name not in EXCLUDED else []
    inputs = [read_input(text, "held_out") for text in EXCLUDED]
    return inputs + [read_input(text, "held_out", revision or (named.revision if named else None)) for text in own]


def refuse_evaluation_sets(training: Sequence[Input], evaluation: Sequence[Input]) -> None:
    """UserError for a training input of which every single problem is an evaluation problem."""
    for given in training:
        asked = {words(problem.question) for problem in given.problems}
        for other in evaluation:
            if asked and asked <= {words(problem.question) for problem in other.problems}:
                raise UserError(
                    f"{given.name} is itself an evaluation set: all of its {len(given.problems)} problems are in "
                    f"{other.name}; give data to train on"
                )


def usual_overlap(name: str) -> str:
    """The overlap rule of a task where the user names none."""
    named = parse_name(name)
    return "equal" if named is not None and named.name in TEMPLATED else "ngrams"


def near_duplicates_of(kept: Sequence[Problem]) -> list[tuple[Problem, Problem, float]] | None:
    """Pairs of kept problems that are nearly the same text; None where there are too many problems to look."""
    if len(kept) > NEAR_LIMIT:
        return None
    found = near_duplicates([words(problem.question) for problem in kept])
    return [(kept[i], kept[j], cover) for i, j, cover in found]


def load_raw(named: Named, size: int | None, check_golds: CheckGolds | None) -> list[Problem]:
    """Training problems of a raw named task: what ``prepare`` with its defaults keeps, without a report."""
    training = read_hub(named, "train")
    evaluation = read_evaluation(named.name, None, None)
    held_out = [problem for given in evaluation for problem in given.problems]
    return select(training.problems, held_out, Settings(size), check_golds).kept


def prepare(
    name: str,
    out: Path,
    settings: Settings,
    check_golds: CheckGolds,
    *,
    data: Sequence[str] = (),
    exclude: Sequence[str] | None = None,
    revision: str | None = None,
    force: bool = False,
    command: str = "",
) -> dict[str, Any]:
    """Write ``out`` and its two reports; returns the report. Nothing is written if anything is wrong."""
    from tersely.tasks.prepare.report import make_report, output, write_all

    if out.suffix != ".jsonl":
        raise UserError(f"--out {out} must end in .jsonl: it is the task file that train and evaluate read")
    training = read_training(name, data, revision)
    evaluation = read_evaluation(name, exclude, revision)
    refuse_evaluation_sets(training, evaluation)
    problems = [problem for given in training for problem in given.problems]
    held_out = [problem for given in evaluation for problem in given.problems]
    selection = select(problems, held_out, settings, check_golds)
    content = output(selection.kept)
    report = make_report(name, out, settings, training, evaluation, selection, content, command)
    write_all(out, content, report, force)
    return report


__all__ = ["Dropped", "Input", "Selection", "Settings", "draw", "load_raw", "prepare", "quotas", "select"]
