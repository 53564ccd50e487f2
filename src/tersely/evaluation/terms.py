"""On which terms a model is asked: those that it was trained on, unless others are asked for and meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol
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


def sentence_of(protocol: EvalProtocol, tokenizer: Any) -> str | None:
    """The instruction's sentence, once it is known that the model's tokenizer can write it."""
    if protocol.instruction is None:
        return None
    instruction = parse_instruction(protocol.instruction)
    require_readable(instruction, tokenizer)
    return instruction.text
