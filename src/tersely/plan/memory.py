"""Bytes that a training run needs at its two peaks, sampling and updating, from sizes alone.

Everything is per GPU (or per process on a CPU). Constants that were not counted in the code but assumed are named so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tersely.config import LoraConfig, TrainConfig
from tersely.plan.engine import asleep_bytes, decodes_with_vllm, engine_bytes
from tersely.plan.lengths import LengthProfile
from tersely.plan.shape import ModelShape

CHUNK_LOGITS = 2**26
"""Logits that the learner computes at once (``tersely.learn.logprobs``)."""

COMPACT_BELOW = 0.85
"""The sampler drops ended rows once the living are under this share (``tersely.samplers.transformers``)."""

RESERVE = {"cuda": 2 * 10**9, "cpu": 5 * 10**8}
"""Bytes for the device's context, workspaces and fragments: assumed."""

_MOMENTS_8BIT = 2 + 2 * 4 / 256
"""Two moments of one byte, and for each an fp32 scale every 256 values."""

STATE: dict[str, tuple[float, float, float]] = {"adam": (4, 4, 8), "adam8bit": (4, 4, _MOMENTS_8BIT)}
"""Bytes a parameter of (weights, gradients, optimizer) by ``learner.optimizer``; the fp32 weights are the masters.
Adam keeps two moments (Kingma and Ba 2015)."""

SPLIT = (2.0, 4.0, 2 + _MOMENTS_8BIT)
"""The same of "adam8bit" where bf16 is computed with: the weights are the upper half of their fp32 masters, the
optimizer holds the other; gradients are added up in fp32 (``tersely.learn.optimizer``)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How training state lies in memory.

    ``element`` is bytes of what is computed with: products, cache, sampling weights, reference (4 fp32, 2 bf16).
    """

    element: int
    optimizer: str = "adam"
    checkpointing: bool = False
    """Gradient checkpointing: each layer keeps its input alone and is computed again in the backward pass."""
    reference: bool = True
    """A frozen copy of the base beside the policy, for the KL term."""
    packed: bool = True
    """Rows of a micro-batch lie end to end; else they are padded to the longest of it."""
    gpus: int = 1
    lora: LoraConfig | None = None
    """Adapters train in fp32 with Adam; the base is frozen in ``element``, and merged weights lie beside it for the
    sampler. With the adapter off the base is the reference."""
    shard: str = "none"
    """``learner.sharding`` where there are several GPUs, else "none". Both settings share out weights, gradients,
    optimizer and reference; during an update "zero2" keeps all gathered weights, "zero3" those of two layers, of the
    embedding and of the head."""
    vllm: bool = False
    """It decodes, from weights of its own that are handed over one tensor at a time."""

    @property
    def state_bytes(self) -> tuple[float, float, float]:
        """Bytes a parameter of the model's weights, gradients, optimizer; see STATE."""
        if self.lora is not None:
            return float(self.element), 0.0, 0.0
        return SPLIT if self.optimizer == "adam8bit" and self.element == 2 else STATE[self.optimizer]

    @property
    def stream(self) -> int:
        """Bytes of a number in the residual stream: autocast leaves it in the weights' type."""
        return max(self.element, int(self.state_bytes[0]))

    @property
    def cast(self) -> bool:
        """The weights are wider than what is computed with: the sampler has a copy, and autocast casts them (or they
        are gathered so)."""
        return self.state_bytes[0] > self.element

    @property
    def gathered_bytes(self) -> float:
        """Of a weight that is gathered from several GPUs."""
        return float(self.element) if self.cast else self.state_bytes[0]


def layout_of(config: TrainConfig, device: str, gpus: int = 1) -> Layout:
    """The layout that ``config`` asks for on "cuda" or "cpu".

    The layout "auto" packs on a GPU in 16 bits, as ``tersely.learn.attention`` decides for the architectures planned
    here (without a sliding window).
    """
    dtype = config.run.dtype
    if dtype == "auto":
        dtype = "bfloat16" if device == "cuda" else "float32"
    layout = config.learner.layout
    return Layout(
        element=2 if dtype == "bfloat16" else 4,
        optimizer=config.learner.optimizer,
        checkpointing=config.learner.gradient_checkpointing,
        reference=config.learner.kl_coefficient > 0,
        packed=layout == "packed" or (layout == "auto" and device == "cuda" and dtype == "bfloat16"),
        lora=config.learner.lora,
        gpus=gpus,
        shard=config.learner.sharding if gpus > 1 else "none",
        vllm=decodes_with_vllm(config, device),
    )


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes by use. The state is held all the time; the rest, gradients too, at one of the two peaks."""

    weights: float
    gradients: float
    optimizer: float
    copy: float
    """Whole weights in the sampler's type, where the masters are of another or shared out; merged ones of LoRA. vLLM
    has its own, in ``engine``."""
    reference: float
    engine: float
    """vLLM's weights, cache and graphs while it samples."""
    asleep: float
    """What is left of them while the update runs."""
    cache: float
    """Peak of the key-value cache with the lengths expected."""
    cache_worst: float
    """The same if no response of a block ended before the cap."""
    sampling_logits: float
    tail: float
    """A pass over a response at the cap while others are decoded (``learner.under_the_tail``)."""
    activations: float
    casts: float
    """Weights that autocast has cast, kept for the backward pass."""
    gathered: float
    """Whole weights, here for forward and backward."""
    reducing: float
    """With several GPUs: gradients of whole weights on their way to their shares."""
    chunk: float
    loading: float
    """Peak before the first step: two models in fp32 (of a resume: base and checkpoint), or one and its copies; of
    LoRA the base in the type computed with, and its copy; with several GPUs the shares, and what is compared."""
    reserve: float

    @property
    def state(self) -> float:
        return self.weights + self.optimizer + self.copy + self.reference + self.reserve

    @property
    def sampling(self) -> float:
        return self.state + self.engine + self.cache + self.sampling_logits + self.tail

    @property
    def updating(self) -> float:
        """Gradients are freed right after the optimizer's step, so they lie at this peak alone."""
        passing = self.activations + self.casts + self.gathered + self.reducing + self.chunk
        return self.state + self.asleep + self.gradients + passing

    @property
    def peak(self) -> float:
        return max(self.sampling, self.updating, self.loading)

    def to_json(self) -> dict[str, float]:
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**parts, "state": self.state, "sampling": self.sampling, "updating": self.updating, "peak": self.peak}


