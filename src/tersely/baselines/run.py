"""One baseline in one run folder: samples, method, checkpoint. `tersely evaluate` takes the folder like any run's.

The grain of a resume: responses are kept block by block; training itself takes minutes and begins anew from the kept
responses if it was stopped. Nothing half-trained is ever saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tersely.baselines.choose import every_correct, shortest_and_longest, shortest_correct
from tersely.baselines.first_correct import Read, shortest_first_correct
from tersely.baselines.kept import Samples, SamplesIdentity, read_samples
from tersely.baselines.pruner import prune
from tersely.baselines.records import BaselineSummary
from tersely.baselines.samples import draw_samples, identifying
from tersely.baselines.settings import BASELINES, BaselineConfig, SamplesConfig
from tersely.baselines.trainee import Trainee
from tersely.baselines.trainee_check import check_folder
from tersely.baselines.trainers import Example, require_trl
from tersely.display import Display
from tersely.errors import UserError
from tersely.learn.run_setup import RESOURCE_KEYS
from tersely.learn.scorer_check import head_name
from tersely.models.agreement import PartCheck
from tersely.models.digest import weights_digest
from tersely.models.load import load_config, load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.positions import Room
from tersely.models.prompt_identity import ASKED, prompt_identity_of
from tersely.models.text import ResponseText
from tersely.models.trained_for import TrainedFor
from tersely.records import Group, JsonObject, Problem
from tersely.rollouts import judge_for, load_problems
from tersely.runs.folder import RunFolder
from tersely.runs.kinds import RunKind
from tersely.stop import StopRequest
from tersely.tasks.overlap import keep_trained_on
from tersely.tasks.prompts import render_all

OWN_SAMPLES = "samples"
"""Folder of a run's own samples, where no others were given."""


def run_baseline(
    method: str, config: BaselineConfig, out: Path, samples: Path | None, display: Display
) -> BaselineSummary:
    """Train a baseline in the run folder ``out``; returns the summary kept in done.json.

    ``samples`` names a folder of samples made before, which must be of the same model, task and sampling; without it
    they are drawn beneath ``out``. Raises UserError, RunError and Stopped as the parts do.
    """
    if method in ("sft", "dpo"):
        require_trl()
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    folder = locate_model(config.model, config.revision)
    kept = read_samples(samples) if samples else None
    whole = kept.groups if kept and not kept.identity.is_part else None
    asking = asked_of(folder, config, [g.problem for g in whole] if whole else None, is_sampled=not whole)
    seed = config.seed
    if samples and kept:
        seed = require_same(kept.identity, config, samples).seed
        require_asked_the_same(kept.identity, asking, samples)
    wanted = {**identity_of(method, config, folder, seed), **asking}
    finished = RunFolder.look(out, RunKind.BASELINE, wanted) is not None
    checked = () if finished else check_folder(method, folder, config)
    with RunFolder.open(out, RunKind.BASELINE, wanted) as run:
        done = run.read_done(BaselineSummary.from_json)
        if done is not None:
            display.note(f"{out} is finished already: nothing to do")
            return done
        if samples is None:
            samples = out / OWN_SAMPLES
            draw_samples(SamplesConfig(**config.model_dump(exclude={"tuning"})), samples, display)
        found = read_samples(samples)
        if found.identity.model_sha256 != weights_digest(folder):
            raise UserError(f"the samples in {samples} were drawn from other weights than {config.model}'s now")
        keep_trained_on(run.path, [g.problem.id for g in found.groups])
        return Baseline(method, config, folder, checked, found, run, display).run()


def asked_of(
    folder: Path, config: SamplesConfig, problems: Sequence[Problem] | None, *, is_sampled: bool
) -> JsonObject:
    """What the model in ``folder`` is asked and where its responses end, as a run folder keeps it. ``problems``: those
    of the task where None. UserError where a model that is sampled from has no positions for prompts and responses."""
    if problems is None:
        with judge_for(None, config.run.judge_workers, config.verifier) as grader:
            drop = config.drop_unjudgeable
            loaded = load_problems(config.task, "train", config.train_size, grader, config.template, drop=drop)
        problems = loaded.problems
    tokenizer = load_tokenizer(folder)
    prompts = render_all(problems, tokenizer, config.template)
    if is_sampled:
        longest, cap = max(map(len, prompts.values())), config.sampling.max_new_tokens
        room = Room.of(load_config(folder).to_dict())
        room.require(longest, cap, "--set sampling.max_new_tokens=", config.template)
    return prompt_identity_of(folder, tokenizer, prompts)


def require_asked_the_same(kept: SamplesIdentity, asking: JsonObject, samples: Path) -> None:
    """UserError where the model would no longer be asked as it was when the samples were drawn."""
    other = [name for name in ASKED if kept.asked[name] != asking[name]]
    if other:
        raise UserError(
            f"the samples in {samples} were drawn with another {' and '.join(other)} than the model has now (its chat "
            "template, tokenizer or end tokens were changed since): draw them again in another folder, or bring the "
            "model's files back"
        )


