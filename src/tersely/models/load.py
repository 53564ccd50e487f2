"""Loading models and tokenizers from ordinary Hugging Face folders: safetensors only, no remote code."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedTokenizerFast

from tersely.errors import UserError, first_line
from tersely.models.loading_report import require_whole
from tersely.models.memory import ran_out
from tersely.models.release import require_release
from tersely.models.tokenizer_check import FILE, TokenizerCheck, difference, keep_check, refusal
from tersely.models.tokenizer_files import GENERATION, keep_files

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def load_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer, which does what its tokenizer.json says. UserError where none can be had.

    The class that transformers picks for the kind of model comes first; where it overrules the file, the class that
    only reads the file takes its place.
    """
    tokenizer = picked = _read_tokenizer(AutoTokenizer, folder)
    found = difference(folder, picked)
    if found is not None:
        tokenizer = _read_tokenizer(PreTrainedTokenizerFast, folder)
        if difference(folder, tokenizer) is not None:
            raise UserError(refusal(folder, found))
    against = FILE if (folder / FILE).is_file() else None
    overruled = None if found is None else type(picked).__name__
    keep_check(tokenizer, TokenizerCheck(type(tokenizer).__name__, against, overruled, found))
    keep_files(tokenizer, folder)
    return tokenizer


def _read_tokenizer(kind: Any, folder: Path) -> Any:
    if not (folder / FILE).is_file() and (folder / "tekken.json").is_file() and find_spec("mistral_common") is None:
        raise UserError(
            f"{folder} has its tokenizer as tekken.json alone, which needs mistral-common: pip install mistral-common, "
            f"or put a {FILE} of the same model there"
        )
    try:
        return kind.from_pretrained(folder, trust_remote_code=False)
    except ImportError as error:
        raise UserError(
            f"the tokenizer in {folder} needs a package that is not installed ({first_line(error)}): install it, or "
            f"put the model's {FILE} there"
        ) from error
    # Whatever the files hold: the tokenizers library raises a plain Exception for a file that it cannot read.
    except Exception as error:
        raise UserError(f"no usable tokenizer in {folder}: {first_line(error)}; put tokenizer files there") from error


def load_config(folder: Path) -> Any:
    """What config.json says, as transformers reads it. UserError where it cannot."""
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    # A value of a wrong kind is an exception of huggingface_hub's own, an unknown model_type a ValueError.
    except Exception as error:
        raise UserError(
            f"config.json in {folder} is none of a model that transformers {transformers.__version__} knows: "
            f"{first_line(error)}; mend it, or install a version of transformers that knows the model"
        ) from error


def load_generation(folder: Path) -> GenerationConfig | None:
    """The generation settings that lie beside a model, if any. UserError where they cannot be used."""
    if not (folder / GENERATION).is_file():
        return None
    try:
        return GenerationConfig.from_pretrained(folder, local_files_only=True)
    # Whatever stands there: transformers looks at the values as it goes.
    except Exception as error:
        raise UserError(
            f"{folder / GENERATION} cannot be used ({first_line(error)}): mend it, or move it away"
        ) from error


def load_model(folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """A causal language model in evaluation mode. UserError if the folder cannot be used or lacks weights."""
    require_release(transformers.__version__)
    load_config(folder)
    load_generation(folder)
    # Other shapes are let through to be refused by name: by itself transformers points to a report that it logs.
    options = {"ignore_mismatched_sizes": True, "output_loading_info": True}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, trust_remote_code=False, use_safetensors=True, local_files_only=True, **options
        )
    except ImportError as error:
        raise UserError(
            f"the model in {folder} needs a package that is not installed ({first_line(error)}): install it, or take "
            "what asks for it, such as attn_implementation, out of config.json"
        ) from error
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
