"""The optimizers by name, and how their state is kept in safetensors.

"adam" is torch's, on fp32 weights. "adam8bit" holds both moments in 8 bits a value (torchao; block-wise dynamic
quantisation of 256 values, arXiv 2110.02861), and where forward and backward run in bfloat16 the fp32 master weights in
two halves: the model's own bfloat16 weights are the upper one. Nothing of a master's precision is lost. Neither decays
weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tersely.config import LearnerConfig
from tersely.errors import UserError
from tersely.extras import install_command
from tersely.learn.shards import like
from tersely.models.shares import whole

LOW = "low"
"""Key of a master's lower half in the optimizer's state."""

_CODES, _SCALE = "_codes", "_scale"
"""What is added to a moment's name for the two parts of its 8-bit form."""


def require_installed(kind: str, setting: str = "learner.optimizer") -> None:
    """UserError where the library of an optimizer, asked for by ``setting``, is not there."""
    if kind != "adam8bit":
        return
    try:
        import torchao.optim  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"{setting} = adam8bit needs torchao ({error}): {install_command('lean')}, or use --set {setting}=adam"
        ) from error


def make_optimizer(model: Any, config: LearnerConfig, dtype: torch.dtype) -> torch.optim.Optimizer:
    """The optimizer that ``config`` names. "adam8bit" turns an fp32 model into ``dtype`` in place.

    Raises UserError where its library is missing.
    """
    if config.optimizer == "adam8bit":
        return Adam8bit(model, config.learning_rate, config.betas, config.adam_epsilon, dtype)
    parameters = [p for p in model.parameters() if p.requires_grad]
    fused = True if parameters[0].device.type == "cuda" else None
    return torch.optim.Adam(
        parameters, lr=config.learning_rate, betas=config.betas, eps=config.adam_epsilon, fused=fused
    )


