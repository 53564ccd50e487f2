"""Loading and saving models and tokenizers as ordinary Hugging Face folders: safetensors only, no remote code."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import laconic
from laconic.errors import StorageError, UserError
from laconic.learn.loading_report import require_whole
from laconic.learn.optimizer import state_of_parts, state_parts
from laconic.learn.out_of_memory import ran_out
from laconic.learn.parallel import like, whole

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def pick_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"unknown device {name!r}: use auto, cpu, cuda or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {name!r} was asked for, but this torch sees no GPU: use --set run.device=cpu")
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        name = "bfloat16" if device.type == "cuda" else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]


def load_tokenizer(folder: Path) -> Any:
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"no usable tokenizer in {folder}: {_first_line(error)}; put tokenizer files there") from error


def load_model(folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """A causal language model in evaluation mode. UserError if the folder cannot be used or lacks weights."""
    # Other shapes are let through to be refused by name: by itself transformers points to a report that it logs.
    options = {"ignore_mismatched_sizes": True, "output_loading_info": True}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, trust_remote_code=False, use_safetensors=True, local_files_only=True, **options
        )
    except (OSError, ValueError, KeyError, SafetensorError, RuntimeError) as error:
        if ran_out(error):
            raise
        raise UserError(
            f"no usable causal language model in {folder}: {_first_line(error)}; "
            "the folder needs config.json and *.safetensors weights that belong together"
        ) from error
    model, report = loaded
    require_whole(folder, model, report)
    return model.to(device).eval()


def cast_weights(model: Any, dtype: torch.dtype) -> Any:
    """The model with its parameters in ``dtype``, in place. Buffers stay as they are: rotary frequencies in bfloat16
    would turn distant positions by wrong angles."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    return model


def check_vocabulary(model: Any, tokenizer: Any) -> None:
    size = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > size:
        raise UserError(
            f"the tokenizer has {len(tokenizer)} tokens but the model embeds only {size}: they do not belong together"
        )


def weights_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of the weight files: which weights these are, wherever they lie."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        if path.name == OPTIMIZER_FILE:
            continue
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


OPTIMIZER_FILE = "optimizer.safetensors"
MASTER = "master"
"""Prefix of master weights in the optimizer file."""


def save_training_state(
    folder: Path, model: Any, tokenizer: Any, optimizer: torch.optim.Optimizer, dtype: torch.dtype = torch.float32
) -> None:
    """An ordinary model folder in ``dtype``, and beside it what else a resume needs (``training_state``)."""
    save_model(folder, model, tokenizer, dtype)
    write_training_state(folder, training_state(model, optimizer, masters=dtype != model.dtype))


def save_model(folder: Path, model: Any, tokenizer: Any, dtype: torch.dtype) -> None:
    """Weights in ``dtype``, configuration and tokenizer, as transformers and vLLM load them."""
    mixed = dtype != model.dtype
    served = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()} if mixed else None
    model.save_pretrained(folder, max_shard_size="5GB", state_dict=served)
    if mixed:
        # save_pretrained notes the dtype of the model in memory, not that of the tensors it was given.
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["dtype"] = str(dtype).removeprefix("torch.")
        (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    tokenizer.save_pretrained(folder)


def training_state(
    model: Any, optimizer: torch.optim.Optimizer, masters: bool, keep: bool = True
) -> dict[str, torch.Tensor]:
    """The optimizer's moments and torch's random state; the weights that train too where they are ``masters`` of those
    that are served.

    Where weights are shared out every rank must call, and those that ``keep`` have the whole at the end.
    """
    state: dict[str, torch.Tensor] = {"rng.torch": torch.get_rng_state()}
    for name, parameter in model.named_parameters():
        parts = {MASTER: parameter} if masters and parameter.requires_grad else {}
        for key, value in {**parts, **state_parts(optimizer.state.get(parameter, {}))}.items():
            gathered = whole(value.detach())
            if keep:
                state[f"{key}.{name}"] = gathered.cpu().contiguous()
    return state


def write_training_state(folder: Path, state: dict[str, torch.Tensor]) -> None:
    save_file(state, folder / OPTIMIZER_FILE)


def load_training_state(folder: Path, model: Any, optimizer: torch.optim.Optimizer) -> None:
    """The other half of ``save_training_state``: master weights, moments, and the random state into torch."""
    try:
        state = load_file(folder / OPTIMIZER_FILE)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"the optimizer state in {folder} cannot be read: {_first_line(error)}") from error
    torch.set_rng_state(state.pop("rng.torch"))
    by_name: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in state.items():
        kind, _, name = key.partition(".")
        by_name.setdefault(name, {})[kind] = value
    for name, parameter in model.named_parameters():
        if MASTER in by_name.get(name, {}):
            parameter.data.copy_(like(by_name[name].pop(MASTER), parameter))
        if by_name.get(name):
            optimizer.state[parameter] = state_of_parts(by_name[name], parameter, optimizer)


TRAINED_FOR = "laconic.json"
"""In every checkpoint: the prompt template, cap and penalty that it was trained with."""


def write_trained_for(folder: Path, facts: dict[str, Any]) -> None:
    (folder / TRAINED_FOR).write_text(json.dumps(facts, indent=1), encoding="utf-8")


def read_trained_for(folder: Path) -> dict[str, Any]:
    """What a checkpoint of ours was trained for; empty for other people's models."""
    path = folder / TRAINED_FOR
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """A sentence for everything in which two environments differ, so that a resume cannot be exact."""
    return [
        f"this resume cannot be bit-exact: {key} was {before.get(key)} when the checkpoint was made and is {value} now"
        for key, value in now.items()
        if before.get(key) != value
    ]


def environment() -> dict[str, Any]:
    """What bit-exactness depends on besides the configuration; kept in every checkpoint."""
    return {
        "laconic": laconic.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
