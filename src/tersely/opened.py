"""A model opened to be sampled from, and nothing else: for evaluation, baselines' samples, faithfulness, `show`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tersely.config import SamplingConfig
from tersely.facts import NO_OPTIONS, Facts
from tersely.models.agreement import ModelCheck, PartCheck, Truth
from tersely.models.end_tokens import end_tokens
from tersely.models.load import check_vocabulary, load_model, load_tokenizer
from tersely.models.positions import Room
from tersely.models.tokenizer_check import tokenizer_check
from tersely.samplers import Sampler
from tersely.samplers.base import closed_if_refused
from tersely.samplers.decoder_check import check_decoder
from tersely.samplers.engine_check import check_engine
from tersely.samplers.engines import TRANSFORMERS, find_engine, make_sampler

ENGINE_MEMORY = 0.9
"""Share of the GPU's memory for an engine that holds its own: nothing is trained beside it."""


@dataclass(frozen=True)
class OpenedModel:
    """A model with its tokenizer, in the type and place that sampling needs."""

    folder: Path
    model: Any
    tokenizer: Any
    facts: Facts
    decoder: PartCheck | None
    """The one that is right for the model, where it is ours."""

    def require_room(self, prompts: Iterable[tuple[int, ...]], cap: int, setting: str, template: str = "") -> None:
        """UserError where the longest prompt and the cap exceed the model's positions, or go beyond where its rotary
        embedding changes; ``setting`` is what to change, such as "--max-new-tokens "."""
        Room.of(self.model.config.to_dict()).require(max(map(len, prompts)), cap, setting, template)

    def room_left(self, prompts: Iterable[tuple[int, ...]]) -> int | None:
        """New tokens that fit behind the longest of these; None where no limit is known."""
        return Room.of(self.model.config.to_dict()).left(max(map(len, prompts)))

    def make_sampler(self, settings: SamplingConfig, prompts: Iterable[tuple[int, ...]]) -> tuple[Sampler, ModelCheck]:
        """A sampler for these prompts, and all that was compared; what ``settings`` leaves to the machine is what the
        facts say, and to the check what it found.

        An engine that is not ours is asked for a few tokens, which are compared with the model's own forward: UserError
        where it samples from something else.
        """
        settings = settings.model_copy(update={"engine": self.facts.engine})
        if self.decoder is not None:
            settings = settings.model_copy(update={"decoder": self.decoder.chosen})
        longest = max(map(len, prompts))
        sampler = make_sampler(settings, self.model, self.tokenizer, self.folder, self.facts.dtype, longest)
        with closed_if_refused(sampler):
            return sampler, self.check(sampler)

    def check(self, sampler: Sampler | None = None) -> ModelCheck:
        """All that was compared; with the sampler, where that is not our own decoder."""
        found = self.decoder
        if found is None and sampler is not None:
            imprecise = self.facts.traits.less_precise is not None
            found = check_engine(self.facts.engine, sampler, Truth(self.model), imprecise)
        return ModelCheck((tokenizer_check(self.tokenizer), *(() if found is None else (found,))))


def open_model(folder: Path, facts: Facts, tokenizer: Any | None = None) -> OpenedModel:
    """Load model and tokenizer (None: not loaded yet); where the engine holds the copy that samples, ours stays in main
    memory.

    A decoder of ours is compared with the model's own forward first. UserError where they cannot be loaded, do not
    belong together, have no end token, or where no decoder is right; RunError for logits that are not numbers.
    """
    tokenizer = load_tokenizer(folder) if tokenizer is None else tokenizer
    own = torch.device("cpu") if find_engine(facts.engine).loads_on_cpu else facts.device
    model = load_model(folder, own, facts.dtype)
    check_vocabulary(model, tokenizer)
    end_tokens(model, tokenizer)
    decoder = check_decoder(Truth(model)) if facts.engine == TRANSFORMERS else None
    return OpenedModel(folder, model, tokenizer, facts, decoder)


def sampling_alone(cap: int, max_rows: int, options: Mapping[str, Any] = NO_OPTIONS) -> SamplingConfig:
    """Settings of a sampler beside which nothing is trained; ``options`` are the engine's own."""
    return SamplingConfig(
        max_new_tokens=cap, max_rows=max_rows, engine_memory=ENGINE_MEMORY, engine_options=dict(options)
    )
