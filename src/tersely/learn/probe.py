"""A short sample of the base before the first step: how many responses will the cap truncate?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import torch

from tersely.config import TrainConfig
from tersely.display import Display
from tersely.errors import UserError
from tersely.learn.base_model import LoadedBase
from tersely.learn.memory import out_of_memory_said
from tersely.learn.parallel import World
from tersely.models.locate import locate_model
from tersely.plan.sample import LengthSample as Sample
from tersely.plan.sample import refusal
from tersely.records import Finish, Problem
from tersely.runs import disk
from tersely.runs.folder import RunFolder
from tersely.samplers import Prompt, Sampler, Sampling
from tersely.samplers.engines import make_sampler
from tersely.tasks import load_task
from tersely.tasks.order import problems_of_step
from tersely.verify import Judge

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
    prompts: Mapping[str, tuple[int, ...]],
    sampler: Sampler,
    device: torch.device,
    run: RunFolder | None,
    display: Display,
    world: World,
) -> None:
    """Sample, keep, say, and refuse where the base could not be trained under this cap. Changes no later draw."""
    count = probe_size(config, device, len(problems))
    if not count:
        return
    path = run.path / PROBE if run else None
    kept = world.broadcast(lambda: json.loads(path.read_text("utf-8")) if path and path.exists() else None)
    with world.collective_errors():
        sample = Sample.from_json(kept) if kept else None
        if sample is None:
            chosen = world.share(problems_of_step(problems, count, config.seed, 0))
            with out_of_memory_said("sampling", config, world.size):
                sample = draw(config, chosen, prompts, sampler, display)
    if not kept:
        sample = joined(world.all_gather(sample.to_json()))
        with world.collective_errors():
            if path:
                disk.write_json_atomic(path, sample.to_json())
    display.note(sample.sentence())
    reason = refusal(sample, config)
    if reason:
        raise world.raise_on_rank0(
            UserError(f"{reason}. Nothing was trained: with other settings name another run folder")
        )


def draw(
    config: TrainConfig,
    problems: Sequence[Problem],
    prompts: Mapping[str, tuple[int, ...]],
    sampler: Sampler,
    display: Display,
) -> Sample:
    """One response to each problem, as the first step would sample it but for its seed: steps count from 1."""
    settings = config.sampling
    sampling = Sampling(1, settings.max_new_tokens, settings.temperature, seed=config.seed)
    rollouts = sampler.generate(
        [Prompt(p.id, prompts[p.id], first_sample=settings.n) for p in problems],
        sampling,
        lambda done, total: display.phase("probing the base", done, total),
    )
    ended = tuple(r.length for r in rollouts if r.finish is Finish.EOS)
    return Sample(settings.max_new_tokens, ended, len(rollouts) - len(ended))


def joined(shares: Sequence[dict[str, object]]) -> Sample:
    """The sample of all processes."""
    parts = [Sample.from_json(share) for share in shares]
    return Sample(parts[0].cap, tuple(n for p in parts for n in p.lengths), sum(p.truncated for p in parts))


def sample_base(config: TrainConfig, count: int, display: Display) -> Sample:
    """For `tersely plan --sample`: the same draw without a run, in one process."""
    if count < 1:
        raise UserError(f"--sample is {count}: at least one problem is needed, 32 say something")
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    with Judge(workers=1) as judge:
        problems = load_task(config.task, "train", config.train_size, judge.check_golds)
    with out_of_memory_said("loading", config):
        base = LoadedBase.load(locate_model(config.model, config.revision), config, World())
    prompts = base.render_all(problems, config)
    longest = max(map(len, prompts.values()))
    sampler = make_sampler(config.sampling, base.model, base.tokenizer, base.folder, base.dtype, longest)
    try:
        chosen = problems_of_step(problems, min(count, len(problems)), config.seed, 0)
        with out_of_memory_said("sampling", config):
            return draw(config, chosen, prompts, sampler, display)
    finally:
        sampler.close()
