"""Whether what a baseline trains on is the model's own: the same check as before reinforcement learning.

TRL computes log-probabilities from hidden states and the output layer in chunks of its own, with the scales and caps
whose names it knows; other heads (several layers, a base that gives logits) it would compute wrongly without a word.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from tersely.baselines.memory import require_memory
from tersely.baselines.settings import LORA, BaselineConfig
from tersely.baselines.trainee import place_of
from tersely.baselines.trainers import IGNORED
from tersely.learn.lora_check import check_adapter
from tersely.learn.optimizer import require_installed
from tersely.learn.scorer_check import check_head, check_layout, check_precision, head_name, require_gradient
from tersely.models.agreement import CONTINUED, PartCheck, Truth, first_right
from tersely.models.load import load_config, load_model

TRL_METHODS = ("sft", "dpo")
"""What TRL trains; the rest is trained by our own learner."""

CURE = "train it with `tersely train` or `tersely baseline o1-pruner`, which compute this model's own"


def check_folder(method: str, folder: Path, config: BaselineConfig) -> tuple[PartCheck, ...]:
    """``check_trainee`` of a model folder, and of its adapters, before anything is written; the model is let go of
    again. UserError first where a library is missing or memory does not suffice."""
    device, dtype = place_of(config)
    require_installed(config.tuning.optimizer, "tuning.optimizer")
    require_memory(method, config, load_config(folder).to_dict(), device.type)
    found = check_trainee(method, load_model(folder, device, torch.float32), dtype)
    if config.tuning.lora is not None:
        check_adapter(load_model(folder, device, dtype), config.tuning.lora, 1, LORA)
    return found


def check_trainee(method: str, model: Any, dtype: torch.dtype) -> tuple[PartCheck, ...]:
    """What was compared for this method. UserError where what it would train on is not the model's own, RunError for a
    model whose log-probabilities are not numbers."""
    exact = Truth(model)
    running = exact if dtype == model.dtype else Truth(model, dtype)
    precision = check_precision(exact, running)
    if method in TRL_METHODS:
        parts = [first_right("scorer of TRL", exact, [("trl", partial(trl_gap, exact))], CURE)]
    else:
        head = check_head(exact)
        require_gradient(running, head_name(head))
        parts = [head, check_layout(running, head_name(head), "auto")]
    return (*parts, *(() if precision is None else (precision,)))


def trl_gap(truth: Truth) -> float:
    """Largest difference over the response tokens, by TRL's forward, of each row alone and of both padded."""
    from trl.trainer.utils import add_fused_lm_head

    add_fused_lm_head(truth.model)
    try:
        return max(_batch_gap(truth, rows) for rows in ([0], [1], [0, 1]))
    finally:
        del truth.model.forward  # the class's own shows again


def _batch_gap(truth: Truth, rows: list[int]) -> float:
    ids = [torch.tensor(truth.rows[row], device=truth.model.device) for row in rows]
    labels = [torch.cat([torch.full_like(i[:-CONTINUED], IGNORED), i[-CONTINUED:]]) for i in ids]
    found_BT = truth.model(
        input_ids=pad_sequence(ids, batch_first=True),
        attention_mask=pad_sequence([torch.ones_like(i) for i in ids], batch_first=True),
        labels=pad_sequence(labels, batch_first=True, padding_value=IGNORED),
        use_cache=False,
        fused_lm_head=True,
    ).log_probs
    ends = [len(i) - 1 for i in ids]
    parts = [found_BT[b, end - CONTINUED : end] for b, end in enumerate(ends)]
    return max(truth.token_gap(row, truth.rows[row][-CONTINUED:], part) for row, part in zip(rows, parts, strict=True))