class Adam8bit(torch.optim.Optimizer):
    """torchao's Adam with 8-bit moments, one parameter at a time, on fp32 masters.

    With ``dtype`` bfloat16 the parameters become bfloat16, and ``state[p]["low"]`` (int16) is what ``join`` adds to
    them; their gradients are added up in fp32, so that many micro-batches sum as exactly as on fp32 weights. With fp32
    the parameters are the masters. Bytes a parameter: 2 + 2 (or 4) for the master, 4 for the gradient, 2 for the
    moments and 8 / 256 for their scales.
    """

    def __init__(
        self, model: Any, learning_rate: float, betas: tuple[float, float], epsilon: float, dtype: torch.dtype
    ) -> None:
        require_installed("adam8bit")
        from torchao.optim import Adam8bit as Inner

        parameters = [p for p in model.parameters() if p.requires_grad]
        super().__init__(parameters, {"lr": learning_rate})
        self._totals: dict[Tensor, Tensor] = {}
        if dtype == torch.bfloat16:
            for parameter in parameters:
                parameter.data, self.state[parameter][LOW] = split(parameter.data)
                parameter.register_post_accumulate_grad_hook(self._collect)
        # A shell stands for a parameter's master, which exists in fp32 for the time of its own step only.
        self._inner = {
            p: Inner([nn.Parameter(torch.empty(0))], lr=learning_rate, betas=betas, eps=epsilon) for p in parameters
        }

    def _collect(self, parameter: Tensor) -> None:
        """Called by autograd when a parameter's gradient of one micro-batch is complete."""
        assert parameter.grad is not None
        if parameter in self._totals:
            self._totals[parameter].add_(parameter.grad)
        else:
            self._totals[parameter] = parameter.grad.float()
        parameter.grad = None

    def gradients(self) -> dict[Tensor, Tensor]:
        """fp32 gradients by parameter, added up since ``zero_grad``."""
        return self._totals or {p: p.grad for p in self._inner if p.grad is not None}

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        self._totals.clear()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of Adam for every parameter with a gradient."""
        assert closure is None, "a closure would need gradients of another forward pass"
        for parameter, gradient in self.gradients().items():
            with _uncompiled(parameter.device):
                self._advance(parameter, gradient)

    def _advance(self, parameter: Tensor, gradient: Tensor) -> None:
        inner, state = self._inner[parameter], self.state[parameter]
        (group,) = inner.param_groups
        (shell,) = group["params"]
        group["lr"].fill_(self.param_groups[0]["lr"])
        shell.data = join(parameter.data, state[LOW]) if LOW in state else parameter.data
        shell.grad = gradient
        inner.state[shell] = {key: value for key, value in state.items() if key != LOW}
        inner.step()
        state.update(inner.state.pop(shell))
        if LOW in state:
            high, low = split(shell.data)
            parameter.data.copy_(high)
            state[LOW].copy_(low)
        shell.grad = None
        shell.data = torch.empty(0)


@contextlib.contextmanager
def _uncompiled(device: torch.device) -> Iterator[None]:
    """torchao compiles its step: on a GPU that saves passes over memory, on a CPU it takes 15 s and a C++ compiler."""
    if device.type == "cuda":
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def split(master: Tensor) -> tuple[Tensor, Tensor]:
    """(nearest bfloat16, int16 rest) of an fp32 tensor, so that ``join`` gives it back bit for bit.

    The bits of an fp32 number are the 16 of a bfloat16 and 16 more; the rest is signed, so that the upper half is
    rounded to nearest (a tie away from zero) instead of cut.
    """
    bits = master.view(torch.int32)
    high = (bits + 0x8000) >> 16
    low = (bits - (high << 16)).to(torch.int16)
    return high.to(torch.int16).view(torch.bfloat16), low


def join(high: Tensor, low: Tensor) -> Tensor:
    """The fp32 tensor that ``split`` took apart."""
    return ((high.view(torch.int16).to(torch.int32) << 16) + low.to(torch.int32)).view(torch.float32)


def clip_gradients(optimizer: torch.optim.Optimizer, limit: float) -> float:
    """Scale the gradients down to a joint norm of at most ``limit``; returns the norm before."""
    if not isinstance(optimizer, Adam8bit):
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        return float(whole(nn.utils.clip_grad_norm_(parameters, limit)))
    gradients = list(optimizer.gradients().values())
    norm = nn.utils.get_total_norm(gradients)
    # As torch.nn.utils.clip_grad_norm_ does it, which takes parameters only.
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(gradients, factor)
    return float(norm)


def state_parts(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """A parameter's state as plain tensors: an 8-bit moment becomes its codes and scales."""
    parts: dict[str, Tensor] = {}
    for key, value in state.items():
        if hasattr(value, "codes"):
            parts |= {key + _CODES: value.codes, key + _SCALE: value.scale}
        else:
            parts[key] = value
    return parts


def state_of_parts(
    parts: Mapping[str, Tensor], parameter: Tensor, optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """The other half of ``state_parts``, on the parameter's device and shared out as it is."""
    # A fused step counts on the parameter's device, others on the CPU.
    counts_there = bool(optimizer.param_groups[0].get("fused"))
    state: dict[str, Tensor] = {}
    for key, value in parts.items():
        if key.endswith(_CODES):
            name = key.removesuffix(_CODES)
            state[name] = _eight_bit(value, parts[name + _SCALE], name == "exp_avg", parameter.device)
        elif key == "step":
            state[key] = value.to(parameter.device) if counts_there else value
        elif not key.endswith(_SCALE):
            state[key] = like(value, parameter)
    return state


def _eight_bit(codes: Tensor, scale: Tensor, signed: bool, device: torch.device) -> Tensor:
    from torchao.optim.subclass_8bit import OptimState8bit

    moment = OptimState8bit.zeros(codes.shape, signed, codes.numel() // scale.numel(), device, dtype=torch.float32)
    moment.codes.copy_(codes)
    moment.scale.copy_(scale)
    return moment
