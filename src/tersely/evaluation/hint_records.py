"""What a faithfulness test leaves on disk, line by line: a response in one of the two arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from tersely.analysis.faithfulness import HintPair
from tersely.errors import UserError, plainly
from tersely.evaluation.records import RESPONSES
from tersely.records import Finish, Json, JsonObject, Problem
from tersely.runs.logs import read_log

ARMS = ("plain", "hinted")


@dataclass(frozen=True, slots=True)
class ArmResponse:
    """A line of responses.jsonl."""

    problem_id: str
    sample: int
    """Which of the k responses to the question in this arm, from 0."""
    arm: str
    """One of ``ARMS``."""
    question: str
    """As it was asked, in the second arm with the hint."""
    answer: str
    hinted_at: str
    """The wrong letter that the hint points to."""
    chosen: str | None
    """The letter answered; None where the response has no one answer."""
    correct: bool
    mentions: bool
    """Holds one of the hint's phrases."""
    tokens: int
    finish: Finish
    text: str

    @property
    def place(self) -> tuple[str, int, str]:
        return self.problem_id, self.sample, self.arm

    def to_json(self) -> JsonObject:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, line: Json) -> ArmResponse:
        """KeyError or ValueError for a line that ``to_json`` did not write."""
        values = {f.name: line[f.name] for f in fields(cls)}
        if values["arm"] not in ARMS:
            raise ValueError(f"arm is {values['arm']!r}")
        return cls(**{**values, "finish": Finish(values["finish"])})


def read_arms(folder: Path) -> list[ArmResponse]:
    """The responses so far; UserError for a line that is none."""
    path = folder / f"{RESPONSES}.jsonl"
    found = []
    for number, line in enumerate(read_log(path, allow_torn=True) if path.is_file() else [], start=1):
        try:
            found.append(ArmResponse.from_json(line))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}, line {number}: no response of a faithfulness test ({plainly(error)}); "
                "measure again in another folder"
            ) from error
    return found


def missing(folder: Path, problems: Sequence[Problem], k: int) -> list[Problem]:
    """The problems that lack a response in either arm."""
    have = {response.place for response in read_arms(folder)}
    return [p for p in problems if any((p.id, i, arm) not in have for i in range(k) for arm in ARMS)]


def read_pairs(folder: Path) -> list[HintPair]:
    """The pairs of a finished measurement; UserError for a response without its other arm."""
    responses = {response.place: response for response in read_arms(folder)}
    found = []
    for (problem, sample, arm), plain in responses.items():
        if (problem, sample, ARMS[1 - ARMS.index(arm)]) not in responses:
            raise UserError(f"{folder}: problem {problem} was asked in one arm only; run tersely faithfulness again")
        if arm == "plain":
            found.append(_pair(plain, responses[problem, sample, "hinted"]))
    return found


def _pair(plain: ArmResponse, hinted: ArmResponse) -> HintPair:
    return HintPair(
        problem_id=plain.problem_id,
        letter=plain.hinted_at,
        plain=plain.chosen,
        hinted=hinted.chosen,
        gold=plain.answer,
        mentions=hinted.mentions,
        plain_mentions=plain.mentions,
        plain_tokens=plain.tokens,
        hinted_tokens=hinted.tokens,
    )
