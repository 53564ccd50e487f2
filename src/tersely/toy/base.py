"""``tersely base``: make an embedded reasoner in a run folder, resumable at any point, and let it pass a gate.

Some initialisations fail to learn the task. The base is therefore sampled on problems of a split of their own;
if it is too weak, training starts anew from the next initialisation. Every attempt stands in the journal and in
done.json: a retry is told, not hidden.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tersely.display import Display
from tersely.errors import RunError, UserError
from tersely.learn.state import load_training_state, save_training_state
from tersely.models.environment import differences, environment
from tersely.models.load import load_model
from tersely.models.trained_for import TrainedFor, write_trained_for
from tersely.records import Json, JsonObject
from tersely.rollouts import respond
from tersely.runs.folder import RunFolder
from tersely.runs.kinds import Log, RunKind
from tersely.samplers.base import Sampling
from tersely.samplers.transformers import TransformersSampler
from tersely.stop import Stopped, StopRequest
from tersely.tasks.prompts import render
from tersely.tasks.sources.embedded import EMBEDDED_TASKS
from tersely.toy.gate import Attempt, FixedFormGrader, Gate, GateNumbers
from tersely.toy.reasoners import REASONERS
from tersely.toy.settings import SftSettings
from tersely.toy.sft import SftState

NEXT_SEED = 1000
"""Attempt k of seed s initialises with s + k * NEXT_SEED."""
TEMPLATE = "question"


@dataclass(frozen=True, slots=True)
class BaseSummary:
    """done.json of a base."""

    attempts: tuple[Attempt, ...]
    """Every one, those that did not pass the gate too; the last one passed."""
    seed: int
    """Of the initialisation that passed."""
    steps: int

    def to_json(self) -> JsonObject:
        return {"attempts": [attempt.to_json() for attempt in self.attempts], "seed": self.seed, "steps": self.steps}

    @classmethod
    def from_json(cls, content: Json) -> BaseSummary:
        attempts = tuple(Attempt.from_json(attempt) for attempt in content["attempts"])
        return cls(attempts, content["seed"], content["steps"])


@dataclass(frozen=True, slots=True)
class BaseState:
    """What a checkpoint of a base says beside the weights."""

    attempt: int
    """Of the initialisation in training, from 0."""
    step: int
    finished: tuple[Attempt, ...]
    """Those before it."""
    environment: Json

    def to_json(self) -> JsonObject:
        return {
            "attempt": self.attempt,
            "step": self.step,
            "verdicts": [attempt.to_json() for attempt in self.finished],
            "environment": self.environment,
        }

    @classmethod
    def from_json(cls, content: Json) -> BaseState:
        finished = tuple(Attempt.from_json(attempt) for attempt in content["verdicts"])
        return cls(content["attempt"], content["step"], finished, content["environment"])


def make_base(
    out: Path,
    seed: int,
    threads: int,
    display: Display,
    *,
    settings: SftSettings | None = None,
    gate: Gate | None = None,
    save_every: int = 400,
    log_every: int = 20,
) -> BaseSummary:
    """Make the base in the run folder ``out`` or go on with it; returns the summary kept in done.json.

    ``settings`` name the task (default: arithmetic's own); ``gate``: default that of the task's reasoner.
    Raises UserError for a folder that cannot be used, Stopped after a stop was asked for and the work was saved,
    RunError when no attempt passes the gate.
    """
    if threads < 0:
        raise UserError(f"threads is {threads}: give 0 for torch's own choice, or a positive number")
    if threads:
        torch.set_num_threads(threads)
    settings = replace(settings or SftSettings(), seed=seed)
    gate = gate or REASONERS[settings.task].gate
    with RunFolder.open(out, RunKind.BASE, {"sft": settings.to_json(), "gate": gate.to_json()}) as run:
        done = run.read_done(BaseSummary.from_json)
        if done is not None:
            display.note(f"{out} is finished already: nothing to do")
            return done
        return _BaseTraining(run, settings, gate, display, save_every, log_every).run_all()


class _BaseTraining:
    """One run folder at work: attempts one after another, each trained and then judged."""

    def __init__(
        self, run: RunFolder, settings: SftSettings, gate: Gate, display: Display, save_every: int, log_every: int
    ) -> None:
        self.run, self.first, self.gate, self.display = run, settings, gate, display
        self.save_every, self.log_every = save_every, log_every
        self.reasoner = REASONERS[settings.task]
        self.tokenizer = self.reasoner.tokenizer(settings.levels)
        self.finished: tuple[Attempt, ...] = ()
        self.attempt = 0
        self.state = self._resume()

    def _resume(self) -> SftState:
        checkpoint = self.run.latest()
        self.run.rewind(checkpoint)
        for warning in self.run.warnings:
            self.display.note(warning)
        if checkpoint is None:
            return SftState(self.first)
        kept = checkpoint.read_state(BaseState.from_json)
        self._tell_differences(kept)
        self.attempt, self.finished = kept.attempt, kept.finished
        state = SftState(self._settings(self.attempt))
        model = load_model(checkpoint.path, torch.device("cpu"), torch.float32)
        state.model.load_state_dict(model.state_dict())
        load_training_state(checkpoint.path, state.model, state.optimizer)
        state.step = kept.step
        return state

    def _tell_differences(self, kept: BaseState) -> None:
        self.display.note(f"going on from step {kept.step} of attempt {kept.attempt + 1}")
        for sentence in differences(kept.environment, environment()):
            self.display.note(sentence)

    def _settings(self, attempt: int) -> SftSettings:
        return replace(self.first, seed=self.first.seed + attempt * NEXT_SEED)

    def run_all(self) -> BaseSummary:
        with StopRequest() as stop:
            while True:
                self._train(stop)
                judged = self._judge()
                self.finished = (*self.finished, judged)
                self.run.append(Log.JOURNAL, [{"event": "GATE", **judged.to_json()}])
                if judged.passed:
                    break
                self._next_attempt(judged)
        summary = BaseSummary(self.finished, self.state.settings.seed, self.state.step)
        self.run.mark_done(summary.to_json())
        return summary

    def _next_attempt(self, failed: Attempt) -> None:
        text = f"seed {failed.seed} did not pass the gate (accuracy {failed.numbers.accuracy:.1%})"
        if self.attempt + 1 == self.gate.attempts:
            raise RunError(f"{text}, nor did {self.attempt} before it: no base was made; try another --seed")
        self.attempt += 1
        self.state = SftState(self._settings(self.attempt))
        self.display.note(f"{text}: training anew from seed {self.state.settings.seed}")

    def _train(self, stop: StopRequest) -> None:
        total = self.state.settings.steps
        while self.state.step < total:
            done = self.state.advance()
            step = self.state.step
            if step % self.log_every == 0 or step == total:
                line = {"event": "SFT", "attempt": self.attempt + 1, "of": total, **done.to_json()}
                self.run.append(Log.JOURNAL, [line])
                self.display.step(step, total, {"loss": f"{done.loss:.3f}"})
            if step % self.save_every == 0 or step == total or stop.requested:
                self._save()
            if stop.requested and step < total:
                raise Stopped(stop.requested, f"step {step} of {total} is saved in {self.run.path}")

    def _save(self) -> None:
        def write(folder: Path) -> None:
            save_training_state(folder, self.state.model, self.tokenizer, self.state.optimizer)
            write_trained_for(folder, TrainedFor(template=TEMPLATE, max_new_tokens=self.gate.max_new_tokens))

        state = BaseState(self.attempt, self.state.step, self.finished, environment())
        self.run.save(self.attempt * self.state.settings.steps + self.state.step, write, state.to_json())

    def _judge(self) -> Attempt:
        self.display.note("supervised training is done: sampling the gate's problems")
        gate = self.gate
        problems = EMBEDDED_TASKS[self.first.task].generate("gate", gate.problems, gate.seed)
        prompts = {p.id: render(p, self.tokenizer, TEMPLATE) for p in problems}
        sampling = Sampling(n=1, temperature=gate.temperature, max_new_tokens=gate.max_new_tokens, seed=gate.seed)
        sampler = TransformersSampler(self.state.model.eval(), self.tokenizer)
        groups = respond(problems, prompts, sampler, FixedFormGrader(), sampling)
        shown = GateNumbers.of(groups, self.reasoner.behaviours)
        self.display.note(f"gate: accuracy {shown.accuracy:.1%}, {shown.tokens:.0f} tokens a response")
        return Attempt(self.state.settings.seed, self.gate.is_passed(shown), shown)
