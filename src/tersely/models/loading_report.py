"""Whether a folder's files gave a model all its weights: what transformers reports of a load, judged and told once.

transformers fills weights that it did not find with random numbers and goes on; here that is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tersely.display import speaks
from tersely.errors import UserError
from tersely.terminal import say

WRAPPERS = frozenset({"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""What torch.compile, data parallelism and recomputation put into the names of the weights inside them."""

SHOWN = 3
"""Names of unused weights that the note about them holds."""


def require_whole(folder: Path, model: Any, report: Mapping[str, Any]) -> None:
    """UserError where weights are missing or of another shape; a note, once, where the files hold more.

    ``report`` is what ``from_pretrained`` returns with ``output_loading_info``, mismatched sizes allowed. What the
    architecture itself allows to be missing or unexpected is not in it.
    """
    # A tied weight is reported only where the weight that it is tied to is missing too: that one is the fault.
    missing = sorted(report["missing_keys"] - set(model.all_tied_weights_keys))
    unused = sorted(report["unexpected_keys"])
    if missing:
        raise UserError(_missing(folder, missing, unused))
    if report["mismatched_keys"]:
        raise UserError(_mismatched(folder, sorted(report["mismatched_keys"])))
    if unused:
        _note_unused(folder, tuple(unused))


def _missing(folder: Path, missing: Sequence[str], unused: Sequence[str]) -> str:
    sentence = f"{folder} lacks {_weights(missing)} of its model, first {missing[0]}"
    held = {_unwrapped(name): name for name in unused}
    if held.keys() >= set(missing):
        name = held[missing[0]]
        wrappers = ".".join(part for part in name.split(".") if part in WRAPPERS)
        return (
            f"{sentence}, which it holds as {name}: the weights were saved from a compiled or wrapped model; save them "
            f"again without {wrappers!r} in their names"
        )
    beside = f" (and holds {_weights(unused)} that it has no use for, first {unused[0]})" if unused else ""
    return f"{sentence}{beside}, and random numbers would stand there: download or save the whole model again"


def _mismatched(folder: Path, mismatched: Sequence[tuple[str, Sequence[int], Sequence[int]]]) -> str:
    name, found, expected = mismatched[0]
    return (
        f"{folder} has {_weights(mismatched)} of another shape than its config.json asks for, first {name} with "
        f"{list(found)} instead of {list(expected)}: put the config.json and the weights of one model there"
    )


@cache
def _note_unused(folder: Path, unused: tuple[str, ...]) -> None:
    """Once, however many copies of the model a process loads. Not through a display: there may be none yet."""
    if speaks():
        names = ", ".join(unused[:SHOWN]) + (", ..." if len(unused) > SHOWN else "")
        say(f"{folder} holds {_weights(unused)} that its model has no use for: {names}", error=True)


def _weights(names: Sequence[object]) -> str:
    return f"{len(names)} weight{'s' if len(names) > 1 else ''}"


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)
