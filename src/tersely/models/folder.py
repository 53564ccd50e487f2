"""From what a person names as a model to a folder that ``from_pretrained`` can load, or one clear sentence why not.

Nothing here takes a lock or changes the disk, so a run that is still training can be evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tersely.errors import UserError, plainly
from tersely.models.small_files import read_object, require_readable
from tersely.runs import manifest
from tersely.runs.identity import CONFIG, is_run_folder

ADAPTER = "adapter_config.json"

_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "*.tiktoken",
    "tekken.json",
)


def resolve_model(path: Path) -> Path:
    """The folder to load for ``path``: the newest checkpoint of a run folder, else ``path`` itself once checked.

    Raises UserError where nothing can be loaded: missing, a file, a run without a checkpoint, a damaged newest
    checkpoint, no config.json, no whole safetensors weights, no tokenizer.
    """
    if not path.exists():
        raise UserError(
            f"there is no model at {path}; name a run folder or a Hugging Face model folder on this machine"
        )
    if not path.is_dir():
        raise UserError(f"{path} is a file, not a model folder; name the folder that holds it")
    folder = _newest(path) if is_run_folder(path) else path
    if folder is path and (path / manifest.MANIFEST).exists():
        problems = manifest.verify_checkpoint(path)
        if problems:
            raise UserError(f"the checkpoint {path} is damaged: {problems[0]}; use another checkpoint of its run")
    _require_loadable(folder)
    return folder


def _newest(run: Path) -> Path:
    """Newest checkpoint, which must verify: which weights are measured must not change without a word. Only the one
    that a crash caught while it was replaced may stand in for it."""
    candidates = sorted(
        manifest.step_folders(run) + manifest.replaced_folders(run), key=lambda pair: (-pair[0], len(pair[1].name))
    )
    problems: list[str] = []
    for step, folder in candidates:
        found = manifest.verify_checkpoint(folder)
        if not found and step == candidates[0][0]:
            return folder
        if not found:
            raise UserError(
                f"the newest checkpoint of {run} is damaged ({problems[0]}): remove {run / 'done.json'}, if it is "
                f"there, and run its command again to make it anew, or name an older one, {folder}"
            )
        problems += found
    if problems:
        raise UserError(f"no checkpoint of {run} is whole ({problems[0]}); run its command again to make a new one")
    raise UserError(f"{run} has no checkpoint yet; run its command again, it goes on where it stopped")


def _require_loadable(folder: Path) -> None:
    """Check what ``from_pretrained`` needs: config.json, whole safetensors weights, a tokenizer; nothing that would
    make another model of them."""
    require_no_adapter(folder)
    if not (folder / CONFIG).is_file():
        what = "is empty" if not any(folder.iterdir()) else "has no config.json"
        raise UserError(f"{folder} {what}, so it is no Hugging Face model folder; name one made by save_pretrained")
    require_readable(folder)
    if refusal := quantisation(read_object(folder / CONFIG)):
        raise UserError(f"{folder}: {refusal}")
    _require_weights(folder)
    if not any(next(folder.glob(pattern), None) for pattern in _TOKENIZERS):
        raise UserError(
            f"{folder} has no tokenizer (tokenizer.json or the like); save the model's tokenizer into the same folder"
        )


def require_no_adapter(folder: Path) -> None:
    """transformers would put an adapter onto the weights beside it without a word."""
    if not (folder / ADAPTER).is_file():
        return
    base = (
        folder if (folder / CONFIG).is_file() else read_object(folder / ADAPTER).get("base_model_name_or_path", "BASE")
    )
    beside = " beside a model" if base == folder else " instead of a model"
    raise UserError(
        f"{folder} holds an adapter ({ADAPTER}){beside}: merge it, in Python peft.AutoPeftModelForCausalLM."
        f"from_pretrained({str(folder)!r}).merge_and_unload().save_pretrained('merged'), and put the tokenizer of "
        f"{base} there too" + (f"; or move {ADAPTER} away to use the model without it" if base == folder else "")
    )


def quantisation(config: Mapping[str, Any]) -> str | None:
    """The sentence against quantised weights, by the content of config.json: gradients and comparisons need weights
    that are numbers, not codes. None for plain ones."""
    for part in (config, *(part for part in config.values() if isinstance(part, dict))):
        found = part.get("quantization_config") or part.get("compression_config")
        if found:
            method = found.get("quant_method") if isinstance(found, dict) else None
            return _holds_codes(f"{method or 'an unnamed method'}, by quantization_config in its {CONFIG}")
    return None


def _holds_codes(how: str) -> str:
    return (
        f"the model holds quantised weights ({how}), which cannot be trained nor compared: take the model that they "
        "were made from, in bfloat16 or float32"
    )


def _require_weights(folder: Path) -> None:
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        others = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth") for p in folder.glob(pattern))
        if others:
            raise UserError(
                f"{folder} has its weights as {others[0]}, which can run code when loaded; "
                "safetensors is needed: save the model again with save_pretrained"
            )
        raise UserError(f"{folder} has no weights (*.safetensors); download or save them into the same folder")
    missing = sorted(_sharded_names(folder) - {path.name for path in weights})
    if missing:
        raise UserError(f"{folder} lacks {len(missing)} weight file(s), first {missing[0]}; download the model again")
    for path in weights:
        if code := _code(_tensors(path)):
            raise UserError(f"{folder}: {_holds_codes(code)}")


def _sharded_names(folder: Path) -> set[str]:
    """File names that the indices of sharded weights ask for; an unreadable index is a UserError."""
    names: set[str] = set()
    for index in folder.glob("*.safetensors.index.json"):
        try:
            names |= {str(name) for name in read_object(index)["weight_map"].values()}
        except (KeyError, AttributeError, TypeError) as error:
            raise UserError(f"{index} is damaged ({plainly(error)}); download the model again") from error
    return names


def _tensors(path: Path) -> dict[str, Any]:
    """Name -> dtype, shape and place of each tensor of a safetensors file (8 bytes header length, JSON header,
    tensors). UserError where it has another length than its header says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header_size = int.from_bytes(file.read(8), "little")
        if size < 8 or header_size > min(size - 8, 100_000_000):
            raise _damaged(path, f"{size} bytes are too few for its header")
        header = file.read(header_size)
    try:
        tensors = {name: tensor for name, tensor in json.loads(header).items() if name != "__metadata__"}
        end = max((int(tensor["data_offsets"][1]) for tensor in tensors.values()), default=0)
    except (ValueError, KeyError, IndexError, AttributeError, TypeError, RecursionError) as error:
        raise _damaged(path, "its header cannot be read") from error
    if size != 8 + header_size + end:
        raise _damaged(path, f"{size} bytes found, {8 + header_size + end} expected")
    return tensors


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} is damaged: {why}; download or save the model again")


def _code(tensors: Mapping[str, Any]) -> str | None:
    """The first weight whose numbers are codes (8 bits or integers), whatever config.json says: transformers would take
    the codes for the weights and leave their scales out. None for plain weights."""
    for name, tensor in tensors.items():
        dtype = str(tensor.get("dtype"))
        if dtype.startswith("F8") or (name.endswith(".weight") and dtype[:1] in "IU"):
            return f"{name} is {dtype}"
    return None
