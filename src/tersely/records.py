"""What travels through tersely: one frozen record for each arrow of the pipeline.

Shapes live in names: ``_P`` problems, ``_G`` siblings (responses to one problem), ``_B`` rows, ``_T`` tokens,
``_V`` vocabulary. Nothing is filled in later: a stage that knows more makes a new record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tersely.frozen import FrozenMapping, canonical, freeze_mapping, thaw
from tersely.served import Served

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

JsonObject: TypeAlias = Mapping[str, object]
"""A JSON object that we write."""
Json: TypeAlias = Mapping[str, Any]
"""A JSON object as it was read: only a record's ``from_json`` looks into it."""


class Kind:
    """Names of our own answer kinds: how a final answer is compared with the gold answer. Plain strings, since more can
    be added (``tersely.verify.kinds.KINDS``)."""

    EXACT: Final = "exact"
    CHOICE: Final = "choice"
    MATH: Final = "math"
    COUNTDOWN: Final = "countdown"


class Finish(StrEnum):
    """Why a response stopped. Decides truncation; no token is ever searched for instead."""

    EOS = "eos"
    LENGTH = "length"
    ABORTED = "aborted"


class LengthSource(StrEnum):
    """Where the length of a response comes from."""

    SAMPLED = "sampled"
    """The number of sampled ids: exact."""
    USAGE = "usage"
    """What the server that sampled says it counted."""
    RETOKENISED = "retokenised"
    """The text encoded again by some tokenizer: approximate."""
    ESTIMATED = "estimated"
    """From the number of characters: rough."""


class Status(StrEnum):
    """What the judge found. UNJUDGED ("could not say") is never the same as WRONG."""

    CORRECT = "CORRECT"
    WRONG = "WRONG"
    NO_ANSWER = "NO_ANSWER"
    UNJUDGED = "UNJUDGED"


NOTHING: Mapping[str, Any] = FrozenMapping({})
"""A payload without columns."""


def content_id(question: str, answer: str | None, payload: Mapping[str, Any] = NOTHING) -> str:
    """Id of a problem by content: 16 hex digits of SHA-256 over whitespace-normalised question and answer.

    A payload that holds something is part of the content, in any order of its keys.
    """
    text = " ".join(question.split()) + "\x00" + " ".join((answer or "").split())
    text += f"\x00{canonical(payload)}" if payload else ""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with a gold answer.

    Example: ``Problem(id="9f86d081884c7d65", question="What is 1+1?", answer="2", kind=Kind.MATH, source="toy")``
    """

    id: str
    """Content hash (``content_id``), so that the same problem has the same id wherever it came from."""
    question: str
    answer: str | None
    """The gold answer; None where a verifier decides without one."""
    kind: str
    """How the answer is compared, a name in ``tersely.verify.kinds.KINDS``."""
    source: str
    difficulty: str | None = None
    """A label such as "3" or "level 5"; problems are grouped by it in every report."""
    split: str = "train"
    payload: Mapping[str, Any] = field(default_factory=lambda: NOTHING, hash=False)
    """Further columns of the task that its prompt template or its verifier reads: JSON values, frozen when given."""
    stratum: str | None = None
    """Of a set that its maker put together in exact shares instead of drawing it: which share the problem is of."""

    def __post_init__(self) -> None:
        if not isinstance(self.payload, FrozenMapping):
            object.__setattr__(self, "payload", freeze_mapping(self.payload, "payload"))

    @property
    def gold(self) -> str:
        """The gold answer; empty where there is none."""
        return self.answer or ""

    def to_json(self) -> JsonObject:
        """The fields by name; payload and stratum only where there is one."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("payload", "stratum")}
        further = {"payload": thaw(self.payload)} if self.payload else {}
        return values | further | ({} if self.stratum is None else {"stratum": self.stratum})


