"""Which weights a folder holds, by content."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from tersely.runs.manifest import read_manifest

OPTIMIZER_FILE = "optimizer.safetensors"
"""Beside the weights in checkpoints of earlier releases: no part of the model."""


def weights_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of the weight files: which weights these are, wherever they lie."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        if path.name == OPTIMIZER_FILE:
            continue
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def recorded_digest(checkpoint: Path) -> str | None:
    """``weights_digest`` of a checkpoint by its manifest, without reading the weights; None where it has none."""
    manifest, digest = read_manifest(checkpoint), hashlib.sha256()
    for entry in sorted([] if manifest is None else manifest["files"], key=lambda entry: entry["name"]):
        if "/" not in entry["name"] and entry["name"].endswith(".safetensors") and entry["name"] != OPTIMIZER_FILE:
            digest.update(entry["name"].encode() + bytes.fromhex(entry["sha256"]))
    return None if manifest is None else digest.hexdigest()


def weights_digest_once(folder: Path) -> str:
    """``weights_digest``, read once for the sets of a suite and the runs of a chain while names, sizes and times of the
    files stay."""
    found = [(path.name, path.stat()) for path in sorted(folder.glob("*.safetensors"))]
    return _digest(folder, tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found))


@lru_cache(maxsize=16)
def _digest(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    return weights_digest(folder)
