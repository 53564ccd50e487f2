"""The model that training starts from, loaded and looked at before a run folder is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tersely.config import SamplingConfig, TrainConfig
from tersely.errors import UserError
from tersely.facts import Facts
from tersely.learn.lora import import_peft, refuse_targets
from tersely.learn.lora_check import check_adapter
from tersely.learn.optimizer import require_installed
from tersely.learn.parallel import World
from tersely.learn.scorer_check import BaseCheck, check_base
from tersely.models.agreement import ModelCheck, PartCheck, Truth
from tersely.models.end_tokens import end_tokens
from tersely.models.load import check_vocabulary, load_config, load_model, load_tokenizer
from tersely.models.prompt_identity import prompt_identity
from tersely.models.skeleton import skeleton
from tersely.models.tokenizer_check import tokenizer_check
from tersely.plan.checks import check_plan, check_tokenizer
from tersely.plan.files import ModelFiles, folder_files, has_tokenizer
from tersely.plan.machine import available_memory
from tersely.records import JsonObject, Problem
from tersely.samplers import Sampler
from tersely.samplers.base import closed_if_refused
from tersely.samplers.engine_check import check_engine
from tersely.samplers.engines import make_sampler
from tersely.tasks.training_prompts import TrainingPrompts

MAIN_MEMORY = torch.device("cpu")


@dataclass(frozen=True)
class LoadedBase:
    """A model, its tokenizer, and where they live."""

    folder: Path
    model: Any
    tokenizer: Any
    prompts: Mapping[str, tuple[int, ...]]
    """Prompt ids by problem id (with levels of effort: by both), all known to fit."""
    check: BaseCheck
    """Which ways to decode and to score are right for this model."""

    @classmethod
    def load(
        cls, folder: Path, config: TrainConfig, facts: Facts, world: World, problems: Sequence[Problem]
    ) -> LoadedBase:
        """Loaded and looked at; every rank must call. UserError, said once, where it cannot be trained."""
        with world.collective_errors():
            files = folder_files(folder)
            require_end(files)
            tokenizer = load_tokenizer(folder)
            prompts = TrainingPrompts.of(config).render(problems, tokenizer)
            # As transformers reads it: some files leave to their class how many positions there are.
            model_config = {**files["config.json"], **load_config(folder).to_dict()}
            refuse_what_cannot_fit(config, model_config, facts.device, world, max(map(len, prompts.values())))
            model = load_weights(folder, config, facts, world)
            check_vocabulary(model, tokenizer)
            lora = config.learner.lora
            if lora:
                refuse_targets(model, lora)
            end_tokens(model, tokenizer)
        # By the first process, which alone is sure to hold the weights.
        check = BaseCheck.from_json(world.broadcast(lambda: check_base(model, config, facts).to_json()))
        with world.collective_errors():
            if lora:
                check_adapter(model, lora, world.size)
        return cls(folder, model, tokenizer, prompts, check)

    def start_sampler(self, settings: SamplingConfig, facts: Facts, model: Any, longest_prompt: int) -> Sampler:
        """A sampler of which nothing was compared yet."""
        settings = self.check.sampling(settings).model_copy(update={"engine": facts.engine})
        return make_sampler(settings, model, self.tokenizer, self.folder, facts.dtype, longest_prompt)

    def make_sampler(
        self, settings: SamplingConfig, facts: Facts, model: Any, longest_prompt: int
    ) -> tuple[Sampler, PartCheck | None]:
        """What samples from the weights of ``model`` (this base, or what it has become), and what was compared of an
        engine that is not ours. UserError where that samples from something else."""
        sampler = self.start_sampler(settings, facts, model, longest_prompt)
        if self.check.decoder is not None:
            return sampler, None
        with closed_if_refused(sampler):
            imprecise = facts.traits.less_precise is not None
            return sampler, check_engine(facts.engine, sampler, Truth(model, facts.dtype), imprecise)

    def whole_check(self, engine: PartCheck | None = None) -> ModelCheck:
        """All that was compared: of the model, of its tokenizer, of an engine that is not ours."""
        return self.check.whole(tokenizer_check(self.tokenizer), engine)

    def prompt_identity(self) -> JsonObject:
        """What a resumed run must share of prompts, chat template and end tokens."""
        return prompt_identity(self.folder, self.tokenizer, end_tokens(self.model, self.tokenizer), self.prompts)


def load_weights(folder: Path, config: TrainConfig, facts: Facts, world: World) -> Any:
    """A model to train from. Of several processes the first holds it whole in main memory, to deal it out, and the
    others its frame; with LoRA all do on their devices.

    fp32 whatever the dtype of forward and backward: these are the master weights. Frozen ones need none.
    """
    if config.learner.lora:
        return load_model(folder, facts.device, facts.dtype)
    if world.size == 1:
        return load_model(folder, facts.device, torch.float32)
    return load_model(folder, MAIN_MEMORY, torch.float32) if world.is_main else skeleton(folder, torch.float32)


def require_libraries(config: TrainConfig) -> None:
    """UserError where a library that the configuration needs is not installed."""
    require_installed(config.learner.optimizer)
    if config.learner.lora:
        import_peft()


def require_end(files: ModelFiles) -> None:
    """UserError where no file names an end token: transformers gives some tokenizers one that their model was never
    taught. Whether there is a chat template is for the tokenizer to say, when the first prompt is rendered."""
    for reason in check_tokenizer(files, "plain") if has_tokenizer(files) else []:
        raise UserError(reason)


def refuse_what_cannot_fit(
    config: TrainConfig, model_config: Mapping[str, Any], device: torch.device, world: World, longest_prompt: int
) -> None:
    """UserError with a cure for the first reason that the plan finds against the run, before a weight is loaded."""
    available = available_memory(device.type)[0] or None
    plan = check_plan(
        config, model_config, prompt=longest_prompt, available=available, device=device.type, gpus=world.size
    )
    for reason in plan:
        raise UserError(reason)
