"""Before the first step: everything looked at, then the run folder opened, then what it knows read.

With several processes rank 0 opens the folder, and every one learns what is in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely.config import TrainConfig
from tersely.display import Display
from tersely.errors import UserError
from tersely.facts import Facts
from tersely.learn.base_model import LoadedBase, require_libraries
from tersely.learn.caps import CONSTANT, CapSchedule, find_caps
from tersely.learn.group_codec import decode_verdict, encode_verdict
from tersely.learn.health.asked import Asked, asked
from tersely.learn.health.stopped import require_not_stopped
from tersely.learn.losses import find_loss
from tersely.learn.memory import explain_training_memory
from tersely.learn.parallel import World, require_teams
from tersely.learn.room import require_disk
from tersely.models.digest import weights_digest_once
from tersely.models.environment import differences, environment
from tersely.models.locate import locate_model
from tersely.objective import Need, Objective
from tersely.records import Json, JsonObject, Problem, Verdict
from tersely.rollouts import Grader, Loaded, load_problems, verifier_of
from tersely.runs import disk
from tersely.runs.folder import Checkpoint, RunFolder
from tersely.runs.identity import Grows, same_work
from tersely.runs.json_file import read_record
from tersely.runs.kinds import RunKind
from tersely.tasks import task_digest
from tersely.tasks.order import too_few
from tersely.tasks.overlap import TRAINED_ON, keep_trained_on
from tersely.tasks.prompts import PromptIds
from tersely.tasks.sources.own import OwnTask
from tersely.tasks.training_prompts import require_levels
from tersely.trackers import require_tracker

OPERATIONAL = ("threads", "keep", "judge_workers", "probe", "report_to", "all_wrong_stop")
"""Settings of the run section that don't identify the work: a resume may change them."""

RESOURCE_KEYS = {
    "sampling": ("max_rows", "engine_memory", "engine_sleep"),
    "learner": ("token_budget", "gradient_checkpointing", "sharding", "under_the_tail"),
}
"""Settings that say how much is done at once, not what: a run that ran out of memory goes on with others. The sums are
the same but for rounding."""

OFF_BY_DEFAULT = {
    "clip_high": None,
    "dual_clip": None,
    "mask_truncated": False,
    "kl_cov_share": 0.002,
    "kl_cov_coefficient": 1.0,
}
"""Settings of the learner that leave no key where they are as they were before there was a choice."""

UNJUDGED = "unjudged.json"
"""Verdicts that the judge could not reach, by key."""


@dataclass(frozen=True, slots=True)
class TrainSummary:
    """What a run has done: done.json, where it is finished."""

    steps: int
    optimizer_steps: int
    finished: bool = True

    def to_json(self) -> dict[str, int]:
        return {"steps": self.steps, "optimizer_steps": self.optimizer_steps}

    @classmethod
    def from_json(cls, content: Json) -> TrainSummary:
        """KeyError, TypeError or ValueError for what ``to_json`` did not write."""
        return cls(int(content["steps"]), int(content["optimizer_steps"]))


@dataclass(frozen=True, slots=True)
class Ready:
    """What a run starts from, all of it looked at (the model apart, so that it can be let go of)."""

    objective: Objective
    caps: CapSchedule
    rules: Sequence[Asked]
    """That look on while it trains."""
    loaded: Loaded
    prompts: PromptIds
    prompt_identity: JsonObject
    """Of prompts, chat template and end tokens."""
    folder: Path
    facts: Facts
    verifier: str | None
    """What judges in place of our answer kinds."""
    longest_measured: int = 0
    """Tokens of the longest prompt that is answered besides, not trained on."""

    @property
    def problems(self) -> Sequence[Problem]:
        return self.loaded.problems

    @property
    def notice(self) -> str | None:
        """What to know of another objective than the paper's."""
        return None if self.objective.method == "paper" else self.objective.notice

    @property
    def longest_prompt(self) -> int:
        return max(self.longest_measured, *map(len, self.prompts.values()))


@dataclass(frozen=True, slots=True)
class ResumeState:
    """What the run folder knows before the first step of this process."""

    done: TrainSummary | None
    unjudged: Mapping[str, Verdict]
    """Answers that could not be judged before: they stay so on a replay, however fast the machine is today."""


