"""One baseline in one run folder: samples, method, checkpoint. `tersely evaluate` takes the folder like any run's.

The grain of a resume: responses are kept block by block; training itself takes minutes and begins anew from the kept
responses if it was stopped. Nothing half-trained is ever saved.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tersely.baselines.choose import shortest_and_longest, shortest_correct
from tersely.baselines.pruner import prune
from tersely.baselines.samples import OPERATIONAL, Samples, draw_samples, keep_problem_ids, read_samples
from tersely.baselines.settings import METHODS, SAMPLES, BaselineConfig, SamplesConfig
from tersely.baselines.trainers import Example, require_trl, tune
from tersely.display import Display
from tersely.errors import UserError
from tersely.learn.run_setup import RESOURCE_KEYS
from tersely.models.device import pick_device, pick_dtype
from tersely.models.digest import weights_digest
from tersely.models.environment import environment
from tersely.models.load import check_vocabulary, load_model, load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.save import save_model
from tersely.models.trained_for import TrainedFor, write_trained_for
from tersely.records import Group
from tersely.runs.folder import RunFolder
from tersely.runs.identity import read_run_config
from tersely.stop import StopRequest

OWN_SAMPLES = "samples"
"""Folder of a run's own samples, where no others were given."""


def run_baseline(
    method: str, config: BaselineConfig, out: Path, samples: Path | None, display: Display
) -> dict[str, Any]:
    """Train a baseline in the run folder ``out``; returns the summary kept in done.json.

    ``samples`` names a folder of samples made before, which must be of the same model, task and sampling; without it
    they are drawn beneath ``out``. Raises UserError, RunError and Stopped as the parts do.
    """
    if method in ("sft", "dpo"):
        require_trl()
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    folder = locate_model(config.model, config.revision)
    kept = require_same(read_samples(samples).config, config, samples) if samples else None
    with RunFolder.open(out, "baseline", _identity(method, config, folder, kept)) as run:
        if run.done is not None:
            display.note(f"{out} is finished already: nothing to do")
            return run.done
        if samples is None:
            samples = out / OWN_SAMPLES
            draw_samples(SamplesConfig(**config.model_dump(exclude={"tuning"})), samples, display)
        found = read_samples(samples)
        if found.config["model_sha256"] != weights_digest(folder):
            raise UserError(f"the samples in {samples} were drawn from other weights than {config.model}'s now")
        keep_problem_ids(run, [g.problem.id for g in found.groups])
        return Baseline(method, config, folder, found, run, display).run()


def config_of_samples(samples: Path) -> dict[str, Any]:
    """The settings that a baseline shares with the samples it learns from."""
    known = SamplesConfig.model_fields
    found = read_run_config(samples)
    if found is None or found["kind"] != SAMPLES:
        raise UserError(f"{samples} holds no samples: make some with `tersely baseline samples --out {samples} ...`")
    return {key: value for key, value in found["config"].items() if key in known}


def _of_weight(value: Any) -> Any:
    """A setting without what only says how much is decoded at once."""
    return {k: v for k, v in value.items() if k not in RESOURCE_KEYS["sampling"]} if isinstance(value, dict) else value


def require_same(kept: dict[str, Any], config: BaselineConfig, samples: Path) -> dict[str, Any]:
    """The samples' configuration; UserError where the baseline asks for other responses than they hold."""
    asked = config.model_dump(mode="json")
    names = ("model", "revision", "task", "template", "train_size", "sampling")
    other = [name for name in names if _of_weight(kept[name]) != _of_weight(asked[name])]
    if other:
        raise UserError(
            f"the samples in {samples} were drawn with another {' and '.join(other)}: leave those options out, "
            "or draw samples with them"
        )
    return kept


def _identity(method: str, config: BaselineConfig, folder: Path, kept: dict[str, Any] | None) -> dict[str, Any]:
    settings = config.model_dump(mode="json")
    for key in OPERATIONAL:
        settings["run"].pop(key)
    return {
        "method": method,
        **settings,
        "learning_rate": config.tuning.learning_rate,
        "n": config.sampling.n,
        "model_sha256": weights_digest(folder),
        "samples_seed": kept["seed"] if kept else config.seed,
    }


def examples_of(method: str, groups: Sequence[Group]) -> list[Example]:
    """What SFT ("sft": the shortest correct response) or DPO ("dpo": preferred to the longest) learns from."""
    found = []
    for group in groups:
        if method == "sft" and (best := shortest_correct(group)):
            found.append(Example(best.prompt_tokens, best.tokens))
        if method == "dpo" and (pair := shortest_and_longest(group)):
            found.append(Example(pair[0].prompt_tokens, pair[0].tokens, pair[1].tokens))
    return found


