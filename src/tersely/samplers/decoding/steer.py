"""A decoding option at work in a batch: which rows think, which are being closed, and what they must say next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tersely.errors import UserError
from tersely.models.text import ResponseText
from tersely.samplers.base import Sampling
from tersely.samplers.decoding import Decoding
from tersely.samplers.decoding.base import Rule, Tokens
from tersely.verify.visible import THINKING, opens


class Steering(Protocol):
    """Beside the loop over decode steps; ``rows`` says which response each row of the logits belongs to."""

    def before(self, said: int, rows: NDArray[np.int64], logits_RV: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits to draw from, and the ids that must be taken (-1: as drawn); None where all are free."""

    def after(self, rows: NDArray[np.int64], chosen_R: NDArray[np.int64]) -> None:
        """What was said."""


class Free:
    """Nothing is asked: the logits as they are."""

    def before(self, said: int, rows: NDArray[np.int64], logits_RV: Tensor) -> tuple[Tensor, Tensor | None]:
        return logits_RV, None

    def after(self, rows: NDArray[np.int64], chosen_R: NDArray[np.int64]) -> None:
        pass


class Steered:
    """One option in one batch of B responses. A response thinks from its first token (unless its prompt has ended the
    thought) until it says a mark, or until the option ends it."""

    def __init__(self, rule: Rule, marks: Sequence[int], closing: Sequence[int], thinks_B: NDArray[np.bool_]) -> None:
        self._rule, self._banned = rule, torch.from_numpy(rule.banned())
        self._marks = np.array(marks, np.int64)
        self._closing = np.array(closing, np.int64)
        self._thinks_B = thinks_B
        self._place_B = np.full(len(thinks_B), -1)  # within the closing text; -1: not being closed
        self._last_B = np.full(len(thinks_B), -1, np.int64)

    def before(self, said: int, rows: NDArray[np.int64], logits_RV: Tensor) -> tuple[Tensor, Tensor | None]:
        if len(self._banned):
            logits_RV = logits_RV.index_fill(-1, self._banned.to(logits_RV.device), float("-inf"))
        stopped = rows[self._thinks_B[rows] & self._rule.stops(said, self._last_B[rows], logits_RV)]
        self._thinks_B[stopped] = False
        self._place_B[stopped] = 0
        place_R = self._place_B[rows]
        if (place_R < 0).all():
            return logits_RV, None
        forced_R = np.where(place_R < 0, -1, self._closing[place_R.clip(0)])
        return logits_RV, torch.from_numpy(forced_R).to(logits_RV.device)

    def after(self, rows: NDArray[np.int64], chosen_R: NDArray[np.int64]) -> None:
        closed = self._place_B[rows] >= 0
        self._place_B[rows[closed]] += 1
        self._place_B[self._place_B == len(self._closing)] = -1
        self._thinks_B[rows[np.isin(chosen_R, self._marks)]] = False
        self._last_B[rows] = chosen_R


class Options:
    """Options for one tokenizer, whose tokens are read once."""

    def __init__(self, tokenizer: Any, end_ids: Sequence[int]) -> None:
        self._tokenizer, self._end_ids = tokenizer, set(end_ids)
        self._text = ResponseText(tokenizer)
        self._tokens: Tokens | None = None

    def steering(self, sampling: Sampling, prompts: Sequence[Sequence[int]] = ()) -> Steering:
        """For ``sampling.n`` responses to each prompt. UserError for what this model cannot do."""
        decoding = sampling.decoding
        if decoding is None:
            return Free()
        rule = decoding.option.rule(self.tokens, sampling.temperature or 1.0)
        if not decoding.option.closes:
            return Steered(rule, (), (), np.zeros(len(prompts) * sampling.n, np.bool_))
        thinks = np.array([not self._text.ends_thinking(prompt) for prompt in prompts], np.bool_).repeat(sampling.n)
        return Steered(rule, self.tokens.marks, self.closing(decoding), thinks)

    @property
    def tokens(self) -> Tokens:
        if self._tokens is None:
            texts = tuple(self._tokenizer.decode([i]) for i in range(len(self._tokenizer)))
            marks = tuple(i for i, text in enumerate(texts) if _ends_thinking(text.strip()))
            self._tokens = Tokens(texts, marks)
        return self._tokens

    def closing(self, decoding: Decoding) -> list[int]:
        """Ids that end thinking. UserError where there are none, and for such as would end the response."""
        marks = self.tokens.marks
        if not marks:
            raise UserError(
                f"{decoding.spec} ends thinking, and this tokenizer has no token that does (such as </think>): such "
                "a model is not measured under it; ask it to be brief by --instruction"
            )
        if decoding.close is None:
            return [marks[0]]
        ids = [int(i) for i in self._tokenizer.encode(decoding.close, add_special_tokens=False)]
        if not ids or self._tokenizer.decode(ids).strip() != decoding.close.strip():
            raise UserError(f"this model's tokenizer cannot write --close {decoding.close!r}: give another text")
        if not set(marks).intersection(ids):
            raise UserError(
                f"--close {decoding.close!r} ends no thinking: it needs this model's own mark, "
                f"{self.tokens.texts[marks[0]].strip()}, and may go on behind it"
            )
        if self._end_ids.intersection(ids):
            raise UserError(f"--close {decoding.close!r} holds a token that ends the response: leave that out of it")
        return ids


def _ends_thinking(token: str) -> bool:
    mark = THINKING.fullmatch(token)
    return mark is not None and not opens(mark)
