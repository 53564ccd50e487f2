"""The tail of a step: log-probabilities of responses that have ended, computed while the last ones are decoded.

Which rows go together is known only once the last response has ended (widest first), and a row's bits depend on what
lies beside it. So every response is a pass of its own here, by one thread beside that of the engine, whether it was
begun early or is asked for later: when it is made changes no bit.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from tersely.learn.batch import Batch, TrainingRow
from tersely.learn.logprobs import Pass

Ids = tuple[int, ...]


class Tail:
    """Passes of single responses by name ("reference", "old"), each made once however often it is asked for.

    What the passes read must not change until ``end``. Their models are met by no other thread: see ``beside``.
    """

    def __init__(self, passes: Mapping[str, Pass], device: torch.device) -> None:
        self._passes, self._device = passes, device
        # Kernels of another stream run beside those that decode; on a CPU threads do.
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._thread: ThreadPoolExecutor | None = None
        self._begun: dict[tuple[str, Ids, Ids], Future[Tensor]] = {}

    def begin(self, name: str, prompt: Ids, tokens: Ids) -> Future[Tensor]:
        """[T] of the response's tokens, in main memory, once the thread has come to it."""
        key = (name, prompt, tokens)
        if key not in self._begun:
            self._thread = self._thread or ThreadPoolExecutor(1, "tail")
            row = TrainingRow(prompt, tokens, None, 0.0, has_signal=True)
            self._begun[key] = self._thread.submit(self._alone, self._passes[name], row)
        return self._begun[key]

    def logprobs(self, name: str, batches: Sequence[Batch]) -> list[Tensor]:
        """[N] of each micro-batch, row after row; waits for what is not there yet. What a pass raised is raised."""
        begun = [[self.begin(name, row.prompt_tokens, row.tokens) for row in batch.rows] for batch in batches]
        return [torch.cat([future.result() for future in rows]).to(self._device) for rows in begun]

    def only(self, batches: Sequence[Batch]) -> None:
        """Give up what is begun of other responses and not made yet: nobody will wait behind it."""
        wanted = {(row.prompt_tokens, row.tokens) for batch in batches for row in batch.rows}
        for (_, *response), future in self._begun.items():
            if tuple(response) not in wanted:
                future.cancel()

    def end(self) -> None:
        """Forget all of it; what is not begun yet is given up, and the one pass in the making waited for."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        self._thread = None
        self._begun.clear()

    def _alone(self, score: Pass, row: TrainingRow) -> Tensor:
        with self._on_stream():
            return score([row]).cpu()

    def _on_stream(self) -> AbstractContextManager[object]:
        # Tokens of this step are here already, so the device has done what it was told before they were drawn, the last
        # update among it: nothing to wait for.
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)


def beside(model: Any) -> Any:
    """The model once more, of the very same parameters: what passes switch on and off in one of the two is not met by
    another thread in the other."""
    # deepcopy takes what its memo has under an object's id for the copy of that object.
    return copy.deepcopy(model, {id(p): p for p in model.parameters()})