def look_before_training(
    config: TrainConfig, judge: Grader, world: World, problems: OwnTask | None = None, longest_measured: int = 0
) -> tuple[Ready, LoadedBase]:
    """Refuse, in one sentence, whatever cannot work (UserError); nothing is written. Loads the base."""
    with world.collective_errors():
        objective, caps, rules = refuse_settings(config)
        facts = Facts.asked(config.sampling, config.run.device, config.run.dtype, world.own_device)
        require_work_for_all(config, world, facts.traits.processes)
        folder = locate_model(config.model, config.revision)
        drop = config.drop_unjudgeable
        loaded = load_problems(problems or config.task, "train", config.train_size, judge, config.template, drop=drop)
        chosen = loaded.problems
        require_enough_problems(config, len(chosen))
    with explain_training_memory("loading", config, world.size):
        base = LoadedBase.load(folder, config, facts, world, chosen)
    with world.collective_errors():
        asking = base.prompt_identity()
        verifier = verifier_of(judge)
    parts = (objective, caps, rules, loaded, base.prompts, asking, folder, facts, verifier, longest_measured)
    return Ready(*parts), base


def refuse_settings(config: TrainConfig) -> tuple[Objective, CapSchedule, list[Asked]]:
    """Objective, caps and health rules, once everything was looked at for which neither model nor problems are needed
    (UserError)."""
    objective = Objective(**config.objective.model_dump())
    require_levels(config, objective)
    require_budgets(config, objective)
    caps, rules = find_caps(config, objective), asked(config.health)
    find_loss(config.learner.loss)
    require_tracker(config.run.report_to)
    require_libraries(config)
    return objective, caps, rules


def require_enough_problems(config: TrainConfig, have: int) -> None:
    """UserError where a step draws more problems than there are; the cure is enough if obeyed once."""
    if config.drawn > have:
        prompts = int(have / config.run.oversample)
        raise UserError(too_few(have, config.drawn, prompts - prompts % config.learner.updates))


def require_budgets(config: TrainConfig, objective: Objective) -> None:
    """Whoever looks at a budget is given one, and nobody is asked for a length that nothing looks at."""
    looks = Need.BUDGET in objective.needs
    if looks and config.budgets is None:
        cap = config.sampling.max_new_tokens
        raise UserError(
            f"objective {objective.method!r} compares lengths with a budget that each prompt asks for: say from which "
            f"to which number of tokens, for example --set budgets=[{min(100, max(1, cap // 10))},{min(4000, cap)}]"
        )
    if config.budgets is None and config.budget_line != "limit":
        raise UserError(
            f"budget_line = {config.budget_line!r} says how budgets are asked for, and none are: leave it out, or "
            "give budgets to an objective that looks at them, l1-exact or l1-max"
        )
    if config.budgets is not None and not looks:
        raise UserError(
            f"budgets = {list(config.budgets)} would be asked for in every prompt, but objective {objective.method!r} "
            "looks at none: leave budgets out, or take l1-exact or l1-max"
        )


def require_work_for_all(config: TrainConfig, world: World, together: int = 1) -> None:
    """Whole groups are sampled by one engine, which ``together`` processes are, and each engine has one at least."""
    require_teams(world, together)
    engines = world.size // together
    if config.sampling.prompts < engines:
        raise UserError(
            f"sampling.prompts = {config.sampling.prompts} leaves some of {engines} processes without a problem to "
            f"sample: make prompts {engines} at least, or start fewer processes"
        )


def open_run(
    out: Path, config: TrainConfig, ready: Ready, world: World, steered_by: JsonObject, model: Any
) -> AbstractContextManager[RunFolder | None]:
    """The run folder, locked, on rank 0; nothing on the others. ``steered_by``: a part of what identifies the run.

    UserError where its disk has no room for the checkpoints of such a ``model``.
    """
    with world.collective_errors():
        if world.is_main:
            require_disk(out, config, ready.facts, model, world.size)
            own = run_identity(config, ready.folder, ready.loaded, ready.verifier, ready.prompt_identity)
            identity = {**own, **steered_by}
            return RunFolder.open(
                out,
                RunKind.TRAIN,
                identity,
                keep=config.run.keep,
                keep_weights=config.checkpoint.weights_only,
                grows=more_steps(identity),
            )
    return nullcontext()


