"""What `tersely tune` found, as one sealed file and one plain sentence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tersely.records import Estimate, JsonObject
from tersely.tune.choice import Choice
from tersely.tune.last_word import LastWord, Versus
from tersely.tune.measured import BASE
from tersely.tune.target import Target, points


@dataclass(frozen=True, slots=True)
class Certificate:
    """The chosen model, what it was chosen by, and what it is like on problems that decided nothing."""

    target: Target
    confidence: float
    choice: Choice
    model: Path
    """The chosen model's folder: `tersely evaluate` and every server take it."""
    weights_sha256: str
    base: str
    base_sha256: str
    word: LastWord
    sets: JsonObject
    protocol: JsonObject
    """How all of it was sampled."""

    @property
    def verdict(self) -> str:
        """``certified``, ``not certified``; for a length ``met``, ``not met``."""
        if self.target.loss is None:
            return "met" if self.choice.met else "not met"
        return "certified" if self.choice.met else "not certified"

    def to_json(self) -> JsonObject:
        return {
            "verdict": self.verdict,
            "sentence": self.sentence(),
            "target": self.target.to_json(),
            "confidence": self.confidence,
            "member": self.choice.member,
            "model": str(self.model),
            "weights_sha256": self.weights_sha256,
            "base": self.base,
            "base_sha256": self.base_sha256,
            "reference": self.choice.reference,
            "trials": [trial.to_json() for trial in self.choice.trials],
            "problems_that_would_decide": self.choice.undecided,
            "length": self.choice.length,
            "length_problems": self.choice.problems,
            "last_word": self.word.to_json(),
            "sets": self.sets,
            "protocol": self.protocol,
        }

    def sentence(self) -> str:
        """What came of it, plainly."""
        return " ".join([self._verdict_words(), *_word_words(self.word, self.choice)])

    def _verdict_words(self) -> str:
        choice, asked = self.choice, self.target.words()
        if self.target.loss is None:
            if choice.met:
                return f"{choice.member} {asked}: {choice.length:.1f} on {choice.problems} problems of the test."
            return (
                f"None of these models {asked}: the shortest, {choice.member}, needs {choice.length:.1f} on "
                f"{choice.problems} problems of the test; a run with more steps, in another folder, may find a shorter "
                "one."
            )
        sure = f"{100 * self.confidence:g} % confidence"
        if choice.met:
            return f"{choice.member} {asked} against {_called(choice.reference)} ({sure}): {_passed(choice)}."
        return f"Not certified: no shorter model was shown to lose at most {points(self.target.loss)}. {self._why()}"

    def _why(self) -> str:
        """Why nothing was certified, and what would decide it."""
        choice, returned = self.choice, f"{_called(self.choice.reference).capitalize()} is returned as it is."
        if not choice.trials:
            return f"No checkpoint came near it on the screening problems. {returned}"
        first = choice.trials[-1]
        where = "" if first.test == "test" else f" of {first.test}"
        seen = (
            f"{first.member}, the most careful, changed by {_points(first.change)} on {first.problems} problems{where}"
        )
        if choice.undecided is None:
            return f"{seen}, which is more than may be lost: no number of problems would show otherwise. {returned}"
        return f"{seen} and by {_points(first.low)} at worst: about {choice.undecided} would decide it. {returned}"


def _passed(choice: Choice) -> str:
    trials = [trial for trial in choice.trials if trial.member == choice.member]
    return "; ".join(
        f"on {trial.problems} problems {'that nothing was chosen by' if trial.test == 'test' else f'of {trial.test}'}, "
        f"its accuracy changed by {_points(trial.change)}, by {_points(trial.low)} at worst"
        for trial in trials
    )


def _word_words(word: LastWord, choice: Choice) -> list[str]:
    """Of the further problems: change, tokens, and who pays."""
    told = [
        f"It is right in {word.accuracy:.1%} and needs {_interval(word.tokens)} tokens a response, {word.p95:.0f} in "
        "95 % of them."
    ]
    told += [_versus_words(one) for one in word.versus]
    if word.thirds:
        name, pays = min(word.thirds.items(), key=lambda one: one[1].change)
        told.append(
            f"Of its thirds by difficulty the {name.removesuffix(' third')} one pays most: {_points(pays.change)}."
        )
    return told


def _versus_words(one: Versus) -> str:
    return (
        f"Against {_called(one.against)}, on {one.problems} further problems: {_points(one.change)}, at worst "
        f"{_points(one.low)}, {one.saving.value:.0%} of the tokens saved."
    )


def _called(member: str) -> str:
    return "the base" if member == BASE else member


def _points(share: float) -> str:
    return f"{100 * share:+.2f} points"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.1f}"
    return f"{estimate.value:.1f} ({estimate.low:.1f} to {estimate.high:.1f})"