@dataclass(frozen=True, slots=True)
class Rollout:
    """One sampled response. Token ids are the sampled ones; nothing is ever decoded and encoded again.

    Example: ``Rollout("9f86...", 0, (1, 5, 6), (7, 8, 2), (-0.1, -0.7, -0.01), "2", Finish.EOS, 0)``
    """

    problem_id: str
    index: int
    """Place among the siblings of its problem, 0 <= index < G."""
    prompt_tokens: tuple[int, ...]
    """[Tp] prompt ids as fed to the model."""
    tokens: tuple[int, ...]
    """[T] sampled ids, the end-of-sequence token included when one was sampled."""
    logprobs: tuple[float, ...] | None
    """[T] natural log-probabilities of the sampled ids under the sampling distribution, or None."""
    text: str
    """Decoded response (special tokens dropped), for the judge and for people."""
    finish: Finish
    policy_version: int
    """How many optimizer iterations the sampling weights had behind them."""
    length_source: LengthSource = LengthSource.SAMPLED
    counted: int | None = None
    """Tokens as counted by somebody else, where there are no sampled ids (``length_source`` says by whom)."""
    served: Served | None = None

    @property
    def length(self) -> int:
        """T, in tokens: of the sampled ids, or as counted where there are none."""
        return len(self.tokens) if self.counted is None else self.counted


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of one response. Example: ``Verdict(Status.CORRECT, extracted="2", reason="equal text")``"""

    status: Status
    extracted: str | None
    """The final answer found in the response, or None."""
    reason: str
    seconds: float = 0.0
    """CPU seconds the comparison took (a measurement: never part of a decision)."""
    score: float | None = None
    """In [0, 1] from a verifier that grades; None: 1 where CORRECT, else 0."""
    outside: bool = False
    """UNJUDGED as something else than the answer ended its process, twice: nothing to keep, it can be judged again."""
    own_status: Status | None = None
    """What our own rule says, where a policy decided (``verify.published``)."""

    @property
    def credit(self) -> float:
        """In [0, 1]: the score, or 1 where CORRECT and 0 elsewhere."""
        return float(self.status is Status.CORRECT) if self.score is None else self.score


@dataclass(frozen=True, slots=True)
class Group:
    """The G responses to one problem with their verdicts, in the same order."""

    problem: Problem
    rollouts: tuple[Rollout, ...]
    verdicts: tuple[Verdict, ...]

    def __post_init__(self) -> None:
        if len(self.rollouts) != len(self.verdicts):
            raise ValueError(f"a group needs a verdict a rollout: {len(self.rollouts)} and {len(self.verdicts)}")
        pairs = zip(self.rollouts, self.verdicts, strict=True)
        if any(v.credit and r.finish is not Finish.EOS for r, v in pairs):
            raise ValueError("an unfinished response is never correct (``rollouts.respond`` sees to it)")

    @property
    def correct_G(self) -> BoolArray:
        """[G] judged CORRECT."""
        return np.array([v.status is Status.CORRECT for v in self.verdicts], dtype=np.bool_)

    @property
    def scores_G(self) -> FloatArray:
        """[G] in [0, 1]: what each response is worth before its length counts."""
        return np.array([v.credit for v in self.verdicts], dtype=np.float64)

    @property
    def truncated_G(self) -> BoolArray:
        """[G] True where the response did not end by itself."""
        return np.array([r.finish is not Finish.EOS for r in self.rollouts], dtype=np.bool_)

    @property
    def judged_G(self) -> BoolArray:
        """[G] False where the judge could not say."""
        return np.array([v.status is not Status.UNJUDGED for v in self.verdicts], dtype=np.bool_)

    @property
    def lengths_G(self) -> FloatArray:
        """[G] sampled tokens of each response."""
        return np.array([r.length for r in self.rollouts], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Credit:
    """What each response of a group earned (``tersely.objective``)."""

    rewards_G: FloatArray
    """[G] finite, 0 where not counted; in [0, 1] by the paper's method, of either sign by others."""
    advantages_G: FloatArray
    """[G]; 0 where not counted."""
    counted_G: BoolArray
    """[G] False for responses left out of every statistic (UNJUDGED)."""
    dropped: str | None
    """Why the whole group gives no credit, or None."""
    parts: dict[str, FloatArray] = field(default_factory=dict)
    """Named parts of the reward, each [G], as the method calls them: "accuracy", "penalty"."""

    @property
    def has_signal(self) -> bool:
        """False where every advantage is exactly 0: all counted rewards are equal and no normalisation moved them."""
        return self.dropped is None and bool(np.any(self.advantages_G != 0.0))


class Unit(StrEnum):
    """What an estimate counts as independent."""

    PROBLEMS = "problems"
    SEEDS = "seeds"
    SETS = "sets"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval; it never travels without it.

    Example: ``Estimate(value=0.81, low=0.78, high=0.84, n=600, method="t over problems")``. ``low`` and ``high``
    are None where no interval can be had (fewer than two units).
    """

    value: float
    low: float | None
    high: float | None
    n: int
    """Number of independent units (never responses)."""
    method: str
    unit: Unit = Unit.PROBLEMS

    def to_json(self) -> JsonObject:
        """Without the unit, which ``method`` says in words."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n, "method": self.method}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Estimate:
        """What ``to_json`` wrote of an estimate over problems (estimates of other units stand in no file)."""
        return cls(**found)


@dataclass(frozen=True, slots=True)
class EvalRecord:
    """One evaluated response: a line of ``responses.jsonl``."""

    problem_id: str
    question: str
    answer: str
    difficulty: str | None
    sample: int
    """Which of the k responses to the problem, from 0."""
    status: Status
    correct: bool
    """CORRECT and finished."""
    tokens: int
    finish: Finish
    extracted: str | None
    text: str
    thinking_tokens: int | None = None
    """Of ``tokens``, those up to and including the last ``</think>``; None in evaluations that did not count them."""
    length_source: LengthSource = LengthSource.SAMPLED
    """Where ``tokens`` comes from."""
    outside: bool = False
    """UNJUDGED by no fault of the answer (``Verdict.outside``): the next ``evaluate`` judges it again."""
    remark: str | None = None
    """What the judge said, where it is counted (``verify.summary.remark``)."""
    own_status: Status | None = None
    """What our own rule says, where a policy decided."""
    served: Served | None = None
    score: float | None = None
    """That the log gave it which this was imported from; None where there was none."""

    def to_json(self) -> JsonObject:
        """The line of ``responses.jsonl``, which names what most lines lack only where it is there."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        if self.length_source is LengthSource.SAMPLED:
            del values["length_source"]
        if not self.outside:
            del values["outside"]
        values["served"] = self.served and self.served.to_json()
        return {name: v for name, v in values.items() if v is not None or name not in _RARE}

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> EvalRecord:
        """A line of any release (older ones lack ``thinking_tokens``); what is no such line is a KeyError, TypeError or
        ValueError."""
        values = {f.name: line[f.name] for f in fields(cls) if f.default is MISSING or f.name in line}
        for name, kind in _NAMED.items():
            if name in values:
                values[name] = kind(values[name])
        return cls(**values)


_RARE = ("remark", "own_status", "served", "score")
_NAMED: Mapping[str, Callable[[Any], object]] = {
    "status": Status, "own_status": Status, "finish": Finish, "length_source": LengthSource, "served": Served.from_json,
}  # fmt: skip
