"""The check at load: what we compute fast is compared with the model's own forward, and the fastest that is right is
taken.

The truth is ``model(input_ids, attention_mask).logits`` of the untouched model, each row alone. Two rows of different
length stand for all: what goes wrong with an architecture (a scale behind the head, a state that padding enters) goes
wrong on any. Nothing here draws random numbers or changes the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from tersely.errors import RunError, UserError, in_one_line
from tersely.models.memory import ran_out
from tersely.records import Json, JsonObject
from tersely.runs import disk

MODEL_CHECK = "model_check.json"
"""In the folder of a run, an evaluation or samples: what was compared, and which way was taken."""

FP32_BOUND = 1e-4
"""Largest difference of log-probabilities, in nats, in fp32 and above."""

NOISE = 3.0
"""In a smaller type: times the difference that the model's own forward shows between two batch shapes."""

CONTINUED = 5
"""Tokens of each row that count as its response."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One way of computing, compared. ``gap`` is None where it did not compute at all; then ``error`` says why."""

    path: str
    gap: float | None
    error: str | None = None

    def is_within(self, bound: float) -> bool:
        return self.gap is not None and self.gap <= bound

    def says(self) -> str:
        return f"{self.path} is off by {self.gap:.2g} nats" if self.gap is not None else f"{self.path} fails"

    def to_json(self) -> dict[str, Any]:
        return {"path": self.path, "gap": self.gap} | ({} if self.error is None else {"error": self.error})


@dataclass(frozen=True, slots=True)
class PartCheck:
    """One part of the program on one model: the ways tried, fastest first; the last one is right and taken, or cannot
    be compared (its gap is None)."""

    part: str
    bound: float
    tried: tuple[Tried, ...]

    @classmethod
    def from_json(cls, content: Json) -> PartCheck:
        """From its fields by name."""
        return cls(content["part"], content["bound"], tuple(Tried(**tried) for tried in content["tried"]))

    @property
    def chosen(self) -> str:
        return self.tried[-1].path

    @property
    def gap(self) -> float:
        """Of the way taken, in nats."""
        return self.tried[-1].gap or 0.0

    def note(self) -> str | None:
        """One sentence where a slower way had to be taken, or nothing could be compared."""
        if self.tried[-1].gap is None:
            return f"{self.part}: {self.chosen} is not compared with the model's own forward: {self.tried[-1].error}"
        if len(self.tried) == 1:
            return None
        wrong = ", ".join(tried.says() for tried in self.tried[:-1])
        return f"{self.part}: {wrong} on this model, so the slower {self.chosen} is used"

    def to_json(self) -> dict[str, Any]:
        return {"chosen": self.chosen, "bound": self.bound, "tried": [tried.to_json() for tried in self.tried]}


class Finding(Protocol):
    """What was found of one part: a ``PartCheck``, or that of the tokenizer."""

    @property
    def part(self) -> str: ...

    def note(self) -> str | None: ...

    def to_json(self) -> JsonObject: ...


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """All that was compared when a model was loaded."""

    parts: tuple[Finding, ...]

    def record(self, folder: Path | None, note: Callable[[str], None]) -> None:
        """Write it into the folder, if there is one, and say in one sentence each what was repaired."""
        if folder is not None:
            disk.write_json_atomic(folder / MODEL_CHECK, {part.part: part.to_json() for part in self.parts})
        for sentence in filter(None, (part.note() for part in self.parts)):
            note(sentence)


