"""A model opened to be sampled from, and nothing else: for evaluation, baselines' samples, faithfulness, `show`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tersely.config import SamplingConfig
from tersely.facts import Facts
from tersely.models.load import check_vocabulary, load_model, load_tokenizer
from tersely.samplers import Sampler
from tersely.samplers.engines import find_engine, make_sampler
from tersely.samplers.transformers import end_tokens
from tersely.tasks.prompts import require_room

ENGINE_MEMORY = 0.9
"""Share of the GPU's memory for an engine that holds its own: nothing is trained beside it."""


@dataclass(frozen=True)
class OpenedModel:
    """A model with its tokenizer, in the type and place that sampling needs."""

    folder: Path
    model: Any
    tokenizer: Any
    facts: Facts

    def require_room(self, prompts: Iterable[tuple[int, ...]], cap: int, setting: str) -> None:
        """UserError where the longest prompt and the cap exceed the model's positions; ``setting`` is what to change,
        such as "--max-new-tokens "."""
        require_room(prompts, cap, getattr(self.model.config, "max_position_embeddings", None), setting)

    def make_sampler(self, settings: SamplingConfig, prompts: Iterable[tuple[int, ...]]) -> Sampler:
        """A sampler for these prompts; what ``settings`` leaves to the machine is what the facts say."""
        settings = settings.model_copy(update={"engine": self.facts.engine})
        longest = max(map(len, prompts))
        return make_sampler(settings, self.model, self.tokenizer, self.folder, self.facts.dtype, longest)


def open_model(folder: Path, facts: Facts) -> OpenedModel:
    """Load model and tokenizer; where the engine holds the copy that samples, ours stays in main memory.

    UserError where they cannot be loaded, do not belong together, or have no end token.
    """
    tokenizer = load_tokenizer(folder)
    own = torch.device("cpu") if find_engine(facts.engine).loads_on_cpu else facts.device
    model = load_model(folder, own, facts.dtype)
    check_vocabulary(model, tokenizer)
    end_tokens(model, tokenizer)
    return OpenedModel(folder, model, tokenizer, facts)


def sampling_alone(cap: int, max_rows: int) -> SamplingConfig:
    """Settings of a sampler beside which nothing is trained."""
    return SamplingConfig(max_new_tokens=cap, max_rows=max_rows, engine_memory=ENGINE_MEMORY)
