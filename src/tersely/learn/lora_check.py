"""Whether an adapter that is merged into the weights does what it does beside them, before anything is sampled.

What is trained is the model with the adapter beside it, what is sampled and saved a plain model with the adapter in its
weights. peft adapts more than linear layers and some models read weights past them; what differs is refused.
"""

from __future__ import annotations

from typing import Any

import torch

from tersely.config import LoraConfig
from tersely.errors import UserError, in_one_line
from tersely.learn.lora import SETTING, Adapter, plain_names
from tersely.models.agreement import FP32_BOUND, Truth, own_logprobs
from tersely.models.memory import ran_out

PART = 0.5
"""In smaller types, where merging rounds: share of what the adapter changes that its merged form may miss."""
SCALE = 0.05


def check_adapter(model: Any, config: LoraConfig, processes: int, setting: str = SETTING) -> None:
    """UserError where the adapted model cannot be trained, or is another than the merged one. The model is left as it
    was, its weights frozen; no random state is moved."""
    names = plain_names(model)
    adapter = Adapter(model, config, 0, setting)
    try:
        several = processes > 1 and adapter.adapts_experts
        why = "adapters of whole experts are not trained by several processes" if several else _difference(adapter)
        if why is not None:
            raise UserError(
                f"{setting} cannot be used as it is on this {model.config.model_type} model ({why}): adapt other "
                f"layers, for example --set {setting}.targets={','.join(names)}, or leave {setting} out"
            )
    finally:
        adapter.remove()


def _difference(adapter: Adapter) -> str | None:
    """Why the adapted model is not to be trained; None where the merged one is the same."""
    model = adapter.model
    try:
        base = Truth(model)
        _turn(adapter, base.rows[0])
        with torch.no_grad():
            beside = own_logprobs(model, [base.rows[0]])[0]
            merged = own_logprobs(adapter.merge(), [base.rows[0]])[0]
    # Whatever a layer does that is not what peft takes it for.
    except Exception as error:
        if ran_out(error):
            raise
        return f"with adapters it fails: {in_one_line(error)}"
    gap, change = float((beside - merged).abs().mean()), base.gap(0, 0, beside)
    if gap <= (FP32_BOUND if base.is_exact else PART * change):
        return None
    return f"merged adapters are off by {gap:.2g} nats from those that are trained"


def _turn(adapter: Adapter, row: tuple[int, ...]) -> None:
    """Every matrix that training would move is moved away from 0, up its own gradient."""
    ids = torch.tensor([row], device=adapter.model.device)
    with torch.enable_grad():
        logits = adapter.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
        score = logits.float().log_softmax(-1)[0, :-1].gather(-1, ids[0, 1:, None]).sum()
        grads = torch.autograd.grad(score, adapter.matrices_up, allow_unused=True)
    with torch.no_grad():
        for matrix, grad in zip(adapter.matrices_up, grads, strict=True):
            if grad is not None:
                matrix.copy_(SCALE * grad.sign())
