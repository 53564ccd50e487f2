"""The model that a baseline learns from, sampled where it is served; its folder is read all the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tersely.baselines.settings import SamplesConfig
from tersely.models.agreement import ModelCheck, Truth
from tersely.models.end_tokens import end_tokens
from tersely.models.text import ResponseText
from tersely.models.tokenizer_check import tokenizer_check
from tersely.opened import OpenedModel
from tersely.records import JsonObject
from tersely.samplers import Sampler, Sampling
from tersely.samplers.endpoint import Endpoint
from tersely.samplers.endpoint.ids import IdsSampler
from tersely.samplers.endpoint.look import Looked, look
from tersely.samplers.engine_check import check_engine
from tersely.samplers.engines import ENDPOINT


@dataclass(frozen=True, slots=True)
class Served:
    """A server that was looked at."""

    endpoint: Endpoint
    looked: Looked

    @classmethod
    def at(cls, endpoint: Endpoint, config: SamplesConfig, prompt: tuple[int, ...]) -> Served:
        """UserError for a server that cannot be used (``look``)."""
        settings, plain = config.sampling, replace(endpoint, completions=True)
        looked = look(plain, prompt, Sampling(1, settings.max_new_tokens, settings.temperature), None, ids=True)
        looked.require_room(settings.max_new_tokens)
        return cls(plain, looked)

    @property
    def identity(self) -> JsonObject:
        return self.endpoint.identity(self.looked.reported)

    def sampler(self, opened: OpenedModel) -> tuple[Sampler, ModelCheck]:
        """UserError unless it serves this very model: what it says of tokens that it samples is compared with the
        model's own forward. It may compute less precisely, as it pleases whoever serves."""
        ends = end_tokens(opened.model, opened.tokenizer)
        text = ResponseText(opened.tokenizer, ends)
        size = opened.model.config.get_text_config().vocab_size
        sampler = IdsSampler(self.endpoint, text, size, ends, self.looked.cap_name)
        found = check_engine(ENDPOINT, sampler, Truth(opened.model), less_precise=True)
        return sampler, ModelCheck((tokenizer_check(opened.tokenizer), found))
