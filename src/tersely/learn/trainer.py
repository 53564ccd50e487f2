"""The pieces of one training run, and what one step does with them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tersely.config import TrainConfig
from tersely.display import Display
from tersely.errors import RunError
from tersely.facts import Facts
from tersely.journal import StepEvent, StepRecord
from tersely.learn.base_model import LoadedBase, load_weights
from tersely.learn.batch import collate, split_updates
from tersely.learn.caps import CONSTANT
from tersely.learn.clock import Clock
from tersely.learn.correction import corrected, correction_notice
from tersely.learn.fill import credits_of_most, used_groups
from tersely.learn.health.watch import Watch, read_steps
from tersely.learn.learner import Learner
from tersely.learn.lora_files import adapter_writer
from tersely.learn.memory import explain_training_memory
from tersely.learn.parallel import World
from tersely.learn.probe import probe_base
from tersely.learn.respond import Responder
from tersely.learn.run_setup import Ready, ResumeState, TrainSummary, resume_point, run_environment
from tersely.learn.scorer_check import head_name
from tersely.learn.shards import gathered_state
from tersely.learn.state import load_training_state, training_state, write_training_state
from tersely.learn.step_record import notable_samples, shown_numbers, step_record
from tersely.learn.streaming import streamed_sampler
from tersely.models.agreement import ModelCheck, PartCheck
from tersely.models.save import save_model
from tersely.models.text import ResponseText
from tersely.models.trained_for import TrainedFor, write_trained_for
from tersely.records import Group, JsonObject, Problem, Rollout
from tersely.rollouts import Grader
from tersely.runs.checkpoints import Write
from tersely.runs.folder import RunFolder
from tersely.samplers import Sampler, Sampling
from tersely.samplers.engines import find_engine
from tersely.tasks.order import problems_of_step
from tersely.tasks.training_prompts import TrainingPrompts
from tersely.verify import Judge

STEP_SEEDS = 1_000_003
"""Sampling seed of step s of seed k: k * STEP_SEEDS + s."""


class Trainer:
    """One run at work. ``step`` is the method; the rest is what it takes to stop and go on."""

    def __init__(
        self,
        config: TrainConfig,
        ready: Ready,
        base: LoadedBase,
        judge: Grader,
        sampler: Sampler | None,
        run: RunFolder | None,
        state: ResumeState,
        display: Display,
        world: World,
    ) -> None:
        self.config, self.objective, self.caps = config, ready.objective, ready.caps
        self.problems, self.prompts = ready.problems, ready.prompts
        self.asking = TrainingPrompts.of(config)
        self.verifier = ready.verifier
        self.judge, self.run, self.display, self.world = judge, run, display, world
        self.tokenizer = base.tokenizer
        self.environment = run_environment(config, ready.facts, world)
        # Of the checkpoint since the last step: a step's own line must be on disk before its checkpoint counts it.
        self.save_seconds = 0.0
        self.samples: list[JsonObject] = []
        self.first_step = 0
        self.method_state = ready.objective.initial_state()
        self.steered_alpha: float | None = None
        self.streams = self._streams(sampler, ready.facts)
        self.learner = self._make_learner(base, ready.facts)
        earlier = [StepRecord.from_json(line) for line in world.broadcast(lambda: read_steps(run.path) if run else [])]
        self.watch = Watch(config, ready.rules, run.path if run else None, earlier)
        self.sampler, engine = self._sampler(base, ready, sampler)
        reading, self.together = ResponseText(base.tokenizer), ready.facts.traits.processes
        self.responder = Responder(config, self.sampler, judge, reading, run, display, world, self.together)
        self._record_check(base.whole_check(engine))
        if isinstance(judge, Judge):
            judge.known.update(state.unjudged)
            judge.unjudged.update(state.unjudged)

    def _sampler(self, base: LoadedBase, ready: Ready, given: Sampler | None) -> tuple[Sampler, PartCheck | None]:
        """What samples, and what was compared of it."""
        parts = (self.config.sampling, ready.facts)
        if given is not None:
            given.load_weights(self.learner.served_model(), self.first_step)
            return given, None
        if self.streams:
            return streamed_sampler(base, self.learner, *parts, ready.longest_prompt)
        model = self.learner.served_model()
        with self.world.collective_errors():
            return base.make_sampler(*parts, model, ready.longest_prompt)

    def _record_check(self, check: ModelCheck) -> None:
        """What the model's own forward was compared with, into the run folder; a note for what was repaired."""
        with self.world.collective_errors():
            check.record(self.run.path if self.run else None, self.display.note)

    def _streams(self, given: Sampler | None, facts: Facts) -> bool:
        """Whether the sampler takes weights as they are shared out. A caller's own is given whole ones."""
        shared_out = self.world.size > 1 and self.config.learner.lora is None
        return shared_out and given is None and find_engine(facts.engine).streams

    def _make_learner(self, base: LoadedBase, facts: Facts) -> Learner:
        """The learner at the newest whole checkpoint, or at the base."""
        checkpoint = resume_point(self.run, self.environment, self.world, self.display)
        if said := correction_notice(self.config.learner, facts.traits):
            self.display.note(said)
        model, reference = base.model, None
        # With LoRA the base is loaded, and the adapter comes from the training state.
        if checkpoint is not None and self.config.learner.lora is None:
            reference = base.model
            with self.world.collective_errors():
                model = load_weights(checkpoint.path, self.config, facts, self.world)
        sampling = self.config.sampling
        learner = Learner(
            model,
            reference,
            corrected(base.check.learner(self.config.learner), facts.traits),
            sampling.temperature,
            sampling.max_new_tokens,
            facts.dtype,
            self.world,
            self.config.seed,
            head_name(base.check.head),
            facts.device,
            self.streams,
        )
        if checkpoint is not None:
            with self.world.collective_errors():
                load_training_state(checkpoint.path, learner.model, learner.optimizer)
            learner.optimizer_steps = checkpoint.state["optimizer_steps"]
            self.method_state = checkpoint.state.get("method", self.method_state)
            self.first_step = checkpoint.step
        return learner

    def probe(self) -> None:
        """A short sample of the base before the first step (``learn.probe``)."""
        if self.first_step == 0:
            device = self.learner.model.device
            probe_base(
                self.config,
                self.problems,
                self.asking.prompts_of(self.problems, self.prompts, 1),
                self.sampler,
                self.judge,
                device,
                self.run,
                self.display,
                self.world,
                self.together,
            )
            if self.streams:
                # A process that had nothing to sample did not fall asleep as the others did.
                self.sampler.load_weights(self.learner.served_model(), 0)

    # ---- one step

    def step(self, step: int, alpha: float | None = None) -> StepRecord:
        """Sample, judge, credit, update, record. ``alpha``: in place of what the objective says it is."""
        clock = Clock(self.learner.model.device)
        problems = problems_of_step(self.problems, self.config.drawn, self.config.seed, step - 1)
        groups = self._respond(problems, step, clock)
        clock.lap("judge_s")
        objective = self.objective.at(step) if alpha is None else replace(self.objective, alpha=alpha)
        self.steered_alpha = alpha
        views = [self.asking.view(group, step, self._cap(step)) for group in groups]
        credits = credits_of_most(objective, views, self.method_state, self.config.sampling.prompts)
        self.method_state = objective.next_state(self.method_state, views)
        rate = self.learner.learning_rate()
        used, earned = used_groups(groups, credits, self.config.sampling.prompts)
        parts = split_updates(used, self.config.learner.updates)
        with explain_training_memory("updating", self.config, self.world.size):
            masks = self.config.learner.mask_truncated
            rows = [collate(used[p], earned[p], mask_truncated=masks) for p in parts]
            metrics = self.learner.update(rows)
            self.sampler.load_weights(self.learner.served_model(), step)
        clock.lap("update_s", minus={"reference_s": metrics.reference_s})
        moved = objective.alpha if alpha is not None or self.config.objective.schedule != "constant" else None
        cap = self._cap(step) if self.config.run.cap_schedule != CONSTANT else None
        levels = [view.level for view in views]
        record = step_record(step, groups, credits, metrics, rate, moved, cap, levels)
        with self.world.collective_errors():
            self._write(record, groups, clock)
        self._show(record, clock)
        self._look_at(record)
        return record

    def _cap(self, step: int) -> int:
        """Most tokens of a response at this step."""
        return self.caps.cap_at(self.config.sampling.max_new_tokens, step)

    def _respond(self, problems: Sequence[Problem], step: int, clock: Clock) -> list[Group]:
        """The groups of all problems, each process having sampled and judged its share."""
        settings = self.config.sampling
        seed = self.config.seed * STEP_SEEDS + step
        sampling = Sampling(settings.n, self._cap(step), settings.temperature, seed=seed)
        prompts = self.asking.prompts_of(problems, self.prompts, step)
        # The gradient steps take the problems in this order (``split_updates``).
        first = {problem.id for problem in problems[: settings.prompts // self.config.learner.updates]}

        def begin(rollout: Rollout) -> None:
            self.learner.begin(rollout, later=rollout.problem_id not in first)

        groups = self.responder.respond(problems, prompts, sampling, lambda: clock.lap("sample_s"), begin)
        self.responder.check_unjudged([v for g in groups for v in g.verdicts])
        return groups

    def _look_at(self, record: StepRecord) -> None:
        try:
            sentences = self.watch.see(record)
        except RunError as error:
            raise self.world.raise_on_rank0(error) from None
        for sentence in sentences:
            self.display.note(sentence)

    # ---- what a step leaves behind

    def _write(self, record: StepRecord, groups: Sequence[Group], clock: Clock) -> None:
        if self.run is None:
            return
        self.samples = [sample.to_json() for sample in notable_samples(record.step, groups, self.asking)]
        self.run.append("samples", self.samples)
        self.run.append("journal", [record.to_json()])
        clock.seconds["save_s"] = self.save_seconds
        self.save_seconds = 0.0
        self.run.append("clock", [clock.record(record.step, record.response_tokens)])

    def _show(self, record: StepRecord, clock: Clock) -> None:
        if record.event is StepEvent.NO_SIGNAL:
            text = "NO_SIGNAL, all rewards of every group are equal; no weights changed"
            self.display.note(f"step {record.step}: {text}")
        self.display.step(record.step, self.config.run.steps, shown_numbers(record, clock.total()))

    def save(self, step: int) -> None:
        """Checkpoint ``step``: an ordinary model folder, and beside the weights what a resume needs."""
        start = time.perf_counter()
        learner, write_model = self.learner, self.model_writer()
        training = training_state(
            learner.model, learner.optimizer, learner.has_separate_masters, keep=self.world.is_main
        )

        def write(folder: Path) -> None:
            write_model(folder)
            write_training_state(folder, training)

        remembered = {"method": self.method_state} if self.method_state else {}
        state = {"optimizer_steps": learner.optimizer_steps, "environment": self.environment, **remembered}
        with self.world.collective_errors():
            if self.run:
                self.run.save(step, write, state)
        self.save_seconds = time.perf_counter() - start

    def model_writer(self, tune: JsonObject | None = None) -> Write:
        """What writes the present weights as an ordinary model folder; every process must ask for it. ``tune``: what
        `tersely tune` knows of them."""
        served = self.learner.served_model()
        mixed = self.learner.dtype if self.learner.has_separate_masters else None
        state = gathered_state(served, mixed, self.world.is_main) if self.streams else None
        moved = {} if self.steered_alpha is None else {"alpha": self.steered_alpha}
        write_adapter = adapter_writer(self.learner.adapter, self.config.model)
        trained_for = TrainedFor(
            template=self.config.template,
            max_new_tokens=self.config.sampling.max_new_tokens,
            objective={**self.config.objective.record(), **moved},
            base=self.config.model,
            verifier=self.verifier,
            tune=tune,
            efforts=self.asking.lines,
        )

        def write(folder: Path) -> None:
            save_model(folder, served, self.tokenizer, self.learner.dtype, state)
            write_trained_for(folder, trained_for)
            write_adapter(folder)

        return write

    def end(self, step: int, *, finished: bool) -> TrainSummary:
        """Say in the run folder that the work is finished, if it is."""
        summary = TrainSummary(step, self.learner.optimizer_steps)
        if not finished:
            return replace(summary, finished=False)
        with self.world.collective_errors():
            if self.run:
                self.run.mark_done(summary.to_json())
        return summary
