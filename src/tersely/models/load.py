"""Loading models and tokenizers from ordinary Hugging Face folders: safetensors only, no remote code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from tersely.errors import UserError, first_line
from tersely.models.loading_report import require_whole
from tersely.models.memory import ran_out

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def load_tokenizer(folder: Path) -> Any:
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"no usable tokenizer in {folder}: {first_line(error)}; put tokenizer files there") from error


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
            f"no usable causal language model in {folder}: {first_line(error)}; "
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
