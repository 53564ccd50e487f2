"""The gate that a base must pass: what it shows on problems of a split of their own, and whether that is enough."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

from tersely.records import Group, Json, JsonObject, Problem, Status, Verdict
from tersely.verify.kinds import look_up

_ANSWER = re.compile(r"</think> \\boxed\{ ([^{}]*) \}$")

Behaviours = Callable[[str], Mapping[str, int]]
"""Text of a response -> how often it shows each habit; one of them is called "check"."""


class FixedFormGrader:
    """A ``rollouts.Grader`` for the embedded tasks, whose answers stand in one fixed form: a regular expression finds
    them and their kind decides. It starts no process, and wants the form as it was taught."""

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
    truncated: float = 0.0
    """Share of responses that did not end by themselves."""
    habits: Mapping[str, float] = field(default_factory=dict)
    """Share of responses that show each behaviour at all."""

    @classmethod
    def of(cls, groups: Sequence[Group], behaviours: Behaviours) -> GateNumbers:
        """Count groups of one response each."""
        correct = [bool(group.correct_G[0]) for group in groups]
        rollouts = [group.rollouts[0] for group in groups]
        counts = [behaviours(rollout.text) for rollout in rollouts]
        shown = Counter(name for count in counts for name, times in count.items() if times)
        by_level: dict[str, list[bool]] = {}
        for group, right in zip(groups, correct, strict=True):
            by_level.setdefault(str(group.problem.difficulty), []).append(right)
        return cls(
            accuracy=sum(correct) / len(correct),
            accuracy_by_level={level: sum(found) / len(found) for level, found in sorted(by_level.items())},
            tokens=sum(r.length for r in rollouts) / len(rollouts),
            checks=sum(count["check"] for count in counts) / len(counts),
            truncated=sum(bool(group.truncated_G[0]) for group in groups) / len(groups),
            habits={name: shown[name] / len(counts) for name in counts[0]},
        )

    @classmethod
    def from_json(cls, content: Json) -> GateNumbers:
        """What an attempt says of itself, in any release."""
        return cls(**{f.name: content[f.name] for f in fields(cls) if f.name in content})


@dataclass(frozen=True, slots=True)
class Gate:
    """What a base must show. Example: ``Gate(problems=300)``, that of arithmetic."""

    problems: int = 300
    seed: int = 0
    max_new_tokens: int = 320
    accuracy: float = 0.70
    hardest: float = 0.40
    """Accuracy at the highest level."""
    checks: float = 1.0
    """Checking phrases a response, on average."""
    attempts: int = 4
    temperature: float = 1.0
    most_accuracy: float = 1.0
    """Above it nothing is left to be learnt."""
    tokens: float | None = None
    """A response, on average and at most; None: any."""
    truncated: float = 1.0
    """Share of responses that do not end by themselves, at most."""
    habit: float = 0.0
    """Share of responses that show a behaviour, at least, for each behaviour."""

    def to_json(self) -> JsonObject:
        """As a run folder keeps it: what is asked of no arithmetic base leaves no key there, for those from before."""
        later, usual = ("temperature", "most_accuracy", "tokens", "truncated", "habit"), asdict(Gate())
        return {name: value for name, value in asdict(self).items() if name not in later or usual[name] != value}

    def is_passed(self, shown: GateNumbers) -> bool:
        hardest = shown.accuracy_by_level[max(shown.accuracy_by_level)]
        right = self.accuracy <= shown.accuracy <= self.most_accuracy and hardest >= self.hardest
        short = self.tokens is None or shown.tokens <= self.tokens
        habits = shown.checks >= self.checks and all(share >= self.habit for share in shown.habits.values())
        return right and short and habits and shown.truncated <= self.truncated


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
    status, reason = look_up(problem.kind).decide(problem.gold, found[1])
    return Verdict(status or Status.WRONG, found[1], reason)
