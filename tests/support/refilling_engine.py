"""An engine that starts the next response where one has ended, as vLLM does: the responses of ours, one row each.
`--engine refilling_engine:SPEC`."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterable, Sequence
from itertools import islice
from typing import ClassVar

from tersely.records import Rollout
from tersely.samplers.base import EngineSpec, Prompt, SamplerRequest, Sampling
from tersely.samplers.transformers import TransformersSampler


class RefillingSampler(TransformersSampler):
    rows: ClassVar[list[int]] = []
    """Decoded in each step."""
    asked: ClassVar[list[tuple[str, int]]] = []
    """Problem and sample of each prompt that was read."""
    stop_after: ClassVar[int | None] = None
    """So many responses must have ended for the process to get a SIGTERM."""

    def as_they_end(self, prompts: Iterable[Prompt], sampling: Sampling) -> Generator[Sequence[Rollout], None, None]:
        waiting, running, ended = iter(prompts), list[tuple[int, Rollout]](), 0
        while True:
            for prompt in islice(waiting, self.max_rows - len(running)):
                self.asked.append((prompt.problem_id, prompt.first_sample))
                (rollout,) = self.generate([prompt], sampling)
                running.append((rollout.length, rollout))
            if not running:
                return
            self.rows.append(len(running))
            running = [(left - 1, rollout) for left, rollout in running]
            over = [rollout for left, rollout in running if not left]
            running = [(left, rollout) for left, rollout in running if left]
            if self.stop_after is not None and ended < self.stop_after <= ended + len(over):
                os.kill(os.getpid(), signal.SIGTERM)
            ended += len(over)
            yield over


def make(request: SamplerRequest) -> RefillingSampler:
    return RefillingSampler(request.model, request.tokenizer, "model", request.settings.max_rows)


SPEC = EngineSpec(make)
