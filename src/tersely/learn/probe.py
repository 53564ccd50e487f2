"""A short sample of the base before the first step: how many responses will the cap truncate?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from tersely.config import TrainConfig
from tersely.display import Display
from tersely.errors import UserError
from tersely.learn.memory import explain_training_memory
from tersely.learn.parallel import World
from tersely.learn.run_setup import look_before_training
from tersely.plan.sample import LengthSample, refusal
from tersely.records import Finish, JsonObject, Problem
from tersely.rollouts import Grader, judge_for, respond
from tersely.runs import disk
from tersely.runs.folder import RunFolder
from tersely.runs.json_file import read_record
from tersely.samplers import Sampler, Sampling
from tersely.samplers.base import close_after
from tersely.tasks.order import problems_of_step
from tersely.tasks.prompts import PromptIds
from tersely.tasks.training_prompts import TrainingPrompts

PROBE = "probe.json"
"""In the run folder: the sample, so that a resume does not draw it again."""

ON_GPU = 32
"""Problems sampled where ``run.probe`` leaves it to us."""


def probe_size(config: TrainConfig, device: torch.device, problems: int) -> int:
    wanted = config.run.probe
    if wanted is None:
        wanted = ON_GPU if device.type == "cuda" else 0
    return min(wanted, problems)


def probe_base(
    config: TrainConfig,
    problems: Sequence[Problem],
    prompts: PromptIds,
    sampler: Sampler,
    judge: Grader,
    device: torch.device,
    run: RunFolder | None,
    display: Display,
    world: World,
    together: int = 1,
) -> None:
    """LengthSample, keep, say, and refuse where the base could not be trained under this cap. Changes no later draw."""
    count = probe_size(config, device, len(problems))
    if not count:
        return
    path = run.path / PROBE if run else None
    kept = world.broadcast(lambda: _kept(path) if path and path.exists() else None)
    with world.collective_errors():
        sample = LengthSample.from_json(kept) if kept else None
        if sample is None:
            chosen = world.share(problems_of_step(problems, count, config.seed, 0), together)
            with explain_training_memory("sampling", config, world.size):
                sample = draw(config, chosen, prompts, sampler, judge, display)
    if not kept:
        # As it is: a process without a problem of its own has no share of truncated ones.
        sample = joined(world.all_gather(asdict(sample))[::together])
        with world.collective_errors():
            if path:
                disk.write_json_atomic(path, sample.to_json())
    display.note(sample.sentence())
    reason = refusal(sample, config)
    if reason:
        raise world.raise_on_rank0(
            UserError(f"{reason}. Nothing was trained: with other settings name another run folder")
        )


def _kept(path: Path) -> JsonObject:
    """The sample that was kept, checked. StorageError for a file that holds none."""
    return read_record(path, "the sample of the base", LengthSample.from_json).to_json()


def draw(
    config: TrainConfig,
    problems: Sequence[Problem],
    prompts: PromptIds,
    sampler: Sampler,
    judge: Grader,
    display: Display,
) -> LengthSample:
    """One response to each problem, as the first step would sample it but for its seed: steps count from 1."""
    settings = config.sampling
    groups = respond(
        problems,
        prompts,
        sampler,
        judge,
        Sampling(1, settings.max_new_tokens, settings.temperature, seed=config.seed),
        first_sample=settings.n,
        on_progress=lambda done, total: display.phase("probing the base", done, total),
    )
    rollouts = [group.rollouts[0] for group in groups]
    ended = tuple(r.length for r in rollouts if r.finish is Finish.EOS)
    return LengthSample(settings.max_new_tokens, ended, len(rollouts) - len(ended))


def joined(shares: Sequence[dict[str, object]]) -> LengthSample:
    """The sample of all processes."""
    parts = [LengthSample.from_json(share) for share in shares]
    return LengthSample(parts[0].cap, tuple(n for p in parts for n in p.lengths), sum(p.truncated for p in parts))


def sample_base(config: TrainConfig, count: int, display: Display) -> LengthSample:
    """For `tersely plan --sample`: the same draw without a run, in one process."""
    if count < 1:
        raise UserError(f"--sample is {count}: at least one problem is needed, 32 say something")
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    with judge_for(None, config.run.judge_workers, config.verifier) as judge:
        ready, base = look_before_training(config, judge, World())
        sampler, _ = base.make_sampler(config.sampling, ready.facts, base.model, ready.longest_prompt)
        with close_after(sampler), explain_training_memory("sampling", config):
            chosen = problems_of_step(ready.problems, min(count, len(ready.problems)), config.seed, 0)
            prompts = TrainingPrompts.of(config).prompts_of(chosen, ready.prompts, 1)
            return draw(config, chosen, prompts, sampler, judge, display)
