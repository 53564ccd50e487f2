"""The training loop: problems -> rollouts -> verdicts -> credit -> update -> record, once a step.

All randomness is a function of (seed, step), so a run killed anywhere goes on from its last checkpoint and ends, on a
CPU with the same threads and versions, with the same bits.

Started by torchrun, every process samples and judges its share of a step's problems, all learn of all groups, and each
computes the gradient of its own. Rank 0 alone has the run folder.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from tersely.config import TrainConfig
from tersely.display import Display
from tersely.errors import RunError
from tersely.learn.base_model import LoadedBase
from tersely.learn.batch import collate, split_updates
from tersely.learn.clock import Clock
from tersely.learn.group_codec import decode, decode_verdict, encode
from tersely.learn.learner import Learner
from tersely.learn.memory import out_of_memory_said
from tersely.learn.parallel import World
from tersely.learn.probe import probe_base
from tersely.learn.run_setup import (
    UNJUDGED,
    open_run,
    read_resume_state,
    require_even_shares,
    resume_point,
    run_environment,
)
from tersely.learn.state import load_training_state, training_state, write_training_state
from tersely.learn.step_record import alarms, notable_samples, step_record
from tersely.models.load import load_model
from tersely.models.locate import locate_model
from tersely.models.save import save_model, write_trained_for
from tersely.objective import Objective
from tersely.records import Group, Problem, Rollout, Status, Verdict
from tersely.rollouts import begin_on_rollouts, judge_rollouts
from tersely.runs import disk
from tersely.runs.folder import RunFolder
from tersely.samplers import Prompt, Sampler, Sampling
from tersely.samplers.engines import make_sampler
from tersely.stop import Stopped, StopRequest
from tersely.tasks import load_task
from tersely.tasks.order import problems_of_step
from tersely.verify import Judge

STEP_SEEDS = 1_000_003
"""Sampling seed of step s of seed k: k * STEP_SEEDS + s."""


def train(config: TrainConfig, out: Path, display: Display) -> dict[str, Any]:
    """Train as configured in the run folder ``out``; returns the summary kept in done.json.

    Everything a user can get wrong is looked at before the run folder is touched. Raises Stopped after a stop was
    asked for and the work was saved; UserError and RunError as documented.
    """
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    # Nothing of ours draws from torch's own state, but checkpoints keep it: it must not depend on the process.
    torch.manual_seed(config.seed)
    with World.joined() as world, Judge(workers=config.run.judge_workers) as judge:
        with world.collective_errors():
            objective = Objective(**config.objective.model_dump())
            require_even_shares(config, world)
            folder = locate_model(config.model, config.revision)
            problems = load_task(config.task, "train", config.train_size, judge.check_golds, template=config.template)
            problems_of_step(problems, config.sampling.prompts, config.seed, 0)
            with out_of_memory_said("loading", config, world.size):
                base = LoadedBase.load(folder, config, world)
            prompts = base.render_all(problems, config)
        with open_run(out, config, folder, problems, world) as run:
            begun = world.broadcast(lambda: read_resume_state(run, problems) if run else {})
            if begun["done"] is not None:
                display.note(f"{out} is finished already: nothing to do")
                return begun["done"]
            known = {key: decode_verdict(verdict) for key, verdict in begun["unjudged"].items()}
            judge.known.update(known)
            judge.unjudged.update(known)
            with out_of_memory_said("loading", config, world.size):
                trainer = Trainer(config, objective, base, problems, prompts, judge, run, display, world)
            # A resumed run without a reference has no use for the base's weights any more.
            del base
            return trainer.run_all()


class Trainer:
    """The pieces of one run, and the loop over its steps."""

    def __init__(
        self,
        config: TrainConfig,
        objective: Objective,
        base: LoadedBase,
        problems: Sequence[Problem],
        prompts: Mapping[str, tuple[int, ...]],
        judge: Judge,
        run: RunFolder | None,
        display: Display,
        world: World,
    ) -> None:
        self.config, self.objective, self.problems, self.prompts = config, objective, problems, prompts
        self.judge, self.run, self.display, self.world = judge, run, display, world
        self.tokenizer = base.tokenizer
        model, reference, checkpoint = base.model, None, resume_point(run, config, world, display)
        # With LoRA the base is loaded, and the adapter comes from the training state.
        if checkpoint is not None and config.learner.lora is None:
            reference = base.model
            with world.collective_errors():
                model = load_model(checkpoint.path, base.device, torch.float32)
        sampling = config.sampling
        cap = sampling.max_new_tokens
        self.learner = Learner(
            model, reference, config.learner, sampling.temperature, cap, base.dtype, world, config.seed
        )
        self.first_step = 0
        # Of the checkpoint since the last step: a step's own line must be on disk before its checkpoint counts it.
        self.save_seconds = 0.0
        if checkpoint is not None:
            with world.collective_errors():
                load_training_state(checkpoint.path, model, self.learner.optimizer)
            self.learner.optimizer_steps = checkpoint.state["optimizer_steps"]
            self.first_step = checkpoint.step
        model, longest = self.learner.whole_model(), max(map(len, prompts.values()))
        self.sampler: Sampler = make_sampler(sampling, model, self.tokenizer, base.folder, base.dtype, longest)

    # ---- the loop

    def run_all(self) -> dict[str, Any]:
        last = self.config.run.steps
        if self.first_step == 0:
            probe_base(
                self.config,
                self.problems,
                self.prompts,
                self.sampler,
                self.learner.model.device,
                self.run,
                self.display,
                self.world,
            )
        with StopRequest() as stop:
            for step in range(self.first_step + 1, last + 1):
                self._one_step(step)
                stopped = max(self.world.all_gather(stop.requested or 0))
                if step % self.config.run.checkpoint_every == 0 or step == last or stopped:
                    self._save(step)
                if stopped and step < last:
                    where = self.run.path if self.run else "the run folder of rank 0"
                    raise self.world.raise_on_rank0(Stopped(stopped, f"step {step} of {last} is saved in {where}"))
        self.sampler.close()
        summary = {"steps": last, "optimizer_steps": self.learner.optimizer_steps}
        with self.world.collective_errors():
            if self.run:
                self.run.mark_done(summary)
        return summary

    def _one_step(self, step: int) -> None:
        clock = Clock(self.learner.model.device)
        problems = problems_of_step(self.problems, self.config.sampling.prompts, self.config.seed, step - 1)
        with self.world.collective_errors():
            ours = self.world.share(problems)
            with out_of_memory_said("sampling", self.config, self.world.size):
                rollouts = self._sample(ours, step)
            clock.lap("sample_s")
            judged = self._judge(ours, rollouts)
        self._keep_unjudged()
        groups = self._exchange(problems, judged)
        self._check_unjudged([v for g in groups for v in g.verdicts])
        clock.lap("judge_s")
        credits = self.objective.credits([(g.correct_G, g.lengths_G, g.judged_G) for g in groups])
        rate = self.learner.learning_rate()
        parts = split_updates(groups, self.config.learner.updates)
        with out_of_memory_said("updating", self.config, self.world.size):
            metrics = self.learner.update([collate(groups[p], credits[p], self.world.size) for p in parts])
            self.sampler.load_weights(self.learner.whole_model(), step)
        clock.lap("update_s", minus={"reference_s": metrics.reference_s})
        record = step_record(step, groups, credits, metrics, rate)
        with self.world.collective_errors():
            self._write(record, groups, clock)
        for alarm in alarms(record):
            self.display.note(alarm)
        self._show(step, record, clock)

    def _sample(self, problems: Sequence[Problem], step: int) -> list[tuple[Rollout, ...]]:
        settings = self.config.sampling
        prompts = [Prompt(p.id, self.prompts[p.id]) for p in problems]
        sampling = Sampling(
            n=settings.n,
            max_new_tokens=settings.max_new_tokens,
            temperature=settings.temperature,
            seed=self.config.seed * STEP_SEEDS + step,
        )
        flat = self.sampler.generate(
            prompts,
            sampling,
            lambda done, total: self.display.phase("sampling", done, total),
            begin_on_rollouts(self.judge, problems),
        )
        return [tuple(flat[i : i + settings.n]) for i in range(0, len(flat), settings.n)]

    def _judge(self, problems: Sequence[Problem], rollouts: Sequence[tuple[Rollout, ...]]) -> list[Group]:
        pairs = [(p, r) for p, group in zip(problems, rollouts, strict=True) for r in group]
        verdicts = judge_rollouts(self.judge, pairs)
        n = self.config.sampling.n
        return [
            Group(p, group, tuple(verdicts[i * n : (i + 1) * n]))
            for i, (p, group) in enumerate(zip(problems, rollouts, strict=True))
        ]

    def _keep_unjudged(self) -> None:
        """Durable before anything is built on it, and never rewound: a verdict is part of what happened."""
        fresh = {k: asdict(v) for k, v in self.judge.unjudged.items() if k not in self.judge.known}
        told = {k: decode_verdict(v) for part in self.world.all_gather(fresh) for k, v in part.items()}
        self.judge.known.update(told)
        self.judge.unjudged.update(told)
        with self.world.collective_errors():
            if told and self.run:
                kept = {key: asdict(verdict) for key, verdict in self.judge.unjudged.items()}
                disk.write_json_atomic(self.run.path / UNJUDGED, kept)

    def _exchange(self, problems: Sequence[Problem], ours: Sequence[Group]) -> list[Group]:
        """The groups of all problems, from the shares of all processes."""
        if self.world.size == 1:
            return list(ours)
        records = self.world.merge(self.world.all_gather([encode(group) for group in ours]))
        return [decode(p, self.prompts[p.id], r) for p, r in zip(problems, records, strict=True)]

    def _check_unjudged(self, verdicts: Sequence[Verdict]) -> None:
        """An alarm above one rate, a stop above another; one or two single answers never stop a run."""
        unjudged = [v for v in verdicts if v.status is Status.UNJUDGED]
        rate, settings = len(unjudged) / len(verdicts), self.config.run
        if rate <= settings.unjudged_alarm:
            return
        examples = "; ".join(f"{v.extracted!r}: {v.reason}" for v in unjudged[:3])
        text = f"{len(unjudged)} of {len(verdicts)} answers could not be judged ({rate:.1%}), such as {examples}"
        if rate > settings.unjudged_stop and len(unjudged) > 2:
            raise self.world.raise_on_rank0(
                RunError(
                    f"{text}; above run.unjudged_stop = {settings.unjudged_stop:.1%} the rewards cannot be trusted: "
                    "the last checkpoint stands; look at the answers, then run the same command again"
                )
            )
        self.display.note(text)

    def _write(self, record: dict[str, Any], groups: Sequence[Group], clock: Clock) -> None:
        if self.run is None:
            return
        step = record["step"]
        self.run.append("samples", notable_samples(step, groups))
        self.run.append("journal", [record])
        clock.seconds["save_s"] = self.save_seconds
        self.save_seconds = 0.0
        self.run.append("clock", [clock.record(step, record["response_tokens"])])

    def _save(self, step: int) -> None:
        start = time.perf_counter()
        trained_for = {
            "template": self.config.template,
            "max_new_tokens": self.config.sampling.max_new_tokens,
            "objective": self.config.objective.model_dump(),
            "base": self.config.model,
        }

        learner = self.learner
        served = learner.whole_model()
        training = training_state(
            learner.model, learner.optimizer, learner.has_separate_masters, keep=self.world.is_main
        )

        def write(folder: Path) -> None:
            save_model(folder, served, self.tokenizer, learner.dtype)
            write_training_state(folder, training)
            write_trained_for(folder, trained_for)

        state = {"optimizer_steps": learner.optimizer_steps, "environment": run_environment(self.config, self.world)}
        with self.world.collective_errors():
            if self.run:
                self.run.save(step, write, state)
        self.save_seconds = time.perf_counter() - start

    def _show(self, step: int, record: Mapping[str, Any], clock: Clock) -> None:
        numbers = {
            "accuracy": _percent(record["accuracy"]),
            "tokens": f"{record['length']:.0f}",
            "truncated": _percent(record["truncated"]),
            "kl": "-" if record["kl"] is None else f"{record['kl']:.4f}",
            "s": f"{clock.total():.1f}",
        }
        if record["event"] == "NO_SIGNAL":
            self.display.note(f"step {step}: NO_SIGNAL, all rewards of every group are equal; no weights changed")
        self.display.step(step, self.config.run.steps, numbers)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
