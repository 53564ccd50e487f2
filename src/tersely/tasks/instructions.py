"""Instructions that ask a model to be brief: the prompted baselines, appended to the user's message.

Sources of the ideas, the sentences are ours: a limit in tokens (arXiv 2502.04463, prompted limits of 256 to 4096),
concise chain of thought (Renze and Guven 2024, arXiv:2401.05618), a token budget (TALE, Han et al. 2024,
arXiv:2412.18547).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tersely.errors import UserError, require_known

SENTENCES = {
    "limit": "Reason step by step, using at most {budget} tokens in all.",
    "concise": "Be concise: reason in as few words as the problem allows.",
    "tale": "Reason step by step within a budget of {budget} tokens, and do not exceed it.",
}
BUDGETED = ("limit", "tale")


@dataclass(frozen=True, slots=True)
class Instruction:
    """A request for brevity. Example: ``parse_instruction("limit:512")``."""

    name: str
    budget: int | None

    @property
    def text(self) -> str:
        return SENTENCES[self.name].format(budget=self.budget)

    @property
    def variant(self) -> str:
        """The name in a folder: ``limit-512``, ``concise``."""
        return self.name if self.budget is None else f"{self.name}-{self.budget}"


def parse_instruction(spec: str) -> Instruction:
    """``limit:512``, ``tale:512`` or ``concise`` taken apart; UserError for anything else."""
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
    ids = tokenizer.encode(instruction.text, add_special_tokens=False)
    if _letters(tokenizer.decode(ids)) != _letters(instruction.text):
        raise UserError(
            "this model's tokenizer has no words for an instruction, so prompted instructions are not applicable to "
            "it (the embedded reasoner reads problems alone): leave --instruction out"
        )


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
