"""A model on its way from one folder into a checkpoint of a run folder, with its journal and its clock."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tersely.baselines.records import BaselineSummary, SamplingCost, TuningStep
from tersely.baselines.settings import LORA, BaselineConfig, SamplesConfig
from tersely.baselines.trainers import Example, tune
from tersely.display import Display
from tersely.learn.lora import Adapter
from tersely.learn.lora_files import adapter_writer
from tersely.models.agreement import ModelCheck, PartCheck
from tersely.models.device import pick_device, pick_dtype
from tersely.models.environment import environment
from tersely.models.load import check_vocabulary, load_model, load_tokenizer
from tersely.models.save import save_model
from tersely.models.tokenizer_check import tokenizer_check
from tersely.models.trained_for import TrainedFor, write_trained_for
from tersely.records import Json, JsonObject
from tersely.runs.folder import Checkpoint, RunFolder
from tersely.runs.kinds import Log
from tersely.stop import StopRequest


class Trainee:
    """What a baseline trains: loaded, tuned and saved once. Training itself never goes on from the middle."""

    def __init__(
        self, folder: Path, config: BaselineConfig, checked: tuple[PartCheck, ...], run: RunFolder, display: Display
    ) -> None:
        self.folder, self.config, self.run, self.display = folder, config, run, display
        self.checked = checked
        """How the method's log-probabilities were found to be the model's own."""
        self.device, self.dtype = place_of(config)
        self.tokenizer = load_tokenizer(folder)
        ModelCheck((tokenizer_check(self.tokenizer), *checked)).record(run.path, display.note)
        self.model: Any = None
        self.adapter: Adapter | None = None
        """Of ``model``, which has it in its weights."""

    def start_logs(self, facts: JsonObject, cost: SamplingCost) -> None:
        """Logs start with what the samples cost; those of a try that was cut are gone."""
        if self.rewind() is None:
            tokens = int(cost.tokens_sampled)
            self.run.append(Log.JOURNAL, [{"step": 0, "event": "SAMPLES", **facts, "response_tokens": tokens}])
            self.run.append(Log.CLOCK, [cost.clock_line()])

    def rewind(self) -> Checkpoint | None:
        """The checkpoint there is; the logs of a try that was cut before it are gone."""
        checkpoint = self.run.latest()
        self.run.rewind(checkpoint)
        for warning in self.run.warnings:
            self.display.note(warning)
        return checkpoint

    def finished_before(self) -> BaselineSummary | None:
        """The summary, where a crash came between the checkpoint and the word that the work is done."""
        checkpoint = self.run.latest()
        if checkpoint is None:
            return None
        summary = checkpoint.read_state(_summary_of)
        self.run.mark_done(summary.to_json())
        return summary

    def load(self) -> Any:
        """The model to be trained: fp32 master weights whatever the dtype of forward and backward, where they are not
        frozen beside adapters."""
        self.model = load_model(self.folder, self.device, self.dtype if self.config.tuning.lora else torch.float32)
        check_vocabulary(self.model, self.tokenizer)
        return self.model

    def tune(self, method: str, examples: Sequence[Example], seed: int, stop: StopRequest) -> int:
        """Through TRL; whatever it does to the model beside its weights stays behind."""
        reference = load_model(self.folder, self.device, self.dtype) if method == "dpo" else None
        model, lora = self.load(), self.config.tuning.lora
        self.adapter = Adapter(model, lora, seed, LORA) if lora else None
        steps = tune(
            method,
            model,
            reference,
            load_tokenizer(self.folder),
            examples,
            self.config.tuning,
            dtype=self.dtype,
            seed=seed,
            on_step=self.on_step,
            stop=stop,
        )
        if self.adapter is not None:
            # A plain copy, which TRL never saw.
            self.model = self.adapter.merge()
        else:
            weights = self.model.state_dict()
            self.load().load_state_dict(weights)
            del weights
        del model, reference
        gc.collect()
        return steps

    def on_step(self, done: TuningStep) -> None:
        self.run.append(Log.JOURNAL, [done.journal_line()])
        self.run.append(Log.CLOCK, [done.clock_line()])
        # A step whose rewards are all 0 takes no gradient, so it has no loss.
        loss = done.numbers.get("loss")
        self.display.step(done.step, done.of, {"loss": "-" if loss is None else f"{loss:.4f}"})

    def finish(self, summary: BaselineSummary, facts: TrainedFor) -> BaselineSummary:
        """Save the one checkpoint and say that the work is done."""
        # The configuration may name a teacher.
        write_adapter = adapter_writer(self.adapter, facts.base or str(self.folder))

        def write(folder: Path) -> None:
            save_model(folder, self.model, self.tokenizer, self.dtype)
            write_trained_for(folder, facts)
            write_adapter(folder)

        state = {"summary": summary.to_json(), "environment": environment()}
        self.run.save(summary.optimizer_steps, write, state)
        self.run.mark_done(summary.to_json())
        return summary


def place_of(config: SamplesConfig) -> tuple[torch.device, torch.dtype]:
    """Where forward and backward run, and in which type."""
    device = pick_device(config.run.device)
    return device, pick_dtype(config.run.dtype, device)


def _summary_of(state: Json) -> BaselineSummary:
    return BaselineSummary.from_json(state["summary"])
