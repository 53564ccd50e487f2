"""TensorBoard: event files in RUN/tensorboard, `tensorboard --logdir RUN`."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from tersely.records import JsonObject
from tersely.runs import places
from tersely.trackers.base import COLUMNS, TrackedRun, TrackerSpec, table_rows


class TensorBoard:
    """Writes nothing before the first step, so that a run that is refused leaves no files behind."""

    def __init__(self, run: TrackedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._make, self._run = SummaryWriter, run

    @cached_property
    def _writer(self) -> Any:
        folder = self._run.path / "tensorboard"
        places.require_no_links(folder, below=self._run.path)
        # A run that goes on tells its whole history again: what stands there already is hidden from step 1 on.
        writer = self._make(log_dir=str(folder), purge_step=1)
        writer.add_text("config", _block(json.dumps(self._run.config, indent=1, ensure_ascii=False)))
        return writer

    def step(self, step: int, numbers: Mapping[str, float], samples: Sequence[JsonObject]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
        if samples:
            self._writer.add_text("samples", markdown_table(samples), step)
        self._writer.flush()

    def finish(self) -> None:
        if "_writer" in vars(self):
            self._writer.close()


def markdown_table(samples: Sequence[JsonObject]) -> str:
    """The samples as a Markdown table; no text of a model becomes markup."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(map(_cell, row) for row in table_rows(samples))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    text = html.escape("" if value is None else str(value)).encode("utf-8", "replace").decode()
    for sign in "\\`*_[]|":
        text = text.replace(sign, f"&#{ord(sign)};")
    return "<br>".join(text.splitlines())


def _block(text: str) -> str:
    """As code in Markdown: four spaces before every line."""
    return "\n".join(f"    {line}" for line in text.splitlines())


SPEC = TrackerSpec("tensorboard", TensorBoard)