class Truth:
    """Two rows and their log-probabilities under the model's own forward in ``dtype`` (None: the model's own; another
    means autocast).

    RunError where those are not finite numbers, UserError where the forward fails. ``bound`` is
    what a way of computing may differ by.
    """

    def __init__(self, model: Any, dtype: torch.dtype | None = None) -> None:
        self.model, self.dtype = model, dtype or model.dtype
        self.rows = probe_rows(model.config.get_text_config().vocab_size)
        self.is_exact = self.dtype in (torch.float32, torch.float64)
        with torch.no_grad(), self.precision():
            self.logprobs = self._own()
            self._require_numbers()
            self.bound = FP32_BOUND if self.is_exact else max(NOISE * self._noise(), self._rounding())

    def precision(self) -> torch.autocast:
        return torch.autocast(self.model.device.type, self.dtype, enabled=self.dtype != self.model.dtype)

    def gap(self, row: int, first: int, logprobs_TV: Tensor) -> float:
        """Difference in nats of what was computed for the positions of a row from ``first`` on: the largest, in
        smaller types the mean (one expert chosen otherwise, out of rounding, must not decide)."""
        wanted_TV = self.logprobs[row][first : first + len(logprobs_TV)].to(logprobs_TV.device)
        # A model may forbid a token (log-probability -inf): both must.
        apart_TV = torch.where(wanted_TV == logprobs_TV, 0.0, (wanted_TV - logprobs_TV).abs())
        return self._gap(apart_TV)

    def token_gap(self, row: int, tokens: Sequence[int], logprobs_T: Tensor) -> float:
        """The same of the row's last tokens alone."""
        targets_T1 = torch.tensor(tokens)[:, None].to(logprobs_T.device)
        last_TV = self.logprobs[row][-len(tokens) - 1 : -1].to(logprobs_T.device)
        return self._gap((last_TV.gather(1, targets_T1)[:, 0] - logprobs_T).abs())

    def distance(self, other: Truth) -> float:
        """What the own forward differs by from another's on the same rows: the larger of both rows' gaps."""
        return max(self.gap(row, 0, logprobs) for row, logprobs in enumerate(other.logprobs))

    def _gap(self, apart: Tensor) -> float:
        gap = float(apart.max() if self.is_exact else apart.mean())
        return gap if gap == gap else float("inf")

    def _own(self) -> list[Tensor]:
        try:
            return [own_logprobs(self.model, [row])[0] for row in self.rows]
        # Whatever a forward of somebody else's raises.
        except Exception as error:
            if ran_out(error):
                raise
            kind, dtype = self.model.config.model_type, str(self.dtype).removeprefix("torch.")
            cure = (
                "take another checkpoint"
                if self.is_exact
                else "run in float32, or take a model of another architecture"
            )
            raise UserError(
                f"the own forward of this {kind} model fails in {dtype} ({in_one_line(error)}), so it can neither be "
                f"sampled from nor trained: {cure}"
            ) from error

    def _noise(self) -> float:
        long = self.rows[0]
        twice = own_logprobs(self.model, [long, long[::-1]])[0]
        longer = own_logprobs(self.model, [long + self.rows[1]])[0][: len(long)]
        return max(self.gap(0, 0, twice), self.gap(0, 0, longer))

    def _rounding(self) -> float:
        """One rounding of a typical logit: below it no difference says anything."""
        finite = [rows[rows.isfinite()].abs().mean() for rows in self.logprobs]
        return float(max(finite)) * torch.finfo(self.dtype).eps

    def _require_numbers(self) -> None:
        # -inf is a forbidden token; a NaN anywhere, or +inf among the logits, makes the whole position NaN.
        if any(rows.isnan().any() for rows in self.logprobs):
            raise RunError(
                "the model's own log-probabilities are not numbers (NaN), so nothing it samples means anything: its "
                "weights are damaged or its type is too small; load it in float32, or take another checkpoint"
            )


def probe_rows(vocabulary: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Token ids of two rows, prompt and response: from the middle of the vocabulary, where no control ids stand."""
    ids = [vocabulary // 2 + (37 * i) % max(1, vocabulary // 4) for i in range(40)]
    return tuple(ids[:17]), tuple(ids[20:29])


def own_logprobs(model: Any, rows: Sequence[Sequence[int]]) -> Tensor:
    """[B, T, V] by the model's own forward over rows of one length."""
    ids = torch.tensor([list(row) for row in rows], device=model.device)
    logits: Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    return logits.float().log_softmax(-1)


def first_right(part: str, truth: Truth, ways: Iterable[tuple[str, Callable[[], float]]], cure: str) -> PartCheck:
    """The first way (name, function that gives its gap) within the bound. UserError where none is: ``cure`` says what
    the user can do."""
    tried: list[Tried] = []
    for name, measure in ways:
        tried.append(_try(name, measure, truth))
        if tried[-1].is_within(truth.bound):
            return PartCheck(part, truth.bound, tuple(tried))
    kind, told = truth.model.config.model_type, ", ".join(t.says() for t in tried)
    raise UserError(
        f"the {part} cannot reproduce this {kind} model's own log-probabilities ({told}; allowed are "
        f"{truth.bound:.2g} nats): {cure}"
    )


def _try(name: str, measure: Callable[[], float], truth: Truth) -> Tried:
    try:
        with torch.no_grad(), truth.precision():
            return Tried(name, measure())
    # Whatever an architecture of somebody else's answers to a call it does not know.
    except Exception as error:
        if ran_out(error):
            raise
        return Tried(name, None, in_one_line(error))