def predict_memory(
    shape: ModelShape,
    config: TrainConfig,
    layout: Layout,
    lengths: LengthProfile,
    prompt: int,
    device: str,
    available: float | None = None,
) -> Memory:
    """All uses for one configuration. ``prompt``: tokens of the longest prompt; ``available``: bytes of each GPU, of
    which vLLM takes its share.

    Weights, gradients, optimizer state and reference of N parameters as STATE says (the reference ``b N``, b =
    ``layout.element``), divided by the GPUs where they are shared out; the sampler's copy and the casts ``b N`` each on
    every GPU (the embedding is not cast, and nothing where weights are gathered in that type). Updating: what is
    gathered, and the largest micro-batch (the token budget, or one response at the cap if that is longer) times
    ``micro_batch_bytes``. Sampling: ``cache_bytes`` and the logits of one step with what is made of them in ``draw``
    (fp32 logits and log-probabilities, fp64 probabilities and cumulative sums: 24 bytes a row and word).
    """
    parameters, element = shape.parameters, layout.element
    weight, gradient, state = layout.state_bytes
    lora = layout.lora
    adapter = 0 if lora is None else shape.adapter_parameters(lora.rank, lora.target_names)
    adapter_weight, adapter_gradient, adapter_state = STATE["adam"]
    shared = 1 if layout.shard == "none" else layout.gpus
    copied = (layout.cast or shared > 1) and not layout.vllm
    copy = float(element * parameters) if copied or lora else 0.0
    reference = element * parameters / shared if layout.reference and lora is None else 0.0
    engine = engine_bytes(shape, config, element, prompt, device, available) if layout.vllm else 0.0
    weights = (weight * parameters + adapter_weight * adapter) / shared
    rows = 0 if layout.vllm else block_rows(config, layout.gpus)
    sampling = config.sampling
    tokens = micro_batch_tokens(config, prompt)
    return Memory(
        weights=weights,
        gradients=(gradient * parameters + adapter_gradient * adapter) / shared,
        optimizer=(state * parameters + adapter_state * adapter) / shared,
        copy=copy,
        reference=reference,
        engine=engine,
        asleep=asleep_bytes(config, device, engine) if layout.vllm else 0.0,
        cache=cache_bytes(shape, lengths, rows, sampling.max_new_tokens, prompt, element) if rows else 0.0,
        cache_worst=shape.kv_bytes(element) * rows * (prompt + sampling.max_new_tokens) * (1.0 + 1.0 / shape.layers),
        sampling_logits=24.0 * rows * shape.vocabulary,
        tail=tail_bytes(shape, config, layout, prompt) if config.learner.under_the_tail else 0.0,
        activations=micro_batch_bytes(shape, tokens, layout),
        casts=cast_bytes(shape, layout) if shared == 1 else 0.0,
        gathered=layout.gathered_bytes * gathered_parameters(shape, layout) if shared > 1 else 0.0,
        reducing=reducing_bytes(shape, layout, adapter),
        chunk=chunk_bytes(shape, tokens, element),
        loading=loading_bytes(shape, layout, weights, reference, copy) + RESERVE[device],
        reserve=float(RESERVE[device]),
    )


def gathered_parameters(shape: ModelShape, layout: Layout) -> int:
    """Parameters that are whole at once during an update: with "zero3" two layers (one works, the next is on its way)
    and what lies outside the layers, else all."""
    if layout.shard != "zero3":
        return shape.parameters
    return outside_parameters(shape) + min(2, shape.layers) * layer_parameters(shape)


def outside_parameters(shape: ModelShape) -> int:
    """Embedding, head and last norm: gathered together, and the largest of what is."""
    return shape.parameters - shape.layers * layer_parameters(shape)


