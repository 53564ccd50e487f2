"""Weights shared out among processes by FSDP2 (``torch.distributed.fsdp.fully_shard``).

The first process alone loads a model; every one makes its frame without weights, and is dealt its share of one tensor
after another. With one process nothing here does anything, and what shares weights out (``DTensor`` and FSDP2) is not
even imported, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tersely.errors import UserError
from tersely.learn.parallel import World
from tersely.models.shares import whole
from tersely.models.skeleton import beside_weights, described


def shard(
    module: nn.Module,
    layers: Sequence[str],
    setting: str,
    world: World,
    device: torch.device,
    computed: torch.dtype | None = None,
    trains: bool = True,
) -> None:
    """Share out parameters, gradients and optimizer state among the ranks, layer by layer.

    ``layers`` are class names of the modules to be gathered one at a time. "zero2" keeps a layer's weights from its
    forward to its backward pass, "zero3" frees them in between and gathers them again; what never ``trains`` is free
    after every forward. The module's own forward must be the only way in: its hooks gather what lies outside the layers
    (embedding, norm, output head).

    Weights on "meta" are given memory a layer at a time, so that no rank ever holds a whole model; ``deal`` fills them.

    ``computed``: weights are gathered in this type, their gradients are added up over the ranks in fp32. torch's own
    ``LayerNorm`` keeps the type of its share, because under autocast its input is fp32 and both must be of one type.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(device.type, (world.size,))
    # Inputs stay as they are: under autocast the residual stream is wider than what products are computed with.
    mixed = MixedPrecisionPolicy(computed, torch.float32 if computed else None, cast_forward_inputs=False)
    for norm in [m for m in module.modules() if computed and isinstance(m, nn.LayerNorm)]:
        materialise(norm, device)
        fully_shard(norm, mesh=mesh, reshard_after_forward=False)
    for layer in [m for m in module.modules() if type(m).__name__ in layers]:
        materialise(layer, device)
        fully_shard(layer, mesh=mesh, reshard_after_forward=setting == "zero3", mp_policy=mixed)
    materialise(module, device)
    fully_shard(module, mesh=mesh, reshard_after_forward=not trains, mp_policy=mixed)


def let_go(module: nn.Module) -> None:
    """Free what a pass without a backward one has left gathered."""
    part: Any
    for part in module.modules():
        if hasattr(part, "set_requires_gradient_sync"):  # a module of FSDP2 has it
            part.reshard()


def deal(model: nn.Module, source: nn.Module, world: World, device: torch.device) -> None:
    """Fill a model of shares with the weights that the first process holds whole in ``source``, one tensor at
    a time; buffers too, which are whole on each. In the other processes ``source`` is a frame, or anything.

    UserError, said once, where the processes hold models of different tensors.
    """
    if len({str(told) for told in world.all_gather(described(source))}) > 1:
        raise world.raise_on_rank0(
            UserError(
                "the weights of this model are others than its config.json says, so its tensors cannot be shared out "
                "among processes: train it in one process"
            )
        )
    weights = dict(source.named_parameters())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            own = weights[name] if world.is_main else torch.empty(parameter.shape, device=device)
            share = like(own.to(parameter.dtype), parameter, from_first=True)
            parameter.copy_(share)
        for _, _, tensor in beside_weights(model):
            dist.broadcast(tensor, src=0)


def materialise(model: nn.Module, device: torch.device) -> None:
    """Memory for what lies on "meta" (its values are whatever was there), and what is no parameter moved to the device.
    Weights under several names stay one."""
    made: dict[nn.Parameter, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter.is_meta:
                if parameter not in made:
                    made[parameter] = nn.Parameter(torch.empty_like(parameter, device=device), parameter.requires_grad)
                module._parameters[name] = made[parameter]
    for module, name, tensor in beside_weights(model):
        there = torch.empty_like(tensor, device=device) if tensor.is_meta else tensor.to(device)
        setattr(module, name, there.contiguous())


def like(tensor: Tensor, parameter: Tensor, from_first: bool = False) -> Tensor:
    """A whole tensor shared out as the parameter is: each rank takes its part of the one that it has, or with
    ``from_first`` is sent its part of that of rank 0 (then every rank must call)."""
    tensor = tensor.to(parameter.device)
    placements = getattr(parameter, "placements", None)  # a DTensor has them
    if placements is None:
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(parameter, DTensor)
    source = 0 if from_first else None
    # A copy of its own: a part that is a view of the whole would keep all of it in memory.
    return distribute_tensor(tensor, parameter.device_mesh, placements, src_data_rank=source).clone()


@torch.no_grad()
def gather_into(copy: Any, model: nn.Module) -> Any:
    """The copy, with shared-out weights put into it in place, one tensor at a time and in its dtype."""
    sharded = dict(model.named_parameters())
    for name, parameter in copy.named_parameters():
        parameter.copy_(whole(sharded[name].to(parameter.dtype)))
    return copy


def gathered_state(model: Any, dtype: torch.dtype | None, keep: bool) -> dict[str, Tensor]:
    """Name -> whole tensor in ``dtype`` (None: its own) in main memory, of all that a model folder holds, one gathered
    after another; empty where ``keep`` is not set. Every rank must call. Tensors under several names stay one."""
    found: dict[int, Tensor] = {}
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in found:
            gathered = whole(tensor.detach().to(dtype or tensor.dtype))
            found[id(tensor)] = gathered.cpu() if keep else torch.empty(0)
        if keep:
            state[name] = found[id(tensor)]
    return state
