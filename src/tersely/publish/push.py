"""The push: huggingface_hub's own client and login; what is sent is what a reader of the model needs, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from tersely.errors import RunError, UserError, first_line
from tersely.models.digest import OPTIMIZER_FILE
from tersely.models.locate import HUB_ID, hub_errors
from tersely.models.trained_for import TRAINED_FOR, TrainedFor, read_trained_for
from tersely.publish.private import public_json
from tersely.runs.checks import sign, with_room
from tersely.runs.manifest import MANIFEST, STATE

KEPT_HERE = (MANIFEST, STATE, OPTIMIZER_FILE)
"""Of training (the optimizer's state stands beside the weights in older checkpoints), and of no use to a reader; so is
everything in folders below."""


class Hub(Protocol):
    """What is asked of ``huggingface_hub.HfApi``."""

    def whoami(self) -> Any: ...

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> Any: ...

    def create_commit(self, repo_id: str, operations: Any, *, commit_message: str) -> Any: ...


def push(folder: Path, repository: str, hub: Hub, private: bool = False) -> str:
    """Send a model folder, its card included; returns the address. UserError without a login and for a name that is
    none; RunError where the hub refuses."""
    from huggingface_hub import CommitOperationAdd

    require_name(repository)
    require_login(hub)
    operations = [CommitOperationAdd(name, content) for name, content in files_of(folder)]
    try:
        hub.create_repo(repository, private=private, exist_ok=True)
        hub.create_commit(repository, operations, commit_message="Published by tersely")
    except hub_errors() as error:
        raise RunError(
            f"the hub did not take {repository} ({first_line(error)}): look at the name, the rights of your token and "
            "the connection, and run it again; the card is written"
        ) from error
    return f"https://huggingface.co/{repository}"


def require_name(repository: str) -> None:
    if not HUB_ID.fullmatch(repository):
        raise UserError(f"--to {repository!r} names no repository of the hub: write OWNER/NAME")


def require_login(hub: Hub) -> None:
    """UserError where nobody is logged in, or the token is refused."""
    from huggingface_hub.errors import LocalTokenNotFoundError

    try:
        hub.whoami()
    except LocalTokenNotFoundError as error:
        raise UserError("nobody is logged in to the hub on this machine: run `hf auth login` first") from error
    except hub_errors() as error:
        raise UserError(
            f"the hub does not say who you are ({first_line(error)}): run `hf auth login` again, or look at the "
            "connection"
        ) from error


def files_of(folder: Path) -> Iterator[tuple[str, str | bytes]]:
    """(name there, file here or content) of everything that is sent, by name: small JSON files without paths of this
    machine, hidden files and folders not at all."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file() or path.name.startswith(".") or path.name in KEPT_HERE:
            continue
        if path.name == TRAINED_FOR:
            yield path.name, _trained_for(read_trained_for(folder))
        elif path.suffix == ".json" and path.name not in ("tokenizer.json", "vocab.json"):
            yield path.name, _without_paths(path)
        else:
            yield path.name, str(path)


def _trained_for(facts: TrainedFor) -> bytes:
    text, _ = sign(json.dumps(with_room(public_json(facts.to_json())), indent=1))
    return text.encode()


def _without_paths(path: Path) -> bytes:
    """The file's own bytes where there is nothing to take out."""
    raw = path.read_bytes()
    content = json.loads(raw)
    cut = public_json(content)
    return raw if cut == content else json.dumps(cut, indent=2, ensure_ascii=False).encode()
