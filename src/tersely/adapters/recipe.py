"""What of our recipes an engine of others can express: shared refusals, and the problems as its data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from tersely.adapters.rows import Library
from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.objective import Objective
from tersely.records import Problem
from tersely.rollouts import judge_for, load_problems
from tersely.tasks.prompts import find_template


@dataclass(frozen=True, slots=True)
class Unlike:
    """A setting that an engine has nothing for.

    Example: ``Unlike("learner.loss", lambda c: c.learner.loss != "ppo_clip", "it has losses of its own", "ppo_clip")``
    """

    key: str
    asked: Callable[[TrainConfig], bool]
    """Whether a configuration asks for it."""
    why: str
    nearest: str
    """What of ours comes nearest, as one gives it."""

    def refuse(self, engine: str, config: TrainConfig) -> None:
        """UserError where the configuration asks for it."""
        if self.asked(config):
            value = reduce(getattr, self.key.split("."), config)
            said = getattr(value, "model_dump", lambda: value)()
            raise UserError(f"{self.key} = {said!r} cannot be had in {engine}: {self.why}; nearest is {self.nearest}")


NOT_SET = "to leave it out"
OF_ANY_ENGINE = (
    Unlike("revision", lambda c: c.revision is not None, "it takes a folder or a hub id as it is", "a folder"),
    Unlike("template", lambda c: find_template(c.template).around is not None, "it applies the model's chat template",
           "--template boxed"),
    Unlike("budgets", lambda c: c.budgets is not None, "its adapter is not told the budget of a prompt", NOT_SET),
    Unlike("learner.optimizer", lambda c: c.learner.optimizer != "adam", "it keeps fp32 moments",
           "--set learner.optimizer=adam"),
    Unlike("learner.loss", lambda c: c.learner.loss != "ppo_clip", "it has losses of its own",
           "--set learner.loss=ppo_clip"),
    Unlike("learner.mask_truncated", lambda c: c.learner.mask_truncated, "its loss takes every response",
           "--set learner.mask_truncated=false"),
    Unlike("learner.skip_no_signal", lambda c: c.learner.skip_no_signal == "always" and c.learner.kl_coefficient > 0,
           "its loss takes every response", "--set learner.skip_no_signal=auto"),
    Unlike("run.oversample", lambda c: c.run.oversample > 1, "its adapter sees groups after they were chosen",
           "--set run.oversample=1"),
    Unlike("run.device", lambda c: c.run.device == "cpu", "it trains on GPUs", "--set run.device=auto"),
    Unlike("sampling.engine", lambda c: c.sampling.engine not in ("auto", "vllm"), "it draws with vLLM",
           "--set sampling.engine=vllm"),
    Unlike("sampling.engine_options", lambda c: bool(c.sampling.engine_options), "it has its own names for them",
           "to leave them out and give its own with --override"),
)  # fmt: skip


def require_expressible(library: Library, config: TrainConfig, further: Iterable[Unlike] = ()) -> None:
    """UserError for the first setting that the engine has nothing for, and for an objective it cannot carry."""
    for rule in (*OF_ANY_ENGINE, *further):
        rule.refuse(library.name, config)
    objective = Objective(**config.objective.model_dump())
    library.require_carried(objective)
    objective.check_run(config.sampling.n, config.sampling.max_new_tokens)


def problems_of(config: TrainConfig) -> list[Problem]:
    """The problems that are trained on, once our judge can tell their answers; UserError as ``tersely train``."""
    with judge_for(None, config.run.judge_workers, config.verifier) as judge:
        found = load_problems(
            config.task, "train", config.train_size, judge, config.template, drop=config.drop_unjudgeable
        )
    return list(found.problems)


def objective_keys(config: TrainConfig) -> dict[str, Any]:
    """The section objective as an adapter takes it: what is as by default for the method is left out."""
    alpha = {} if config.objective.alpha is None else {"alpha": config.objective.alpha}
    return {**config.objective.model_dump(exclude_defaults=True), **alpha}


def opens_thoughts(model: str) -> bool:
    """Whether the model's chat template opens a thought at the end of every prompt. UserError for no such model."""
    from tersely.models.load import load_tokenizer
    from tersely.models.locate import locate_model
    from tersely.models.text import opens_thoughts

    return opens_thoughts(load_tokenizer(locate_model(model)))
