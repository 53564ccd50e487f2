"""Any model on any of the sets, by `tersely evaluate` itself: what was answered once is never sampled again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tersely.analysis.clusters import accuracy_clusters
from tersely.config import TrainConfig
from tersely.display import Display
from tersely.errors import RunError
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.records import read_responses
from tersely.evaluation.run import measure
from tersely.evaluation.work import prepare
from tersely.records import EvalRecord, FloatArray, Problem
from tersely.rollouts import Grader
from tersely.runs.identity import read_run_config
from tersely.tune.members import Models

K = 2
"""Responses to each problem."""


def protocol_of(config: TrainConfig, size: int, task: str | None = None) -> EvalProtocol:
    """As `tersely evaluate` asks a run of this configuration, twice a problem. ``task``: another than its own."""
    return EvalProtocol(task or config.task, size, K, config.sampling.max_new_tokens, template=config.template)


@dataclass(frozen=True)
class Measuring:
    """Evaluates models on sets of problems, each in a folder of its own: OUT/SET/MODEL/TASK."""

    config: TrainConfig
    models: Models
    out: Path
    judge: Grader
    display: Display
    command: str
    tasks: Mapping[str, str] = field(default_factory=dict)
    """Which task a set's problems come from, by its name, where it is not the run's own."""
    _held: dict[tuple[str, str], list[EvalRecord]] = field(default_factory=dict)
    """Responses that were read before, by set and model."""

    def responses(
        self, name: str, problems: Sequence[Problem], which: str, size: int | None = None
    ) -> list[EvalRecord]:
        """Of model ``name`` to the first ``size`` problems (None: all) of the set called ``which``."""
        asked = problems[: size or len(problems)]
        wanted, held = {problem.id for problem in asked}, self._held.get((which, name), [])
        if len({record.problem_id for record in held} & wanted) < len(wanted):
            held = self._evaluated(name, problems, which, len(asked))
            self._held[which, name] = held
        return [record for record in held if record.problem_id in wanted]

    def _evaluated(self, name: str, problems: Sequence[Problem], which: str, size: int) -> list[EvalRecord]:
        place = self.out / which / name
        task = self.tasks.get(which)
        protocol = protocol_of(self.config, size, task)
        # Another target may have asked more of it before.
        there = read_run_config(place / protocol.name)
        size = max(size, 0 if there is None else int(there.config.get("size") or 0))
        work = prepare(
            self.models.folder(name),
            protocol_of(self.config, size, task),
            place,
            self.judge,
            problems=list(problems[:size]),
            engine=self.config.sampling.engine,
            max_rows=self.config.sampling.max_rows,
            threads=self.config.run.threads,
            **_AS_ITS_RUN,
            command=self.command,
        )
        if not work.is_done:
            self.display.note(f"{name}: {size} problems of the {which} set")
            measure(work, self.display)
        return read_responses(work.folder)


_AS_ITS_RUN: Any = {"other_template": True, "other_verifier": True}
"""The base is asked as the run asked it, whatever it was itself trained with."""


def changes(base: Sequence[EvalRecord], model: Sequence[EvalRecord], order: Sequence[Problem]) -> FloatArray:
    """[P] change of the share right on each problem that both could be judged on, in order. RunError for none."""
    before, after = accuracy_clusters(base), accuracy_clusters(model)
    common = [problem.id for problem in order if problem.id in before and problem.id in after]
    if not common:
        raise RunError("not one response to the problems of a test could be judged: look at the answers with `show`")
    return np.array([np.mean(after[p]) - np.mean(before[p]) for p in common], dtype=np.float64)
