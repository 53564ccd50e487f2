"""Instructions that ask a model to be brief: the prompted baselines, and the budgets that a run may ask for.

``paper-limit`` is the prompt of arXiv 2502.04463 word for word, in place of the model's own. All others are appended to
the user's message; sources of the ideas, the sentences are ours: a limit in tokens (arXiv 2502.04463, prompted limits
of 256 to 4096), a length in tokens (L1, arXiv 2503.04697), concise chain of thought (Renze and Guven 2024,
arXiv:2401.05618), a token budget (TALE, Han et al. 2024, arXiv:2412.18547).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tersely.errors import UserError, require_known

PAPER_LIMIT = "paper-limit"
SENTENCES = {
    "limit": "Reason step by step, using at most {budget} tokens in all.",
    "length": "Reason step by step, using {budget} tokens in all, neither fewer nor more.",
    "concise": "Be concise: reason in as few words as the problem allows.",
    "tale": "Reason step by step within a budget of {budget} tokens, and do not exceed it.",
    PAPER_LIMIT: "Please think step by step and answer in less than {budget} tokens. Question: {{question}} Answer:",
}
BUDGETED = ("limit", "length", "tale", PAPER_LIMIT)


@dataclass(frozen=True, slots=True)
class Instruction:
    """A request for brevity. Example: ``parse_instruction("limit:512")``."""

    name: str
    budget: int | None

    @property
    def text(self) -> str:
        return SENTENCES[self.name].format(budget=self.budget)

    @property
    def appended(self) -> bool:
        """Whether the text follows the problem; else it is a template of its own, with a place for the question."""
        return self.name != PAPER_LIMIT

    @property
    def variant(self) -> str:
        """The name in a folder: ``limit-512``, ``concise``."""
        return self.name if self.budget is None else f"{self.name}-{self.budget}"


def parse_instruction(spec: str) -> Instruction:
    """``limit:512``, ``length:512``, ``tale:512``, ``paper-limit:512`` or ``concise`` taken apart; else UserError."""
    name, colon, number = spec.partition(":")
    require_known("instruction", name, SENTENCES)
    if name not in BUDGETED:
        if colon:
            raise UserError(f"--instruction {spec!r}: {name} takes no number, write {name} alone")
        return Instruction(name, None)
    if not (number.isascii() and number.isdigit() and 0 < int(number) < 10**9):
        raise UserError(f"--instruction {spec!r} needs a whole number of tokens, for example {name}:512")
    return Instruction(name, int(number))


def require_readable(instruction: Instruction, tokenizer: Any) -> None:
    """UserError where the tokenizer drops parts of the sentence, as the embedded reasoner's word list does."""
    if not is_readable(instruction.text.replace("{question}", ""), tokenizer):
        raise UserError(
            "this model's tokenizer has no words for an instruction, so prompted instructions are not applicable to "
            "it (the embedded reasoner reads problems alone): leave --instruction out"
        )


def is_readable(words: str, tokenizer: Any) -> bool:
    """Whether the tokenizer keeps every letter and digit."""
    ids = tokenizer.encode(words, add_special_tokens=False)
    return _letters(tokenizer.decode(ids)) == _letters(words)


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