def run_identity(
    config: TrainConfig, folder: Path, loaded: Loaded, verifier: str | None, asking: JsonObject
) -> JsonObject:
    """What a resumed run must share with the one begun: configuration, weights, problems and how they are asked."""
    settings = {**config.model_dump(mode="json"), "sampling": config.sampling.record()}
    for key in OPERATIONAL:
        settings["run"].pop(key)
    for section, keys in RESOURCE_KEYS.items():
        for key in keys:
            settings[section].pop(key)
    digests = {"model_sha256": weights_digest_once(folder), "task_sha256": task_digest(loaded.problems)}
    del settings["checkpoint"]  # what is kept of the work
    del settings["drop_unjudgeable"]  # what it dropped is said
    del settings["health"]  # looks on, and changes nothing that a step does
    settings["objective"] = config.objective.record()
    # What is off leaves no key, so that runs from before it was there go on.
    if config.budgets is None:
        del settings["budgets"], settings["budget_line"]
    if not config.objective.levels:
        del settings["level_line"]
    if config.run.oversample == 1:
        del settings["run"]["oversample"]
    if config.run.cap_schedule == CONSTANT:
        del settings["run"]["cap_schedule"], settings["run"]["cap_settings"]
    for name, off in OFF_BY_DEFAULT.items():
        if settings["learner"][name] == off:
            del settings["learner"][name]
    return {**settings, "verifier": verifier, **digests, **loaded.identity, **asking}


def more_steps(wanted: Mapping[str, Any]) -> Grows:
    """A run of fewer steps is a beginning of this one: all that a step does is a function of its number."""

    def grows(old: Json) -> bool:
        steps = old["run"].get("steps") if isinstance(old.get("run"), dict) else None
        shorter = {**wanted, "run": {**wanted["run"], "steps": steps}}
        return isinstance(steps, int) and steps < wanted["run"]["steps"] and same_work(old, shorter)

    return grows


def read_resume_state(run: RunFolder | None, ready: Ready, world: World) -> ResumeState:
    """What rank 0 finds in the folder, on every rank. HealthError where a rule ended the run and would again."""
    found = world.broadcast(lambda: _found(run, ready) if run else None) or {"done": None, "unjudged": {}}
    unjudged = {key: decode_verdict(verdict) for key, verdict in found["unjudged"].items()}
    return ResumeState(None if found["done"] is None else TrainSummary.from_json(found["done"]), unjudged)


def _found(run: RunFolder, ready: Ready) -> Json:
    if run.done is None:
        require_not_stopped(run.path, ready.rules)
    if run.done is None and not (run.path / TRAINED_ON).exists():
        keep_trained_on(run.path, [problem.id for problem in ready.problems])
    path = run.path / UNJUDGED
    unjudged: Json = {}
    if os.path.lexists(path):
        unjudged = read_record(path, "the answers that could not be judged", _whole_verdicts)
    done = run.read_done(TrainSummary.from_json)
    return {"done": None if done is None else done.to_json(), "unjudged": unjudged}


def _whole_verdicts(content: Json) -> Json:
    """The content, once every verdict in it is known to be one."""
    for record in content.values():
        decode_verdict(record)
    return content


def keep_unjudged(run: RunFolder, unjudged: Mapping[str, Verdict]) -> None:
    """Write the verdicts that could not be reached: durable before anything is built on them, and never rewound."""
    disk.write_json_atomic(run.path / UNJUDGED, {key: encode_verdict(verdict) for key, verdict in unjudged.items()})


def resume_point(
    run: RunFolder | None, environment: Mapping[str, Any], world: World, display: Display
) -> Checkpoint | None:
    """The newest whole checkpoint; rank 0 looks for it, cuts the logs back, and tells where it lies."""
    found = world.broadcast(lambda: _rewound(run, display) if run else None)
    if found is None:
        return None
    checkpoint = Checkpoint(Path(found["path"]), found["step"], found["state"], {})
    display.note(f"going on from step {checkpoint.step}")
    before = {"processes": 1, "under_the_tail": False, "engine": environment["engine"]}
    for sentence in differences({**before, **checkpoint.state["environment"]}, environment):
        display.note(sentence)
    return checkpoint


def _rewound(run: RunFolder, display: Display) -> Json | None:
    checkpoint = run.latest()
    run.rewind(checkpoint)
    for warning in run.warnings:
        display.note(warning)
    if checkpoint is None:
        return None
    return {"path": str(checkpoint.path), "step": checkpoint.step, "state": checkpoint.state}


def run_environment(config: TrainConfig, facts: Facts, world: World) -> JsonObject:
    """What bit-exactness depends on besides what identifies the work; kept in every checkpoint."""
    rows, learner = config.sampling.max_rows, config.learner
    sizes = {"max_rows": rows, "token_budget": learner.token_budget, "under_the_tail": learner.under_the_tail}
    # The configuration may leave these to what is there, and that may have changed.
    return {**environment(), "processes": world.size, **facts.to_json(), **sizes}
