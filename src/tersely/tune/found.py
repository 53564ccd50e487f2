"""What lies in the folder of a `tersely tune`, read without loading a model.

OUT/run            the training run, with screen.jsonl and the kept members
OUT/mixes          weights between two checkpoints
OUT/measured/SET   evaluations of models on a set
OUT/certificates   a file for each target
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tersely.errors import StorageError, UserError, plainly
from tersely.evaluation.cost import Cost, cost_of
from tersely.evaluation.records import SUMMARY, Evaluation, read_evaluation
from tersely.evaluation.runs import Run, read_run
from tersely.records import Json
from tersely.runs.json_file import MALFORMED, RESTORE, read_record
from tersely.runs.kinds import Log
from tersely.runs.logs import read_log
from tersely.tune.ladder import frontier
from tersely.tune.measured import BASE, Measured, point
from tersely.tune.target import Target

RUN, MIXES, MEASURED, CERTIFICATES = "run", "mixes", "measured", "certificates"
LAST_WORD = "last_word"
"""The set that is asked after everything was chosen and tested."""
CHOSEN = "chosen"


@dataclass(frozen=True, slots=True)
class Answer:
    """A certificate, as far as it is told again."""

    target: Target
    member: str
    reference: str
    """What its losses are counted from."""
    sentence: str
    tested: Mapping[str, str]
    """Candidate -> what came of its test, in words."""

    @property
    def headline(self) -> str:
        """Its first sentence, without the full stop."""
        return self.sentence.partition(". ")[0].rstrip(".")

    @property
    def further(self) -> str:
        """Its other sentences."""
        return self.sentence.partition(". ")[2]


@dataclass(frozen=True, slots=True)
class Seen:
    """A model on the screening problems: a row of a table, a mark in a figure."""

    member: str
    step: int | None
    """None for weights between two checkpoints."""
    alpha: float | None
    tokens: float
    accuracy: float
    change: float
    """Of accuracy against the base, as a share."""
    kind: str
    """Where it stands: ``base``, ``chosen``, ``on the frontier``, ``checkpoint`` or ``weights in between``."""
    came: str
    """What came of it; empty where it was measured and no more."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """One folder of a `tersely tune`."""

    path: Path
    run: Run
    seen: tuple[Seen, ...]
    """The base first, then the checkpoints in their order, then mixes."""
    answers: tuple[Answer, ...]
    told: Evaluation
    """The last word on any of its models: how it was asked, and with which command."""

    @property
    def alphas(self) -> tuple[tuple[int, float], ...]:
        """(step, its alpha)."""
        return tuple((one.step, one.alpha) for one in self.run.journal if one.alpha is not None)

    @property
    def cost(self) -> Cost:
        """Of the training."""
        return cost_of(self.run)

    @property
    def way(self) -> tuple[Seen, ...]:
        """The base and the checkpoints, in their order."""
        return tuple(one for one in self.seen if one.step is not None)

    @property
    def floors(self) -> list[float]:
        """Accuracies that were asked for."""
        known = {one.member: one.accuracy for one in self.seen}
        asked = [(known[one.reference], one.target.loss) for one in self.answers if one.reference in known]
        return [accuracy - loss for accuracy, loss in asked if loss is not None]

    @property
    def lengths(self) -> list[float]:
        """Mean tokens that were asked for."""
        asked = [one.target for one in self.answers if one.target.quantile is None]
        return [n for target in asked if (n := target.tokens_wanted(self.seen[0].tokens)) is not None]


def is_tuned(folder: Path) -> bool:
    """Whether a `tersely tune` made this folder and found an answer."""
    return any((folder / CERTIFICATES).glob("*.json")) and (folder / RUN / f"{Log.SCREEN}.jsonl").is_file()


def read_tuned(folder: Path) -> Tuned:
    """UserError or StorageError where a part of it is missing or damaged."""
    certificates = sorted((folder / CERTIFICATES).glob("*.json"))
    answers = tuple(read_record(path, "a certificate of tersely tune", _answer) for path in certificates)
    told = sorted((folder / MEASURED / LAST_WORD).glob(f"*/*/{SUMMARY}"))
    if not told:
        raise UserError(f"{folder / MEASURED} holds no finished last word: run its `tersely tune` again")
    screened = read_screen(folder / RUN)
    mixes = _mixes(folder / MEASURED / "screen", len(screened[0].right_P))
    seen = tuple(_seen([*screened, *mixes], answers))
    return Tuned(folder, read_run(folder / RUN), seen, answers, read_evaluation(told[0].parent))


def read_screen(run: Path) -> list[Measured]:
    """What a run measured on its way, the base first. StorageError where a line is not as it was written."""
    path, found = run / f"{Log.SCREEN}.jsonl", list[Measured]()
    for number, line in enumerate(read_log(path), start=1):
        try:
            found.append(Measured.from_json(line))
        except MALFORMED as error:
            raise StorageError(
                f"{path}, line {number}: not a measured checkpoint ({plainly(error)}); {RESTORE}"
            ) from error
    return found


def _mixes(screen: Path, problems: int) -> Iterator[Measured]:
    """In the order of the problems' ids, which is that of the screening set."""
    for summary in sorted(screen.glob(f"mix-*/*/{SUMMARY}")):
        records = read_evaluation(summary.parent).responses()
        asked = sorted({record.problem_id for record in records})
        if len(asked) != problems:
            raise StorageError(f"{summary.parent} is not of the run's {problems} screening problems: remove it")
        yield Measured.of_records(summary.parents[1].name, 0, records, asked)


def _seen(measured: Sequence[Measured], answers: Sequence[Answer]) -> Iterator[Seen]:
    points = [point(one, measured[0]) for one in measured]
    best = {one.member for one in frontier(points)}
    for one, at in zip(measured, points, strict=True):
        step = None if one.alpha is None and one.member != BASE else one.step
        came = _what_came(one.member, answers)
        kind = _kind(one, came, one.member in best)
        yield Seen(one.member, step, one.alpha, at.tokens, one.accuracy, at.change, kind, came)


def _kind(one: Measured, came: str, is_best: bool) -> str:
    if one.member == BASE:
        return BASE
    if came.startswith(CHOSEN):
        return CHOSEN
    if one.alpha is None:
        return "weights in between"
    return "on the frontier" if is_best else "checkpoint"


def _what_came(member: str, answers: Sequence[Answer]) -> str:
    """Chosen for which targets, else what came of its tests."""
    if member == BASE:
        return "the base"
    chosen = [one.target.words() for one in answers if one.member == member]
    if chosen:
        return f"{CHOSEN}: {'; '.join(chosen)}"
    return "; ".join(dict.fromkeys(one.tested[member] for one in answers if member in one.tested))


def _answer(content: Json) -> Answer:
    target = Target.from_json(content["target"])
    tested = {str(trial["member"]): _trial_words(trial, target) for trial in content["trials"]}
    return Answer(target, str(content["member"]), str(content["reference"]), str(content["sentence"]), tested)


def _trial_words(trial: Json, target: Target) -> str:
    """The last of its trials stands for a candidate: one that fails ends them."""
    passed, where = "passed" if trial["passed"] else "failed", trial["test"]
    on = "" if where == "test" else f" of {where}"
    return f"{passed} ({target.words()}) on {trial['problems']} problems{on}"
