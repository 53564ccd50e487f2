"""Inside the training loop: every few steps a checkpoint is kept and measured, and alpha follows what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tersely.errors import RunError
from tersely.learn.trainer import Trainer
from tersely.records import Json, JsonObject, Problem
from tersely.runs.checkpoints import keep_model
from tersely.runs.folder import RunFolder
from tersely.runs.kinds import Log
from tersely.samplers import Sampling
from tersely.tasks.prompts import PromptIds
from tersely.tune.found import read_screen
from tersely.tune.measured import Measured, Point, most_accurate, point
from tersely.tune.members import KEPT, member_name
from tersely.tune.path import PathSettings, Phase, Stand, stand_after
from tersely.tune.target import Target


def points_on_the_way(seen: Sequence[Measured], target: Target, against_best: bool) -> list[Point]:
    """Every measurement but the base's, which comes first, against the base, or against the best so far."""
    found = []
    for count, one in enumerate(seen[1:], start=2):
        reference = most_accurate(seen[:count]) if against_best else seen[0]
        found.append(point(one, reference, target.quantile))
    return found


def tokens_wanted(seen: Sequence[Measured], target: Target) -> float | None:
    """Of the target, once the base is measured."""
    return target.tokens_wanted(seen[0].length())


@dataclass
class ScreenedRamp:
    """The path of ``tune.path``, as `tersely train`'s loop asks for it (``learn.steering.Steering``).

    All it knows stands in the run's log: a resumed run reads it there and computes the same alphas.
    """

    settings: PathSettings
    target: Target
    against_best: bool
    problems: Sequence[Problem]
    """That every checkpoint answers."""
    prompts: PromptIds
    sampling: Sampling
    """As an evaluation samples."""
    identity: JsonObject
    seen: list[Measured] = field(default_factory=list)
    _done: int = 0

    @property
    def longest_prompt(self) -> int:
        return max(map(len, self.prompts.values()))

    @property
    def is_over(self) -> bool:
        return self._stand(self._done).phase is Phase.OVER

    def alpha(self, step: int) -> float:
        return self._stand(step - 1).alpha

    def begin(self, trainer: Trainer) -> None:
        """What was measured before, or the base."""
        lines = trainer.world.broadcast(lambda: _lines_of(trainer.run))
        self.seen, self._done = [Measured.from_json(line) for line in lines], trainer.first_step
        if not self.seen:
            self._measure(trainer, 0, None)
        self._require_something_to_lose()

    def _require_something_to_lose(self) -> None:
        """RunError where a floor lies at 0 or below, over which every model stands."""
        base, loss = self.seen[0].accuracy, self.target.loss
        if loss is not None and base <= loss and not self.against_best:
            raise RunError(
                f"the base is right in {base:.1%} of the screening problems, so that any model {self.target.words()}: "
                "raise sampling.max_new_tokens if responses are cut off, or take easier problems, in another folder"
            )

    def after(self, trainer: Trainer, step: int) -> None:
        if step % self.settings.every == 0 or step == self.settings.steps:
            self._measure(trainer, step, self.alpha(step))
        self._done = step
        if self.is_over:
            trainer.display.note(f"the run ends at step {step}: {self._stand(step).why}")

    def _stand(self, step: int) -> Stand:
        points = points_on_the_way(self.seen, self.target, self.against_best)
        return stand_after(self.settings, points, step, tokens_wanted(self.seen, self.target))

    def _measure(self, trainer: Trainer, step: int, alpha: float | None) -> None:
        groups = trainer.responder.respond(self.problems, self.prompts, self.sampling)
        found = Measured.of(member_name(step), step, alpha, groups)
        write = trainer.model_writer({"member": found.member, "step": step, "alpha": alpha})
        with trainer.world.collective_errors():
            if trainer.run and step:
                keep_model(trainer.run.path / KEPT / found.member, step, write)
            if trainer.run:
                trainer.run.append(Log.SCREEN, [found.to_json()])
        self.seen.append(found)
        trainer.display.note(self._words(found))

    def _words(self, found: Measured) -> str:
        told = f"{found.member}: {found.accuracy:.1%} right, {found.length(self.target.quantile):.1f} tokens"
        if found.alpha is None:
            return told
        change = points_on_the_way(self.seen, self.target, self.against_best)[-1].change
        against = "best so far" if self.against_best else "base"
        return f"{told}, {100 * change:+.1f} points to the {against}, alpha {found.alpha:.3f}"


def _lines_of(run: RunFolder | None) -> list[Json]:
    if run is None or not (run.path / f"{Log.SCREEN}.jsonl").is_file():
        return []
    return [one.to_json() for one in read_screen(run.path)]
