"""On which terms a model is asked: those that it was trained on, unless others are asked for and meant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol
from tersely.models.load import load_config
from tersely.models.positions import Room
from tersely.models.trained_for import read_trained_for
from tersely.tasks.instructions import parse_instruction, require_readable


def pick_template(weights: Path, asked: str | None, other_template: bool) -> str:
    """The template to evaluate under: the one trained with, unless another is asked for and meant."""
    trained = read_trained_for(weights).template
    if asked is None:
        return trained or "boxed"
    if trained is not None and asked != trained and not other_template:
        raise UserError(
            f"the model was trained with the template {trained!r}, not {asked!r}: leave --template out, "
            "or add --other-template if that is what you want to measure"
        )
    return asked


def require_verifier_of_training(weights: Path, verifier: str | None, other_verifier: bool) -> None:
    """UserError where a model that was trained with a verifier would be judged by something else, unasked."""
    trained = read_trained_for(weights).verifier
    if trained is not None and verifier != trained and not other_verifier:
        instead = "without one" if verifier is None else f"with {verifier}"
        raise UserError(
            f"the model was trained with the verifier {trained} and would be judged {instead}: give that one with "
            "--verifier (judge= from Python), or add --other-verifier if that is what you want to measure (from Python "
            "judge=tersely.Judge())"
        )


@dataclass(frozen=True, slots=True)
class Asking:
    """How the problems are put to the model. Example: ``Asking("boxed", "Be concise.")``."""

    template: str
    sentence: str | None
    """At the end of each prompt."""

    @classmethod
    def of(cls, protocol: EvalProtocol, tokenizer: Any, template: str) -> Asking:
        """The model's own template, with the instruction of the protocol if any, once it is known that the tokenizer
        can write it."""
        if protocol.instruction is None:
            return cls(template, None)
        instruction = parse_instruction(protocol.instruction)
        require_readable(instruction, tokenizer)
        return cls(template, instruction.text) if instruction.appended else cls(instruction.text, None)


def within_positions(weights: Path, protocol: EvalProtocol, longest: int, template: str) -> EvalProtocol:
    """The protocol under a cap that the model has room for behind its longest prompt.

    A suite's cap is lowered, which is marked; any other that does not fit is the user's to change: UserError.
    """
    room, cap = Room.of(load_config(weights).to_dict()), protocol.max_new_tokens
    left = room.left(longest)
    if protocol.suite is not None and left is not None and 0 < left < cap:
        return replace(protocol, max_new_tokens=left, suite_cap=cap)
    room.require(longest, cap, "--max-new-tokens ", template)
    return protocol
