"""Judged responses of the present weights, from all processes that train together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tersely.config import TrainConfig
from tersely.display import Display
from tersely.errors import RunError
from tersely.learn.group_codec import decode, decode_verdict, encode, encode_verdict
from tersely.learn.memory import explain_training_memory
from tersely.learn.parallel import World
from tersely.learn.run_setup import keep_unjudged
from tersely.models.text import ResponseText
from tersely.records import Group, Problem, Status, Verdict
from tersely.rollouts import Grader, respond, unjudged_words
from tersely.runs.folder import RunFolder
from tersely.samplers import Sampler, Sampling
from tersely.samplers.base import Finished
from tersely.tasks.prompts import PromptIds
from tersely.verify import Judge


@dataclass(frozen=True, slots=True)
class Responder:
    """Samples and judges each process's share, and tells every process all of it."""

    config: TrainConfig
    sampler: Sampler
    judge: Grader
    reading: ResponseText
    run: RunFolder | None
    display: Display
    world: World
    together: int = 1
    """Neighbouring processes that sample the same share with one engine."""

    def respond(
        self,
        problems: Sequence[Problem],
        prompts: PromptIds,
        sampling: Sampling,
        on_sampled: Callable[[], None] | None = None,
        on_finished: Finished | None = None,
    ) -> list[Group]:
        """Judged responses of the present weights, of all processes; every one of them must call."""
        with self.world.collective_errors(), explain_training_memory("sampling", self.config, self.world.size):
            own_groups = respond(
                self.world.share(problems, self.together),
                prompts,
                self.sampler,
                self.judge,
                sampling,
                reading=self.reading,
                on_progress=lambda done, total: self.display.phase("sampling", done, total),
                on_finished=on_finished,
                on_sampled=on_sampled,
            )
        self._keep_unjudged()
        return self._exchange(problems, prompts, own_groups)

    def _keep_unjudged(self) -> None:
        """What the judge of any process could not say is known to all from now on, and kept: it is part of what
        happened."""
        if not isinstance(self.judge, Judge):
            return
        fresh = {k: encode_verdict(v) for k, v in self.judge.unjudged.items() if k not in self.judge.known}
        told = {k: decode_verdict(v) for part in self.world.all_gather(fresh) for k, v in part.items()}
        self.judge.known.update(told)
        self.judge.unjudged.update(told)
        with self.world.collective_errors():
            if told and self.run:
                keep_unjudged(self.run, self.judge.unjudged)

    def _exchange(self, problems: Sequence[Problem], prompts: PromptIds, own_groups: Sequence[Group]) -> list[Group]:
        """The groups of all problems, from the shares of all processes."""
        if self.world.size == 1:
            return list(own_groups)
        records = self.world.merge(self.world.all_gather([encode(group) for group in own_groups]), self.together)
        return [decode(p, prompts[p.id], r) for p, r in zip(problems, records, strict=True)]

    def check_unjudged(self, verdicts: Sequence[Verdict]) -> None:
        """An alarm above one rate, a stop above another; one or two single answers never stop a run."""
        unjudged = sum(v.status is Status.UNJUDGED for v in verdicts)
        rate, settings, text = unjudged / len(verdicts), self.config.run, unjudged_words(verdicts)
        if text is None or rate <= settings.unjudged_alarm:
            return
        if rate > settings.unjudged_stop and unjudged > 2:
            raise self.world.raise_on_rank0(
                RunError(
                    f"{text}; above run.unjudged_stop = {settings.unjudged_stop:.1%} the rewards cannot be trusted: "
                    "the last checkpoint stands; look at the answers, then run the same command again"
                )
            )
        self.display.note(text)
