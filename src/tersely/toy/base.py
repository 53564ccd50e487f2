"""``tersely base``: make the embedded reasoner in a run folder, resumable at any point, and let it pass a gate.

Some initialisations fail to learn the arithmetic. The base is therefore sampled on problems of a split of their own;
if it is too weak, training starts anew from the next initialisation. Every attempt stands in the journal and in
done.json: a retry is told, not hidden.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tersely.display import Display
from tersely.errors import RunError, UserError
from tersely.learn.state import load_training_state, save_training_state
from tersely.models.environment import differences, environment
from tersely.models.load import load_model
from tersely.models.trained_for import TrainedFor, write_trained_for
from tersely.records import Finish, Problem, Rollout
from tersely.runs.folder import Checkpoint, RunFolder
from tersely.samplers.base import Prompt, Sampling
from tersely.samplers.transformers import TransformersSampler
from tersely.stop import Stopped, StopRequest
from tersely.tasks.prompts import render
from tersely.tasks.sources.arithmetic import LEVELS, arithmetic_problems
from tersely.toy.sft import SftSettings, SftState
from tersely.toy.tokenizer import build_tokenizer

NEXT_SEED = 1000
"""Attempt k of seed s initialises with s + k * NEXT_SEED."""
TEMPLATE = "question"
_ANSWER = re.compile(r"</think> \\boxed\{ (\d) \}$")
_CHECK = re.compile(r"Wait,|Let me check:|Alternatively,")


@dataclass(frozen=True, slots=True)
class Gate:
    """What a base must show at temperature 1. Example: ``Gate(problems=300)``."""

    problems: int = 300
    seed: int = 0
    max_new_tokens: int = 320
    accuracy: float = 0.70
    hardest: float = 0.40
    """Accuracy at the highest level."""
    checks: float = 1.0
    """Checking phrases a response, on average."""
    attempts: int = 4


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
) -> dict[str, Any]:
    """Make the base in the run folder ``out`` or go on with it; returns the summary kept in done.json.

    Raises UserError for a folder that cannot be used, Stopped after a stop was asked for and the work was saved,
    RunError when no attempt passes the gate.
    """
    if threads < 0:
        raise UserError(f"threads is {threads}: give 0 for torch's own choice, or a positive number")
    if threads:
        torch.set_num_threads(threads)
    settings, gate = replace(settings or SftSettings(), seed=seed), gate or Gate()
    with RunFolder.open(out, "base", {"sft": asdict(settings), "gate": asdict(gate)}) as run:
        if run.done is not None:
            display.note(f"{out} is finished already: nothing to do")
            return run.done
        return _Maker(run, settings, gate, display, save_every, log_every).run_all()


class _Maker:
    """One run folder at work: attempts one after another, each trained and then judged."""

    def __init__(
        self, run: RunFolder, settings: SftSettings, gate: Gate, display: Display, save_every: int, log_every: int
    ) -> None:
        self.run, self.first, self.gate, self.display = run, settings, gate, display
        self.save_every, self.log_every = save_every, log_every
        self.tokenizer = build_tokenizer()
        self.verdicts: list[dict[str, Any]] = []
        self.attempt = 0
        self.state = self._resume()

    def _resume(self) -> SftState:
        checkpoint = self.run.latest()
        self.run.rewind(checkpoint)
        for warning in self.run.warnings:
            self.display.note(warning)
        if checkpoint is None:
            return SftState(self.first)
        self._tell_differences(checkpoint)
        self.attempt, self.verdicts = checkpoint.state["attempt"], checkpoint.state["verdicts"]
        state = SftState(self._settings(self.attempt))
        model = load_model(checkpoint.path, torch.device("cpu"), torch.float32)
        state.model.load_state_dict(model.state_dict())
        load_training_state(checkpoint.path, state.model, state.optimizer)
        state.step = checkpoint.state["step"]
        return state

    def _tell_differences(self, checkpoint: Checkpoint) -> None:
        self.display.note(f"going on from step {checkpoint.state['step']} of attempt {checkpoint.state['attempt'] + 1}")
        for sentence in differences(checkpoint.state["environment"], environment()):
            self.display.note(sentence)

    def _settings(self, attempt: int) -> SftSettings:
        return replace(self.first, seed=self.first.seed + attempt * NEXT_SEED)

    def run_all(self) -> dict[str, Any]:
        with StopRequest() as stop:
            while True:
                self._train(stop)
                verdict = self._judge()
                self.verdicts.append(verdict)
                self.run.append("journal", [{"event": "GATE", **verdict}])
                if verdict["passed"]:
                    break
                self._next_attempt(verdict)
        summary = {"attempts": self.verdicts, "seed": self.state.settings.seed, "steps": self.state.step}
        self.run.mark_done(summary)
        return summary

    def _next_attempt(self, verdict: dict[str, Any]) -> None:
        text = f"seed {verdict['seed']} did not pass the gate (accuracy {verdict['accuracy']:.1%})"
        if self.attempt + 1 == self.gate.attempts:
            raise RunError(f"{text}, nor did {self.attempt} before it: no base was made; try another --seed")
        self.attempt += 1
        self.state = SftState(self._settings(self.attempt))
        self.display.note(f"{text}: training anew from seed {self.state.settings.seed}")

    def _train(self, stop: StopRequest) -> None:
        total = self.state.settings.steps
        while self.state.step < total:
            numbers = self.state.advance()
            step = self.state.step
            if step % self.log_every == 0 or step == total:
                self.run.append("journal", [{"event": "SFT", "attempt": self.attempt + 1, "of": total, **numbers}])
                self.display.step(step, total, {"loss": f"{numbers['loss']:.3f}"})
            if step % self.save_every == 0 or step == total or stop.requested:
                self._save()
            if stop.requested and step < total:
                raise Stopped(stop.requested, f"step {step} of {total} is saved in {self.run.path}")

    def _save(self) -> None:
        def write(folder: Path) -> None:
            save_training_state(folder, self.state.model, self.tokenizer, self.state.optimizer)
            write_trained_for(folder, TrainedFor(template=TEMPLATE, max_new_tokens=self.gate.max_new_tokens))

        state = {
            "attempt": self.attempt,
            "step": self.state.step,
            "verdicts": self.verdicts,
            "environment": environment(),
        }
        self.run.save(self.attempt * self.state.settings.steps + self.state.step, write, state)

    def _judge(self) -> dict[str, Any]:
        self.display.note("supervised training is done: sampling the gate's problems")
        problems = arithmetic_problems("gate", self.gate.problems, self.gate.seed)
        prompts = [Prompt(p.id, render(p, self.tokenizer, TEMPLATE)) for p in problems]
        sampling = Sampling(n=1, max_new_tokens=self.gate.max_new_tokens, seed=self.gate.seed)
        model = self.state.model.eval()
        rollouts = TransformersSampler(model, self.tokenizer).generate(prompts, sampling)
        numbers = gate_numbers(problems, rollouts)
        hardest = numbers["accuracy_by_level"][str(LEVELS[-1])]
        passed = (
            numbers["accuracy"] >= self.gate.accuracy
            and hardest >= self.gate.hardest
            and numbers["checks"] >= self.gate.checks
        )
        self.display.note(f"gate: accuracy {numbers['accuracy']:.1%}, {numbers['tokens']:.0f} tokens a response")
        return {"seed": self.state.settings.seed, "passed": passed, **numbers}


def gate_numbers(problems: Sequence[Problem], rollouts: Sequence[Rollout]) -> dict[str, Any]:
    """Accuracy (overall and by level), mean tokens, and checking phrases a response; one rollout a problem.

    The answers of the embedded task are single digits in one fixed form, so a regular expression judges them.
    """
    correct = [_correct(p, r) for p, r in zip(problems, rollouts, strict=True)]
    by_level: dict[str, list[bool]] = {}
    for problem, right in zip(problems, correct, strict=True):
        by_level.setdefault(str(problem.difficulty), []).append(right)
    return {
        "accuracy": sum(correct) / len(correct),
        "accuracy_by_level": {level: sum(found) / len(found) for level, found in sorted(by_level.items())},
        "tokens": sum(r.length for r in rollouts) / len(rollouts),
        "checks": sum(len(_CHECK.findall(r.text)) for r in rollouts) / len(rollouts),
    }


def _correct(problem: Problem, rollout: Rollout) -> bool:
    found = _ANSWER.search(rollout.text)
    return rollout.finish is Finish.EOS and found is not None and found[1] == problem.answer
