"""Where the models of a learner lie: the policy, the frozen reference, and what the sampler is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tersely.config import LearnerConfig
from tersely.learn.heads import BY_WEIGHTS, HeadName
from tersely.learn.logprobs import Scorer
from tersely.learn.lora import Adapter
from tersely.learn.parallel import World
from tersely.learn.shards import deal, gather_into, materialise, shard
from tersely.models.load import cast_weights
from tersely.models.skeleton import beside_weights, without_weights
from tersely.samplers.weights import cast_copy


@dataclass(frozen=True, slots=True)
class Placed:
    """The models of one learner. ``serve`` gives the policy as the sampler takes it, with its weights as they are now;
    where weights are shared out every rank must call it."""

    policy: Scorer
    reference: Scorer | None
    serve: Callable[[], Any]
    adapter: Adapter | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What decides it. ``streams``: the sampler gathers shared-out weights itself, one tensor at a time."""

    dtype: torch.dtype
    """Of forward, backward and sampling."""
    device: torch.device
    world: World
    head: HeadName = BY_WEIGHTS
    seed: int = 0
    streams: bool = False


def place(model: Any, reference: Any | None, config: LearnerConfig, to: Place) -> Placed:
    """The models where they train. In one process ``model`` itself is the policy; in several a model of shares is, and
    ``model`` and ``reference`` only give what is in them (without LoRA: those of the first process)."""
    # No dropout: the ratio to the sampling policy compares the same function.
    model.eval()
    if config.lora is not None:
        return _with_adapter(model, config, to)
    if to.world.size > 1:
        return _in_shares(model, reference, config, to)
    scorer = None
    if config.kl_coefficient:
        frozen = cast_copy(model, to.dtype) if reference is None else cast_weights(reference, to.dtype)
        scorer = Scorer(frozen.eval().requires_grad_(False), to.head)
    return Placed(_training(model, config, to), scorer, lambda: model)


def _with_adapter(model: Any, config: LearnerConfig, to: Place) -> Placed:
    """The base is frozen and in ``dtype``; with the adapter off it is the reference. The merged copy is whole."""
    assert config.lora is not None
    adapter = Adapter(cast_weights(model, to.dtype), config.lora, to.seed)
    policy = _training(model, config, to)
    if to.world.size > 1:
        shard(policy, layers_of(model), config.sharding, to.world, to.device)
    return Placed(policy, policy if config.kl_coefficient else None, adapter.merge, adapter)


def _in_shares(model: Any, reference: Any | None, config: LearnerConfig, to: Place) -> Placed:
    """Policy and reference are dealt out to all processes, and so is what the sampler is given if it ``streams``."""
    computed = to.dtype if to.dtype != model.dtype else None
    policy = _training(without_weights(model, model.dtype), config, to)
    if computed:
        # So that the residual stream is fp32 between products in ``dtype``, as under autocast in one process.
        policy.model.get_input_embeddings().register_forward_hook(_in_fp32)
    shard(policy, layers_of(model), config.sharding, to.world, to.device, computed)
    deal(policy.model, model, to.world, to.device)
    scorer = None
    if config.kl_coefficient:
        base = model if reference is None else reference
        scorer = Scorer(without_weights(base, to.dtype).eval().requires_grad_(False), to.head)
        shard(scorer, layers_of(base), "zero3", to.world, to.device, trains=False)
        deal(scorer.model, base, to.world, to.device)
    if to.streams:
        return Placed(policy, scorer, lambda: policy.model)
    copy = whole_frame(model, policy.model, to).requires_grad_(False)
    return Placed(policy, scorer, lambda: gather_into(copy, policy.model))


def whole_frame(model: Any, policy: Any, to: Place) -> Any:
    """A whole model in ``dtype`` whose weights are still to be gathered; all else is that of the policy."""
    copy = without_weights(model, to.dtype)
    materialise(copy, to.device)
    for (_, _, own), (_, _, given) in zip(beside_weights(copy), beside_weights(policy), strict=True):
        own.copy_(given)
    return copy


def _training(model: Any, config: LearnerConfig, to: Place) -> Scorer:
    if config.gradient_checkpointing:
        recompute_activations(model)
        without_dropout(model)
    return Scorer(model, to.head)


def layers_of(model: Any) -> list[str]:
    """Class names of the layers that must not be cut."""
    return list(model._no_split_modules or ())


def _in_fp32(_module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    return output.float()


def recompute_activations(model: Any) -> None:
    """Keep each layer's input alone and compute the layer again in the backward pass (transformers' own switch)."""
    options = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    else:  # transformers before 5.23
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)


def without_dropout(model: torch.nn.Module) -> None:
    """Set every dropout probability to 0, the attention layers' own attribute included."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "attention_dropout"):
            setattr(module, "attention_dropout", 0.0)  # noqa: B010 - no declared attribute of Module
