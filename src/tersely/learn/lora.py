"""LoRA (Hu et al. 2021, arXiv 2106.09685) through peft: a frozen base, and small matrices beside it that train.

peft puts its layers into the model in place; the model keeps its class, so everything that computes with it goes on as
before. Who samples or serves gets a plain model of the same architecture into which base + alpha / rank * B A is
written anew from the untouched base each time: nothing is ever added to a weight and taken off again, so no rounding
adds up over the steps.
"""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tersely.config import LoraConfig
from tersely.errors import UserError, first_line
from tersely.extras import install_command
from tersely.models.shares import whole

SETTING = "learner.lora"
"""Where ``config`` stands, unless somebody else's settings hold it."""
NAME = "default"
"""peft's name for an adapter that has no other."""


class Adapter:
    """The adapter of one model, and the plain model that takes the merged weights.

    The base keeps its type (bfloat16 or float32), frozen; the adapter's matrices are float32. ``seed`` decides the
    random half of them (A; B begins at 0, so that the policy begins as the base), the same in every process; refusals
    speak of ``setting``.
    """

    def __init__(self, model: Any, config: LoraConfig, seed: int, setting: str = SETTING) -> None:
        peft = import_peft(setting)
        targets = refuse_targets(model, config, setting)
        self.model = model
        self.merged = copy.deepcopy(model).requires_grad_(False)
        settings = peft.LoraConfig(r=config.rank, lora_alpha=config.alpha, lora_dropout=0.0, target_modules=targets)
        devices = [model.device] if model.device.type == "cuda" else []
        # Of our own seed, and without a trace in the random state that checkpoints keep.
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            self.wrapped = _wrapped(peft, model, settings, setting)
            """peft's own view of the model."""
        self._layers = _adapted(peft, model, setting)

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """The model is its base for as long as the context lasts."""
        trained = trainable(self.model)
        with self.wrapped.disable_adapter():
            # peft also freezes a disabled adapter. FSDP2 decides at its first forward, which may be this one, which
            # weights have gradients.
            for parameter in trained:
                parameter.requires_grad_(True)
            yield

    def remove(self) -> None:
        """Give the model back as it was, its base frozen."""
        self.wrapped.unload()

    @property
    def matrices_up(self) -> list[nn.Parameter]:
        """The halves that begin at 0 (B), in the order of the model."""
        return [layer.lora_B[NAME].weight for layer in self._layers.values()]

    @property
    def adapts_experts(self) -> bool:
        """Whether weights of whole experts, which no layer of their own holds, are adapted."""
        return any(hasattr(layer, "parameter_name") for layer in self._layers.values())

    @torch.no_grad()
    def merge(self) -> Any:
        """The plain model with the weights as they are now. Where they are sharded every rank must call."""
        for name, layer in self._layers.items():
            # Around several weights of one module peft's layers stand one in the other.
            place, parameter = name.removesuffix(".base_layer"), getattr(layer, "parameter_name", "weight")
            weight = getattr(self.merged.get_submodule(place), parameter)
            base, delta = whole(getattr(layer.get_base_layer(), parameter)), self._delta(layer)
            weight.copy_(base.to(delta.dtype) + delta)
        return self.merged

    def _delta(self, layer: Any) -> Tensor:
        down, up = whole(layer.lora_A[NAME].weight), whole(layer.lora_B[NAME].weight)
        if getattr(layer, "num_experts", 1) > 1:
            return _of_experts(layer, down, up)
        delta: Tensor = (up @ down) * layer.scaling[NAME]
        # GPT-2's Conv1D keeps its weight the other way round.
        return delta.T if layer.fan_in_fan_out else delta


def _of_experts(layer: Any, down: Tensor, up: Tensor) -> Tensor:
    """Delta [E, out, in] (or [E, in, out], as the weight lies) of the E experts in one weight, whose matrices lie
    together: A [E r, in], B [out, r E]."""
    experts = layer.num_experts
    down_ERI, up_ORE = down.reshape(experts, -1, down.shape[-1]), up.reshape(up.shape[0], -1, experts)
    order = "eoi" if layer._did_swap_in_out_features else "eio"
    delta: Tensor = torch.einsum(f"ore,eri->{order}", up_ORE, down_ERI) * layer.scaling[NAME]
    return delta


def _adapted(peft: Any, model: nn.Module, setting: str) -> dict[str, Any]:
    """Name -> layer of all that peft adapted, experts in one weight included. UserError for a kind of layer of which we
    do not know what it adds to the weights: what is sampled would not be what is trained."""
    kinds = (peft.tuners.lora.Linear, peft.tuners.lora.ParamWrapper)
    found = {n: m for n, m in model.named_modules() if isinstance(m, peft.tuners.tuners_utils.BaseTunerLayer)}
    for name, layer in found.items():
        if not isinstance(layer, kinds):
            raise UserError(
                f"peft adapts {name} of this model as {type(layer).__name__}, which cannot be merged here: name other "
                f"layers by --set {setting}.targets=..., or leave {setting} out"
            )
    return found


def plain_names(model: Any) -> list[str]:
    """Last names of the layers that are linear and nothing else, the output layer aside: what surely can be adapted."""
    linear, head = _linear(model), model.get_output_embeddings()
    others = {name.rpartition(".")[2] for name, m in linear.items() if type(m) is not nn.Linear or m is head}
    return [name for name in _last_names(linear) if name not in others]


def _wrapped(peft: Any, model: Any, settings: Any, setting: str) -> Any:
    """peft's wrapper. UserError where it refuses the model.

    peft asks transformers for checkpointing by a name that transformers is giving up.
    """
    names = plain_names(model)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            return peft.get_peft_model(model, settings)
    except ValueError as error:
        said = first_line(error)
        left = [name for name in names if f"'{name}'" not in said]
        raise UserError(
            f"peft cannot adapt this {model.config.model_type} model ({said}): name other layers, for example --set "
            f"{setting}.targets={','.join(left)}, or leave {setting} out"
        ) from error


def _linear(model: nn.Module) -> dict[str, nn.Linear]:
    return {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear)}


def trainable(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def import_peft(setting: str = SETTING) -> Any:
    """UserError where peft is not installed."""
    try:
        import peft
    except ImportError as error:
        raise UserError(
            f"{setting} needs peft, which is not installed: {install_command('lora')}, or leave {setting} out"
        ) from error
    return peft


def refuse_targets(model: Any, config: LoraConfig, setting: str = SETTING) -> str | list[str]:
    """What peft is to be given as target modules. UserError for a name that is no linear layer of this model, or one
    whose weight something else shares: a merged weight would change both."""
    if config.targets == "all-linear":
        return config.targets
    names = config.target_names
    linear = _linear(model)
    shared = _shared_weights(model)
    for wanted in names:
        found = [module for name, module in linear.items() if f".{name}".endswith(f".{wanted}")]
        if not found:
            raise UserError(
                f"{setting}.targets names {wanted!r}, which is no linear layer of this model: use all-linear, or "
                f"some of {','.join(_last_names(linear))}"
            )
        if any(id(module.weight) in shared for module in found):
            raise UserError(
                f"{setting}.targets names {wanted!r}, whose weight this model shares with another layer, so that "
                "merging would change both: leave it out"
            )
    return names


def _shared_weights(model: nn.Module) -> set[int]:
    """Ids of parameters that stand under more than one name."""
    ids = [id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False)]
    return {found for found in ids if ids.count(found) > 1}


def _last_names(names: Sequence[str] | dict[str, Any]) -> list[str]:
    return sorted({name.rpartition(".")[2] for name in names})
