"""Which weights a folder holds, by content."""

from __future__ import annotations

import hashlib
from pathlib import Path

OPTIMIZER_FILE = "optimizer.safetensors"
"""In a checkpoint, beside the weights: no part of the model."""


def weights_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of the weight files: which weights these are, wherever they lie."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        if path.name == OPTIMIZER_FILE:
            continue
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
