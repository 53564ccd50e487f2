"""Steps in which not one answer was right: said at the first, and the end of the run after a few."""

from __future__ import annotations

from collections.abc import Sequence

from tersely.config import TrainConfig
from tersely.errors import RunError
from tersely.journal import StepRecord

MOSTLY = 0.75
"""Share of the responses from which a fault counts as theirs all."""


class AllWrong:
    """Counts such steps in a row. Where no reward differs but by chance, training leads nowhere, or away."""

    def __init__(self, config: TrainConfig, earlier: Sequence[bool] = ()) -> None:
        """``earlier``: of each step before, whether any answer was right."""
        self._config = config
        self.row = next((i for i, right in enumerate(reversed(earlier)) if right), len(earlier))
        """Steps in a row, the latest last, without one right answer."""
        self._was_right = any(earlier)
        """Whether the model solved anything before."""

    @property
    def holds_back(self) -> bool:
        """Whether a checkpoint should wait, so that the last one is from before these steps."""
        return self.row > 0 and self._config.run.all_wrong_stop > 0

    def see(self, record: StepRecord) -> str | None:
        """A sentence at the first such step, and at the last of a run too short to be ended. RunError after
        ``run.all_wrong_stop`` of them."""
        if any_right(record):
            self.row, self._was_right = 0, True
            return None
        self.row += 1
        most = self._config.run.all_wrong_stop
        if most and self.row >= most:
            raise RunError(
                f"not one answer was right in {self.row} steps in a row, so nothing can be learnt; what was "
                f"saved before stands: {self._cure(record)} (--set run.all_wrong_stop=0 goes on regardless)"
            )
        if self.row == record.step == self._config.run.steps:
            return f"not one answer was right in the whole run, so nothing was learnt: {self._cure(record)}"
        if self.row > 1:
            return None
        ends = f"; after {most} such steps in a row the run ends" if most else ""
        return f"step {record.step}: none of the {record.responses} answers was right{ends}: {self._cure(record)}"

    def _cure(self, record: StepRecord) -> str:
        """By what most responses lack."""
        if record.truncated > MOSTLY:
            cap = record.cap or self._config.sampling.max_new_tokens
            return f"{record.truncated:.0%} of them were cut off at {cap} tokens: raise sampling.max_new_tokens"
        if self._was_right:
            return (
                "some were right before, so training may have broken the model: lower learner.learning_rate, in "
                "another folder"
            )
        if record.no_answer > MOSTLY:
            other = "plain" if self._config.template == "boxed" else "boxed"
            return (
                f"{record.no_answer:.0%} of them state no answer that can be read (samples.jsonl shows some): ask for "
                f"one, --template {other} in another folder"
            )
        return (
            "take easier problems or a stronger model, and look with `tersely profile` whether it solves any of them; "
            "samples.jsonl shows what was expected and said"
        )


def any_right(step: StepRecord) -> bool:
    """Whether an answer was right, or worth something to a verifier that grades."""
    return step.accuracy != 0.0 or (step.reward is not None and step.reward > 0.0)