class Baseline:
    """The pieces of one run."""

    def __init__(
        self, method: str, config: BaselineConfig, folder: Path, samples: Samples, run: RunFolder, display: Display
    ) -> None:
        assert method in METHODS
        self.method, self.config, self.folder, self.samples = method, config, folder, samples
        self.trainee = Trainee(folder, config, run, display)

    def run(self) -> dict[str, Any]:
        cost = self.samples.clock
        self.trainee.begin({"method": self.method, "samples": str(self.samples.path)}, cost)
        if (done := self.trainee.already()) is not None:
            return done
        with StopRequest() as stop:
            steps, learnt = self._prune(stop) if self.method == "o1-pruner" else self._tune(stop)
        summary = {"method": self.method, "optimizer_steps": steps, "learnt_from": learnt}
        config = self.config
        facts = TrainedFor(self.method, config.template, config.sampling.max_new_tokens, base=config.model)
        return self.trainee.finish(steps, summary, facts)

    def _tune(self, stop: StopRequest) -> tuple[int, int]:
        examples = examples_of(self.method, self.samples.groups)
        if not examples:
            what = "a correct response" if self.method == "sft" else "two correct responses of different length"
            raise UserError(f"no problem of the samples has {what}: there is nothing for {self.method} to learn from")
        return self.trainee.tune(self.method, examples, self.config.seed, stop), len(examples)

    def _prune(self, stop: StopRequest) -> tuple[int, int]:
        trainee, sampling = self.trainee, self.config.sampling
        steps = prune(
            trainee.load(),
            self.samples.groups,
            self.config.tuning,
            temperature=sampling.temperature,
            cap=sampling.max_new_tokens,
            dtype=trainee.dtype,
            seed=self.config.seed,
            on_step=trainee.on_step,
            stop=stop,
        )
        if not steps:
            raise UserError(
                "in every problem of the samples all responses are equally long and equally right: there is nothing "
                "for o1-pruner to learn from"
            )
        return steps, sum(len(group.rollouts) for group in self.samples.groups)


class Trainee:
    """A model on its way from one folder into a checkpoint, with journal and clock."""

    def __init__(self, folder: Path, config: Any, run: RunFolder, display: Display) -> None:
        self.folder, self.config, self.run, self.display = folder, config, run, display
        self.device = pick_device(config.run.device)
        self.dtype = pick_dtype(config.run.dtype, self.device)
        self.tokenizer = load_tokenizer(folder)
        self.model: Any = None

    def begin(self, facts: dict[str, Any], cost: dict[str, float]) -> None:
        """Logs start with what the samples cost; those of a try that was cut are gone."""
        checkpoint = self.run.latest()
        self.run.rewind(checkpoint)
        for warning in self.run.warnings:
            self.display.note(warning)
        if checkpoint is None:
            tokens = int(cost["tokens_sampled"])
            self.run.append("journal", [{"step": 0, "event": "SAMPLES", **facts, "response_tokens": tokens}])
            rounded = {key: round(value, 4) for key, value in cost.items() if key != "tokens_sampled"}
            counts = {"tokens_sampled": tokens, "tokens_trained": 0, "response_tokens_trained": 0}
            self.run.append("clock", [{"step": 0, **rounded, **counts}])

    def already(self) -> dict[str, Any] | None:
        """The summary, where a crash came between the checkpoint and the word that the work is done."""
        checkpoint = self.run.latest()
        if checkpoint is None:
            return None
        self.run.mark_done(checkpoint.state["summary"])
        return self.run.done

    def load(self) -> Any:
        """The model to be trained: fp32 master weights whatever the dtype of forward and backward."""
        self.model = load_model(self.folder, self.device, torch.float32)
        check_vocabulary(self.model, self.tokenizer)
        return self.model

    def tune(self, method: str, examples: Sequence[Example], seed: int, stop: StopRequest) -> int:
        """Through TRL; whatever it does to the model beside its weights stays behind."""
        reference = load_model(self.folder, self.device, self.dtype) if method == "dpo" else None
        steps = tune(
            method,
            self.load(),
            reference,
            load_tokenizer(self.folder),
            examples,
            self.config.tuning,
            dtype=self.dtype,
            seed=seed,
            on_step=self.on_step,
            stop=stop,
        )
        weights = self.model.state_dict()
        self.load().load_state_dict(weights)
        del weights, reference
        gc.collect()
        return steps

    def on_step(self, numbers: dict[str, float], seconds: float, tokens: int, learnt: int) -> None:
        step, of = int(numbers["step"]), int(numbers["of"])
        rest = {key: value for key, value in numbers.items() if key not in ("step", "of", "epoch")}
        self.run.append("journal", [{"step": step, "event": "STEP", "of": of, **rest, "response_tokens": 0}])
        measured = {"step": step, "update_s": round(seconds, 4), "step_s": round(seconds, 4)}
        speed = round(tokens / seconds, 1)
        counts = {"tokens_sampled": 0, "tokens_trained": tokens, "response_tokens_trained": learnt}
        self.run.append("clock", [{**measured, "tokens_per_s": speed, **counts}])
        # A step whose rewards are all 0 takes no gradient, so it has no loss.
        self.display.step(step, of, {"loss": f"{numbers['loss']:.4f}" if "loss" in numbers else "-"})

    def finish(self, steps: int, summary: dict[str, Any], facts: TrainedFor) -> dict[str, Any]:
        """Save the one checkpoint and say that the work is done."""

        def write(folder: Path) -> None:
            save_model(folder, self.model, self.tokenizer, self.dtype)
            write_trained_for(folder, facts)

        self.run.save(steps, write, {"summary": summary, "environment": environment()})
        self.run.mark_done(summary)
        return summary
