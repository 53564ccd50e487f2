"""What demonstrations of all embedded reasoners have in common: how a prompt and a response begin and end."""

from __future__ import annotations

import random
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

THINK, END_THINK, EOS = "<think>", "</think>", "<eos>"
FIRST, BOX, CLOSE = "Q:", "\\boxed{", "}"


class Phase(StrEnum):
    """What a base is trained on, one after another."""

    PRACTICE = "practice"
    """Short rows without slips, from which single steps are learnt within minutes."""
    STRAIGHT = "straight"
    """Whole problems, worked without detours."""
    VERBOSE = "verbose"
    """The demonstrations that the base shall imitate, detours and slips included."""


Demonstration = tuple[list[str], list[str]]
"""(prompt, response) as words, which are tokens; the response from after ``<think>`` to ``<eos>`` inclusive."""


class Writing(Protocol):
    """How the demonstrations of a task are written: a frozen dataclass of probabilities."""

    def draw(self, phase: Phase, rng: random.Random) -> Demonstration:
        """A demonstration of a fresh problem of the training split."""


def prompt_of(question: str) -> list[str]:
    """The prompt as a list of words (tokens), equal to what the chat template of the tokenizer makes."""
    return [FIRST, *question.split(), THINK]


def final(answer: Sequence[str]) -> list[str]:
    """The end of a response."""
    return [END_THINK, BOX, *answer, CLOSE, EOS]
