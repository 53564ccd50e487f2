"""From what a person names as a model, a folder or a hub id, to a folder on this machine."""

from __future__ import annotations

import re
from pathlib import Path

from tersely.errors import UserError, first_line
from tersely.models.folder import resolve_model

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

# No *.bin: weights are safetensors or nothing. No *.py: no remote code.
NEEDED = [
    "*.json",
    "*.safetensors",
    "*.jinja",
    "tokenizer.model",
    "*.tiktoken",
    "merges.txt",
    "vocab.txt",
    "spiece.model",
]


def locate_model(name: str, revision: str | None = None) -> Path:
    """The folder to load ``name`` from: a run or model folder here, else a snapshot of the hub's repository.

    ``revision`` pins a hub repository (branch, tag or commit); the snapshot folder is named by its commit. Raises
    UserError where neither can be had, or where a revision is given for a local folder.
    """
    if Path(name).exists() or not HUB_ID.fullmatch(name):
        if revision is not None:
            raise UserError(f"--revision {revision} pins a hub repository, but {name} is a folder: leave it out")
        return resolve_model(Path(name))
    from huggingface_hub import snapshot_download

    try:
        return resolve_model(Path(snapshot_download(name, revision=revision, allow_patterns=NEEDED)))
    except hub_errors() as error:
        raise UserError(
            f"{name} is no folder here, and it could not be downloaded from the hub ({first_line(error)}): check the "
            "name and the connection, or give the path of a model folder"
        ) from error


def hub_errors() -> tuple[type[Exception], ...]:
    """What the hub's client raises where it is refused, cannot reach the hub, or is given what is no name."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    # Whichever library it speaks through (requests, httpx), the first base is that library's own error.
    library: type[Exception] = HfHubHTTPError.__bases__[0]
    return HfHubHTTPError, HFValidationError, OSError, library