def _without_resources(value: Any) -> Any:
    """A setting without what only says how much is decoded at once."""
    return {k: v for k, v in value.items() if k not in RESOURCE_KEYS["sampling"]} if isinstance(value, dict) else value


def require_same(kept: SamplesIdentity, config: BaselineConfig, samples: Path) -> SamplesIdentity:
    """The samples' identity; UserError where the baseline asks for other responses than they hold."""
    asked = {**config.model_dump(mode="json"), "sampling": config.sampling.record()}
    names = ("model", "revision", "task", "verifier", "template", "train_size", "sampling")
    other = [name for name in names if _without_resources(kept.settings.get(name)) != _without_resources(asked[name])]
    if other:
        raise UserError(
            f"the samples in {samples} were drawn with another {' and '.join(other)}: leave those options out, "
            "or draw samples with them"
        )
    return kept


def identity_of(method: str, config: BaselineConfig, folder: Path, samples_seed: int) -> JsonObject:
    """Which baseline it is, by settings and weights."""
    return {
        "method": method,
        **identifying(config),
        "learning_rate": config.tuning.learning_rate,
        "n": config.sampling.n,
        "model_sha256": weights_digest(folder),
        "samples_seed": samples_seed,
    }


def examples_of(method: str, groups: Sequence[Group], read: Read | None = None) -> list[Example]:
    """What SFT ("sft": the shortest correct response) or DPO ("dpo": preferred to the longest) learns from.

    With ``read`` the first-correct form of a response takes the place of the shortest one (``first_correct``).
    """
    found = []
    for group in groups:
        if read is not None:
            found += _first_correct_example(method, group, read)
            continue
        if method == "sft" and (best := shortest_correct(group)):
            found.append(Example(best.prompt_tokens, best.tokens))
        if method == "dpo" and (pair := shortest_and_longest(group)):
            found.append(Example(pair[0].prompt_tokens, pair[0].tokens, pair[1].tokens))
    return found


def _first_correct_example(method: str, group: Group, read: Read) -> list[Example]:
    positive = shortest_first_correct(group, read)
    if positive is None:
        return []
    longest = max(every_correct(group), key=lambda r: r.length)
    rejected = longest.tokens if method == "dpo" else None
    return [Example(longest.prompt_tokens, positive, rejected)]


class Baseline:
    """The pieces of one run."""

    def __init__(
        self,
        method: str,
        config: BaselineConfig,
        folder: Path,
        checked: tuple[PartCheck, ...],
        samples: Samples,
        run: RunFolder,
        display: Display,
    ) -> None:
        assert method in BASELINES
        self.method, self.config, self.folder, self.samples = method, config, folder, samples
        self.trainee = Trainee(folder, config, checked, run, display)

    def run(self) -> BaselineSummary:
        self.trainee.start_logs({"method": self.method, "samples": str(self.samples.path)}, self.samples.cost)
        if (done := self.trainee.finished_before()) is not None:
            return done
        with StopRequest() as stop:
            steps, learnt = self._prune(stop) if self.method == "o1-pruner" else self._tune(stop)
        config = self.config
        cap = config.sampling.max_new_tokens
        facts = TrainedFor(self.method, config.template, cap, base=config.model, verifier=config.verifier)
        return self.trainee.finish(BaselineSummary(self.method, steps, learnt), facts)

    def _tune(self, stop: StopRequest) -> tuple[int, int]:
        first_correct = self.config.tuning.positive == "first_correct"
        read = ResponseText(self.trainee.tokenizer) if first_correct else None
        examples = examples_of(self.method, self.samples.groups, read)
        if not examples and first_correct:
            raise UserError(
                "no correct response of the samples ends its thinking by a mark such as </think> after it has stated "
                "the answer: there is nothing to cut, so take tuning.positive = shortest"
            )
        if not examples:
            what = "a correct response" if self.method == "sft" else "two correct responses of different length"
            raise UserError(
                f"no problem of the samples has {what}, so there is nothing for {self.method} to learn from: take "
                "easier problems or draw more responses, --n, in another folder"
            )
        return self.trainee.tune(self.method, examples, self.config.seed, stop), len(examples)

    def _prune(self, stop: StopRequest) -> tuple[int, int]:
        trainee, sampling = self.trainee, self.config.sampling
        learner = prune(
            trainee.load(),
            self.samples.groups,
            self.config.tuning,
            temperature=sampling.temperature,
            cap=sampling.max_new_tokens,
            dtype=trainee.dtype,
            seed=self.config.seed,
            head=head_name(trainee.checked[0]),
            layout=trainee.checked[1].chosen,
            on_step=trainee.on_step,
            stop=stop,
        )
        steps = learner.optimizer_steps
        if not steps:
            raise UserError(
                "in every problem of the samples all responses are equally long and equally right: there is nothing "
                "for o1-pruner to learn from"
            )
        trainee.model, trainee.adapter = learner.served_model(), learner.adapter
        return steps, sum(len(group.rollouts) for group in self.samples.groups)
