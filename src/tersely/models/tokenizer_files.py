"""The files beside a model's weights that say how text becomes ids and how to generate: they travel unchanged.

transformers writes a tokenizer as it understood it: under another class, without what it does not know. So a checkpoint
gets the bytes of the folder that its tokenizer was loaded from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

GENERATION = "generation_config.json"
PATTERNS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "*.tiktoken",
    "tekken.json",
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/*.jinja",
    GENERATION,
)
_KEPT = "_tersely_files"


def keep_files(tokenizer: Any, folder: Path) -> None:
    """Remember with the tokenizer what its folder holds now: the folder may be pruned or edited before the next
    checkpoint."""
    found = sorted(path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file())
    setattr(tokenizer, _KEPT, {str(path.relative_to(folder)): path.read_bytes() for path in found})


def has_generation_settings(tokenizer: Any) -> bool:
    """Whether they are among the files that ``write_tokenizer`` will write."""
    return GENERATION in getattr(tokenizer, _KEPT, {})


def write_tokenizer(tokenizer: Any, folder: Path) -> None:
    """The files that the tokenizer was loaded from; those that transformers makes where it was never loaded."""
    kept: Mapping[str, bytes] | None = getattr(tokenizer, _KEPT, None)
    if kept is None:
        tokenizer.save_pretrained(folder)
        return
    for name, content in kept.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
