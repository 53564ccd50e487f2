"""From hidden states to log-probabilities, in chunks: logits of a whole micro-batch never exist at once.

Three heads. Which of them is a model's own is not asked of its name but found by comparing (``learn.scorer_check``):

- "weights": the output layer alone, and a soft cap. Most architectures.
- "forward": whatever the model's own forward does behind its base: scales, biases, several layers.
- "logits": the model's own logits for every position of the micro-batch. The slowest, and the most memory.

The gradient of the head's weights is added up over the chunks in fp32, whatever the type of the weights: in bfloat16
each addition would round what the chunks before it have gathered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from transformers.modeling_outputs import MoeModelOutputWithPast

HeadName = Literal["weights", "forward", "logits"]
BY_WEIGHTS: HeadName = "weights"
HEADS: tuple[HeadName, ...] = ("weights", "forward", "logits")
"""Fastest first."""

CHUNK_LOGITS = 2**26
"""Logits computed at once (64 Mi, 256 MiB in fp32): chunk length = this / vocabulary size."""


class Head(Protocol):
    """Logits [C, V] in fp32 of what stands at C positions."""

    vocabulary: int | None
    """V, where it is known beforehand."""
    parameters: Sequence[Parameter]
    """Those that the logits depend on besides what they are computed from."""

    def __call__(self, states_CD: Tensor) -> Tensor: ...


class OutputLayer:
    """The layer that transformers calls the output embeddings, and the soft cap of Gemma."""

    def __init__(self, model: Any) -> None:
        self.layer = model.get_output_embeddings()
        self.softcap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
        self.vocabulary: int | None = self.layer.weight.shape[0]
        self.parameters: Sequence[Parameter] = list(self.layer.parameters())

    def __call__(self, states_CD: Tensor) -> Tensor:
        logits_CV: Tensor = self.layer(states_CD).float()
        return logits_CV if self.softcap is None else self.softcap * torch.tanh(logits_CV / self.softcap)


class BehindBase:
    """The model's own forward with the hidden states of its base given instead of computed."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.vocabulary: int | None = model.config.get_text_config().vocab_size
        outside = [child for child in model.children() if child is not model.base_model]
        self.parameters: Sequence[Parameter] = [parameter for child in outside for parameter in child.parameters()]

    def __call__(self, states_CD: Tensor) -> Tensor:
        nothing = torch.zeros((1, states_CD.shape[0]), dtype=torch.long, device=states_CD.device)
        with _answering(self.model.base_model, states_CD[None]):
            logits_CV: Tensor = self.model(input_ids=nothing, use_cache=False).logits[0].float()
        return logits_CV


@contextmanager
def _answering(base: Any, hidden_1CD: Tensor) -> Iterator[None]:
    """The base gives these hidden states whatever it is asked."""
    base.forward = lambda *_, **__: MoeModelOutputWithPast(last_hidden_state=hidden_1CD)
    try:
        yield
    finally:
        del base.forward  # the class's own shows again


class LogitsGiven:
    """The states are logits already."""

    vocabulary: int | None = None
    parameters: Sequence[Parameter] = ()

    def __call__(self, states_CD: Tensor) -> Tensor:
        return states_CD.float()


def head_logprobs(head: Head, states_ND: Tensor, targets_N: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """([N] log-probabilities of the targets, [N] entropies without gradient); in the backward pass each chunk is
    computed again."""
    count = states_ND.shape[0]
    chunk = max(1, CHUNK_LOGITS // (head.vocabulary or states_ND.shape[1]))
    if count <= chunk:
        return _chunk(head, states_ND, targets_N, temperature)
    trained = [parameter for parameter in head.parameters if parameter.requires_grad]
    logprobs_N, entropy_N = _Chunked.apply(head, targets_N, temperature, chunk, states_ND, *trained)
    return logprobs_N, entropy_N


def _chunk(head: Head, states_CD: Tensor, targets_C: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    logits_CV = head(states_CD)
    if temperature != 1.0:
        logits_CV = logits_CV / temperature
    logprobs_CV = F.log_softmax(logits_CV, dim=-1)
    with torch.no_grad():
        entropy_C = -(logprobs_CV.exp() * logprobs_CV).sum(-1)
    return logprobs_CV.gather(-1, targets_C[:, None])[:, 0], entropy_C


class _Chunked(torch.autograd.Function):
    """``_chunk`` over all positions; the gradients of the head's weights meet in fp32."""

    @staticmethod
    def forward(
        ctx: Any, head: Head, targets_N: Tensor, temperature: float, chunk: int, states_ND: Tensor, *trained: Parameter
    ) -> tuple[Tensor, Tensor]:
        device = states_ND.device.type
        ctx.head, ctx.temperature, ctx.chunk, ctx.trained = head, temperature, chunk, trained
        # A backward pass runs outside the autocast of its forward.
        ctx.autocast = (device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
        ctx.save_for_backward(states_ND, targets_N)
        pairs = zip(states_ND.split(chunk), targets_N.split(chunk), strict=True)
        logprobs, entropies = zip(*(_chunk(head, s, t, temperature) for s, t in pairs), strict=True)
        entropy_N = torch.cat(entropies)
        ctx.mark_non_differentiable(entropy_N)
        return torch.cat(logprobs), entropy_N

    @staticmethod
    def backward(ctx: Any, grad_N: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        states_ND, targets_N = ctx.saved_tensors
        grad_states_ND = torch.empty_like(states_ND)
        sums = [torch.zeros_like(p, dtype=torch.promote_types(p.dtype, torch.float32)) for p in ctx.trained]
        device, dtype, enabled = ctx.autocast
        # Last chunk first, as autograd itself would add them.
        for start in reversed(range(0, len(targets_N), ctx.chunk)):
            part = slice(start, start + ctx.chunk)
            states_CD = states_ND[part].detach().requires_grad_()
            with torch.enable_grad(), torch.autocast(device, dtype, enabled):
                logprobs_C, _entropy = _chunk(ctx.head, states_CD, targets_N[part], ctx.temperature)
            wanted = [states_CD, *ctx.trained]
            grads = torch.autograd.grad(logprobs_C, wanted, grad_N[part], allow_unused=True)
            grad_states_ND[part] = grads[0]
            for total, grad in zip(sums, grads[1:], strict=True):
                total += 0 if grad is None else grad
        given = [total.to(p.dtype) for total, p in zip(sums, ctx.trained, strict=True)]
        return (None, None, None, None, grad_states_ND, *given)
