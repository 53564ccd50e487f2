"""An engine with weights of its own that takes those of a learner one whole tensor at a time, as vLLM does: ours, on a
copy. `--set sampling.engine=streaming_engine:SPEC`."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from tersely.models.load import load_model
from tersely.models.shares import is_share
from tersely.samplers.base import EngineSpec, SamplerRequest
from tersely.samplers.transformers import TransformersSampler
from tersely.samplers.vllm import named_weights

CPU = torch.device("cpu")


class StreamingSampler(TransformersSampler):
    """``heard`` is told at every hand-over whether it was one of shares."""

    heard: ClassVar[list[bool]] = []

    def __init__(self, request: SamplerRequest) -> None:
        own = load_model(request.folder, CPU, request.dtype)
        for parameter in own.parameters():
            parameter.data.zero_()  # nothing may be sampled before weights were handed over
        self.own: Any = own
        super().__init__(own, request.tokenizer, "model")

    def load_weights(self, model: Any, version: int) -> None:
        if model is not self.own:
            self.heard.append(any(map(is_share, model.parameters())))
            own = dict(self.own.named_parameters(remove_duplicate=False))
            for name, tensor in named_weights(model, self.own.dtype):
                own[name].data.copy_(tensor)
        super().load_weights(self.own, version)


def make(request: SamplerRequest) -> StreamingSampler:
    sampler = StreamingSampler(request)
    if not any(map(is_share, request.model.parameters())):
        sampler.load_weights(request.model, 0)
    return sampler


SPEC = EngineSpec(make, streams=True)
