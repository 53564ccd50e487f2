"""Before a chain's first sample: whatever one of its commands would refuse later, perhaps after hours of training.

The checks are those of the commands themselves, made here in one process; no weights are loaded, nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol

if TYPE_CHECKING:
    from tersely.records import JsonObject, Problem
    from tersely.rollouts import Grader, Loaded

AS_ASKED = ("task", "train_size", "template", "drop_unjudgeable", "budgets", "budget_line", "seed")
"""Settings on which it depends which problems are asked, and how; the seed draws budgets."""


def look_at_training(runs: Mapping[Path, TrainConfig], protocol: EvalProtocol) -> set[Path]:
    """The runs that are finished. UserError where base, problems or settings cannot be trained and evaluated on, or a
    run folder is of other work.

    All start from one base with one verifier, and are evaluated by ``protocol``.
    """
    from tersely.learn.run_setup import refuse_settings
    from tersely.rollouts import judge_for

    first = next(iter(runs.values()))
    for run, config in runs.items():
        with _said_of(run, alone=len(runs) == 1):
            refuse_settings(config)
    with judge_for(None, 1, first.verifier) as judge:
        looking = _Looking(first, protocol, judge)
        finished = set()
        for run, config in runs.items():
            looking.problems(config)
            with _said_of(run, alone=len(runs) == 1):
                if looking.at(run, config):
                    finished.add(run)
    return finished


@contextmanager
def _said_of(run: Path, alone: bool) -> Iterator[None]:
    """A refusal of one run among several says which."""
    try:
        yield
    except UserError as error:
        raise error if alone else UserError(f"run {run.name}: {error}") from error


class _Looking:
    """What several runs share is looked at once."""

    def __init__(self, config: TrainConfig, protocol: EvalProtocol, judge: Grader) -> None:
        from tersely.models.load import load_tokenizer
        from tersely.models.locate import locate_model

        self.judge, self.protocol = judge, protocol
        self.folder = locate_model(config.model, config.revision)
        self.tokenizer = load_tokenizer(self.folder)
        self._loaded: dict[str, tuple[Loaded, JsonObject]] = {}

    @cached_property
    def asked(self) -> list[Problem]:
        """Held-out problems, the same for all runs."""
        from tersely.rollouts import load_problems

        protocol = self.protocol
        return load_problems(protocol.task, "held_out", protocol.size, self.judge, protocol.template or "").problems

    def at(self, run: Path, config: TrainConfig) -> bool:
        """Whether the run is finished. UserError where it cannot be begun, or the folder is of other work."""
        from tersely.learn.run_setup import more_steps, require_enough_problems, run_identity
        from tersely.rollouts import verifier_of
        from tersely.runs.folder import RunFolder
        from tersely.runs.kinds import RunKind

        loaded, asking = self.problems(config)
        require_enough_problems(config, len(loaded.problems))
        identity = run_identity(config, self.folder, loaded, verifier_of(self.judge), asking)
        return RunFolder.look(run, RunKind.TRAIN, identity, more_steps(identity)) is not None

    def problems(self, config: TrainConfig) -> tuple[Loaded, JsonObject]:
        """What is trained on, and how it is asked; loaded once for all runs that ask the same."""
        key = repr([getattr(config, name) for name in AS_ASKED if name != "seed" or config.budgets is not None])
        if key not in self._loaded:
            self._loaded[key] = self._load(config)
        return self._loaded[key]

    def _load(self, config: TrainConfig) -> tuple[Loaded, JsonObject]:
        from tersely.models.load import load_config
        from tersely.models.positions import Room
        from tersely.models.prompt_identity import prompt_identity_of
        from tersely.rollouts import load_problems
        from tersely.tasks.overlap import refuse_shared, refuse_trained_on
        from tersely.tasks.prompts import render_all
        from tersely.tasks.training_prompts import TrainingPrompts

        drop = config.drop_unjudgeable
        loaded = load_problems(config.task, "train", config.train_size, self.judge, config.template, drop=drop)
        refuse_shared(config.task, loaded.problems, self.protocol.task, self.asked)
        refuse_trained_on(Path(config.model), self.asked, allow=False)
        prompts = TrainingPrompts.of(config).render(loaded.problems, self.tokenizer)
        more = render_all(self.asked, self.tokenizer, config.template)
        longest = max(len(prompt) for prompt in (*prompts.values(), *more.values()))
        Room.of(load_config(self.folder).to_dict()).require(
            longest, config.sampling.max_new_tokens, "--set sampling.max_new_tokens=", config.template
        )
        return loaded, prompt_identity_of(self.folder, self.tokenizer, prompts)


def look_at_evaluation(
    model: Path,
    protocol: EvalProtocol,
    out: Path | None,
    verifier: str | None = None,
    *,
    measured_as_its_runs: bool = False,
) -> bool:
    """Whether it is finished. UserError where `tersely evaluate` would refuse this model, or its evaluation's folder is
    of other work.

    ``measured_as_its_runs``: a base, whatever it was itself trained with.
    """
    from tersely.evaluation.work import prepare
    from tersely.rollouts import judge_for

    with judge_for(None, 1, verifier) as judge:
        other = measured_as_its_runs
        return prepare(model, protocol, out, judge, command="", other_template=other, other_verifier=other).is_done
