"""The gate that a base must pass: what it shows on problems of a split of their own, and whether that is enough."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from tersely.records import Group, Json, JsonObject, Problem, Status, Verdict
from tersely.tasks.sources.arithmetic import LEVELS

_ANSWER = re.compile(r"</think> \\boxed\{ (\d) \}$")
_CHECK = re.compile(r"Wait,|Let me check:|Alternatively,")


class FixedFormGrader:
    """A ``rollouts.Grader`` for the embedded task, whose answers are single digits in one fixed form: a regular
    expression reads them. It starts no process, and wants the form as it was taught."""

    def begin_grading(self, problem: Problem, text: str) -> None:
        return None

    def grade(self, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        return [_verdict(problem, text) for problem, text in pairs]


@dataclass(frozen=True, slots=True)
class GateNumbers:
    """What a base shows, one response to each problem."""

    accuracy: float
    accuracy_by_level: Mapping[str, float]
    tokens: float
    """A response, on average."""
    checks: float
    """Checking phrases a response, on average."""

    @classmethod
    def of(cls, groups: Sequence[Group]) -> GateNumbers:
        """Count groups of one response each."""
        correct = [bool(group.correct_G[0]) for group in groups]
        rollouts = [group.rollouts[0] for group in groups]
        by_level: dict[str, list[bool]] = {}
        for group, right in zip(groups, correct, strict=True):
            by_level.setdefault(str(group.problem.difficulty), []).append(right)
        return cls(
            accuracy=sum(correct) / len(correct),
            accuracy_by_level={level: sum(found) / len(found) for level, found in sorted(by_level.items())},
            tokens=sum(r.length for r in rollouts) / len(rollouts),
            checks=sum(len(_CHECK.findall(r.text)) for r in rollouts) / len(rollouts),
        )

    @classmethod
    def from_json(cls, content: Json) -> GateNumbers:
        return cls(content["accuracy"], content["accuracy_by_level"], content["tokens"], content["checks"])


@dataclass(frozen=True, slots=True)
class Gate:
    """What a base must show at temperature 1. Example: ``Gate(problems=300)``."""

    problems: int = 300
    seed: int = 0
    max_new_tokens: int = 320
    accuracy: float = 0.70
    hardest: float = 0.40
    """Accuracy at the highest level."""
    checks: float = 1.0
    """Checking phrases a response, on average."""
    attempts: int = 4

    def is_passed(self, shown: GateNumbers) -> bool:
        hardest = shown.accuracy_by_level[str(LEVELS[-1])]
        return shown.accuracy >= self.accuracy and hardest >= self.hardest and shown.checks >= self.checks


@dataclass(frozen=True, slots=True)
class Attempt:
    """One initialisation, trained to the end and judged."""

    seed: int
    passed: bool
    numbers: GateNumbers

    def to_json(self) -> JsonObject:
        return {"seed": self.seed, "passed": self.passed, **asdict(self.numbers)}

    @classmethod
    def from_json(cls, content: Json) -> Attempt:
        return cls(content["seed"], content["passed"], GateNumbers.from_json(content))


def _verdict(problem: Problem, text: str) -> Verdict:
    found = _ANSWER.search(text)
    if found is None:
        return Verdict(Status.NO_ANSWER, None, "no answer in the fixed form")
    return Verdict(Status.CORRECT if found[1] == problem.answer else Status.WRONG, found[1], "the fixed form")
