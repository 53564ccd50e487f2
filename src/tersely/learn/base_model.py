"""The model that training starts from, loaded and looked at before a run folder is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.facts import Facts
from tersely.learn.lora import import_peft, refuse_targets
from tersely.learn.optimizer import require_installed
from tersely.learn.parallel import World
from tersely.learn.scorer_check import BaseCheck, check_base
from tersely.models.agreement import ModelCheck
from tersely.models.end_tokens import end_tokens
from tersely.models.load import check_vocabulary, load_model, load_tokenizer
from tersely.models.positions import positions_of, require_before_switch
from tersely.models.prompt_identity import prompt_identity
from tersely.models.tokenizer_check import tokenizer_check
from tersely.plan.checks import check_plan, check_tokenizer
from tersely.plan.files import folder_files, has_tokenizer
from tersely.plan.machine import available_memory
from tersely.records import JsonObject, Problem
from tersely.tasks.prompts import render_all, require_room


@dataclass(frozen=True)
class LoadedBase:
    """A model, its tokenizer, and where they live."""

    folder: Path
    model: Any
    tokenizer: Any
    check: BaseCheck
    """Which ways to decode and to score are right for this model."""

    @classmethod
    def load(cls, folder: Path, config: TrainConfig, facts: Facts, world: World) -> LoadedBase:
        device, dtype = facts.device, facts.dtype
        require_installed(config.learner.optimizer)
        refuse_what_cannot_fit(config, folder, device, world)
        if config.learner.lora:
            import_peft()
        tokenizer = load_tokenizer(folder)
        # fp32 whatever the dtype of forward and backward: these are the master weights. Frozen ones need none.
        lora = config.learner.lora
        model = load_model(folder, device, dtype if lora else torch.float32)
        check_vocabulary(model, tokenizer)
        if lora:
            refuse_targets(model, lora)
        end_tokens(model, tokenizer)
        return cls(folder, model, tokenizer, check_base(model, config, facts))

    def whole_check(self) -> ModelCheck:
        """All that was compared: of the model and of its tokenizer."""
        return self.check.whole(tokenizer_check(self.tokenizer))

    def prompt_identity(self, prompts: Mapping[str, tuple[int, ...]]) -> JsonObject:
        """What a resumed run must share of prompts, chat template and end tokens."""
        return prompt_identity(self.tokenizer, end_tokens(self.model, self.tokenizer), prompts)

    def render_all(self, problems: Sequence[Problem], config: TrainConfig) -> dict[str, tuple[int, ...]]:
        """Prompt ids by problem id; UserError where the longest one and the cap exceed the model's positions."""
        prompts = render_all(problems, self.tokenizer, config.template)
        cap, setting = config.sampling.max_new_tokens, "--set sampling.max_new_tokens="
        require_room(prompts.values(), cap, positions_of(self.model), setting)
        require_before_switch(self.model.config.to_dict(), max(map(len, prompts.values())), cap, setting)
        return prompts


def refuse_what_cannot_fit(config: TrainConfig, folder: Path, device: torch.device, world: World) -> None:
    """UserError with a cure for the first reason that the plan finds against the run, before a weight is loaded."""
    files = folder_files(folder)
    model_config = files["config.json"]
    available = available_memory(device.type)[0] or None
    # Asked of the files: transformers gives some tokenizers an end token that their model was never taught. Whether
    # there is a chat template is for the tokenizer to say, when the first prompt is rendered.
    without_end = check_tokenizer(files, "plain") if has_tokenizer(files) else []
    plan = check_plan(config, model_config, available=available, device=device.type, gpus=world.size)
    for reason in without_end + plan:
        raise UserError(reason)