def layer_parameters(shape: ModelShape) -> int:
    return (shape.body_parameters - shape.hidden) // shape.layers


def reducing_bytes(shape: ModelShape, layout: Layout, adapter: int) -> float:
    """Gradients of whole weights, in the type these are gathered in, and fp32 copies in the order of the shares: of a
    layer at a time, and last of what lies outside the layers. Of LoRA the adapter's alone."""
    if layout.shard == "none":
        return 0.0
    if layout.lora is not None:
        return 8.0 * adapter / shape.layers
    return (layout.gathered_bytes + 4) * max(layer_parameters(shape), outside_parameters(shape))


def loading_bytes(shape: ModelShape, layout: Layout, weights: float, reference: float, copy: float) -> float:
    """Before the first step, without the reserve. Of several GPUs none holds a whole model: the shares are filled one
    tensor at a time, and the first two layers with all that lies outside them are compared in fp32 and in ``b``."""
    if layout.lora is not None:
        return layout.state_bytes[0] * shape.parameters + copy
    if layout.shard == "none":
        return max(2 * 4.0 * shape.parameters, 4.0 * shape.parameters + reference + copy)
    compared = outside_parameters(shape) + min(2, shape.layers) * layer_parameters(shape)
    return weights + reference + copy + (4.0 + layout.element) * compared


def block_rows(config: TrainConfig, gpus: int = 1) -> int:
    """Responses decoded at once on one GPU: whole groups, at most ``max_rows`` (but at least one group)."""
    n = config.sampling.n
    here = max(1, config.sampling.prompts // gpus) * n
    return min(here, max(1, config.sampling.max_rows // n) * n)


def micro_batch_tokens(config: TrainConfig, prompt: int) -> int:
    """Tokens of the largest micro-batch: a row at the cap goes alone, however small the budget."""
    longest = prompt + config.sampling.max_new_tokens
    rows = -(-config.sampling.prompts // config.learner.updates) * config.sampling.n
    return max(longest, min(config.learner.token_budget, rows * longest))


def cache_bytes(shape: ModelShape, lengths: LengthProfile, rows: int, cap: int, prompt: int, element: int) -> float:
    """Largest cache over the decode steps t: ``kv_bytes (prompt + t + 1) alive(t) rows``.

    Ended rows stay until the living are under 0.85 of the block, so up to ``1 / 0.85`` of the living are held, and
    never more than the block. While one layer's cache is copied (to append, or to drop rows) it is there twice:
    ``1 / layers`` more.
    """
    held_T = np.minimum(np.maximum(lengths.alive(cap), 1.0 / rows) / COMPACT_BELOW, 1.0) * rows
    tokens_T = held_T * (prompt + 1.0 + np.arange(cap))
    return float(shape.kv_bytes(element) * tokens_T.max() * (1.0 + 1.0 / shape.layers))


def micro_batch_bytes(shape: ModelShape, tokens: int, layout: Layout) -> float:
    """Activations of one micro-batch for its backward pass.

    Kept: every layer's saved tensors (``ModelShape.activation_bytes``), or with checkpointing every layer's input
    ``h r`` and one layer in full. Gradients passing through a layer: assumed as large as its saved tensors. Around the
    head: the final norm's ``(4 + r) h`` and what goes into the head, with its gradient ``3 h b``.
    """
    layer, inputs, head = token_bytes(shape, layout)
    kept = shape.layers * inputs + layer if layout.checkpointing else shape.layers * layer
    return float(tokens) * (kept + layer + head)


def token_bytes(shape: ModelShape, layout: Layout) -> tuple[float, float, float]:
    """Of one token: (a layer in full, a layer's input, around the head)."""
    layer = shape.activation_bytes(layout.element, layout.stream)
    if layout.lora is not None:
        layer += shape.adapter_activation_bytes(layout.lora.rank, layout.element)
    head = (4 + layout.stream + 3 * layout.element) * shape.hidden
    return layer, shape.hidden * layout.stream, head


def tail_bytes(shape: ModelShape, config: TrainConfig, layout: Layout, prompt: int) -> float:
    """A pass without gradient over one response at the cap: a layer in full (no more than for a backward pass) with its
    input, the head, a chunk of logits; where the policy is passed over too, its weights as autocast casts them."""
    tokens = prompt + config.sampling.max_new_tokens
    passes_policy = config.learner.old_logprobs == "trainer" and config.learner.updates > 1
    casts = cast_bytes(shape, layout) if passes_policy else 0.0
    return float(tokens) * sum(token_bytes(shape, layout)) + chunk_bytes(shape, tokens, layout.element) + casts


def cast_bytes(shape: ModelShape, layout: Layout) -> float:
    return float(layout.element * shape.read_per_step) if layout.cast else 0.0


def chunk_bytes(shape: ModelShape, tokens: int, element: int) -> float:
    """Logits that exist at once in the head: the model's own, and four fp32 copies (logits, their log-softmax, its
    exponential and the product for the entropy), for one chunk."""
    logits = min(float(CHUNK_LOGITS), float(tokens) * shape.vocabulary)
    return logits * (element + 16)
