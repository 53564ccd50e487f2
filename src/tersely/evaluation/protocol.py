"""How a model is measured. Two evaluations are compared only where their protocols are the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tersely.analysis.facts import ProtocolFacts
from tersely.errors import UserError
from tersely.records import JsonObject
from tersely.samplers.base import Sampling
from tersely.samplers.decoding import Decoding
from tersely.tasks.instructions import parse_instruction

CAP = 32768
"""Tokens of a response of models that were not trained here, where nothing else says a cap."""

VARIANT = "@"
"""Separates, in the name of an evaluation, the data set from what else was done: ``gsm8k@step-000010@limit-512``."""


EFFORT = "effort-"
"""Begins the variant that says a level of effort: ``gsm8k@effort-low``."""


@dataclass(frozen=True, slots=True)
class EvalProtocol:
    """Everything that can move a number besides the weights.

    Temperature 0.6 and top_p 1 are the paper's (arXiv 2502.04463, 5.1).
    Example: ``EvalProtocol(task="arithmetic", size=600, k=1, max_new_tokens=256)``
    """

    task: str
    size: int | None
    """Problems taken; None takes all of a file, and 600 of the embedded task."""
    k: int
    """Responses a problem."""
    max_new_tokens: int
    temperature: float = 0.6
    top_p: float = 1.0
    seed: int = 0
    template: str | None = None
    """Prompt template; None takes the one that the model was trained with."""
    instruction: str | None = None
    """A request for brevity appended to the user's message, as ``limit:512`` (``tasks.instructions``)."""
    effort: str | None = None
    """The level of effort asked for, of a model that was trained for several."""
    request: str | None = None
    """What a server was asked for besides, as ``reasoning_effort=low`` or ``system=brief``."""
    decoding: Decoding | None = None
    """What is done while decoding, as ``Decoding("budget:512")``; by our own sampler."""
    suite: str | None = None
    """The suite this evaluation belongs to (``tersely.evaluation.suites``)."""
    step: int | None = None
    """The checkpoint evaluated, where it is not simply the newest."""
    suite_cap: int | None = None
    """The suite's own cap, where the model's positions allow less."""
    repeat: int | None = None
    """1 and up: the same measurement again, with ``seed + repeat`` (the noise floor)."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UserError(f"k is {self.k}: at least one response a problem is needed")
        if self.size is not None and self.size < 1:
            raise UserError(f"size is {self.size}: at least one problem is needed")
        if self.temperature == 0 and self.k > 1:
            raise UserError(f"temperature 0 gives {self.k} equal responses: use k = 1, or a temperature above 0")
        _ = self.sampling  # refuses what cannot be drawn
        if self.instruction is not None:
            parse_instruction(self.instruction)
            if self.effort is not None:
                raise UserError(
                    f"--instruction {self.instruction} and --effort {self.effort} would both end a prompt: ask for one "
                    "of them (--other-template asks a model that was trained for levels for none)"
                )

    @property
    def name(self) -> str:
        """The folder of this evaluation, ``[SUITE.]TASK[@VARIANT...]``. Example: ``paper.gsm8k@limit-512``."""
        parts = [Path(self.task).stem.replace(VARIANT, "-")]
        if self.suite is not None:
            parts[0] = f"{self.suite}.{parts[0]}"
        if self.step is not None:
            parts.append(f"step-{self.step:06d}")
        if self.instruction is not None:
            parts.append(parse_instruction(self.instruction).variant)
        if self.effort is not None:
            parts.append(f"{EFFORT}{self.effort}")
        if self.request is not None:
            parts.append("".join(c if c.isalnum() or c in "._-" else "-" for c in self.request))
        if self.decoding is not None:
            parts.append(self.decoding.variant)
        if self.repeat is not None:
            # Last, so that it stands beside what it repeats, an instruction included.
            parts.append(f"repeat-{self.repeat}")
        return VARIANT.join(parts)

    @property
    def sampling_seed(self) -> int:
        return self.seed + (self.repeat or 0)

    @property
    def sampling(self) -> Sampling:
        """How responses are drawn."""
        return Sampling(
            self.k, self.max_new_tokens, self.temperature, self.top_p, self.sampling_seed, decoding=self.decoding
        )

    def facts(self, template: str, task_sha256: str) -> ProtocolFacts:
        """What is recorded of the protocol, with what it was resolved to."""
        return ProtocolFacts(
            task=self.task,
            task_sha256=task_sha256,
            size=self.size,
            k=self.k,
            temperature=self.temperature,
            top_p=self.top_p,
            max_new_tokens=self.max_new_tokens,
            seed=self.sampling_seed,
            template=template,
            instruction=self.instruction,
            suite=self.suite,
            step=self.step,
            repeat=self.repeat,
        )


LATER = ("instruction", "effort", "suite", "step", "repeat")
"""Facts that older evaluations do not have; None says the same as absent."""


def identity(facts: ProtocolFacts) -> JsonObject:
    """As JSON, the facts that decide whether a folder may be gone on with: those of an old folder stay as they were."""
    return {key: value for key, value in facts.to_json().items() if key not in LATER or value is not None}


@dataclass(frozen=True, slots=True)
class Name:
    """An evaluation folder's name taken apart. Example: ``parse_name("paper.gsm8k@limit-512")``."""

    dataset: str
    step: int | None
    variant: str
    """``limit-512``, ``concise``, ``effort-low``, ``repeat`` ...; empty for the model as it is."""

    @property
    def effort(self) -> str | None:
        """The level of effort that was asked for."""
        found = [part for part in self.variant.split(VARIANT) if part.startswith(EFFORT)]
        return found[0].removeprefix(EFFORT) if found else None

    @property
    def is_repeat(self) -> bool:
        """The same measurement with another sampling seed: says how much of a difference is noise."""
        return any(part.startswith(("repeat", "seed-")) for part in self.variant.split(VARIANT))


def parse_name(folder: str) -> Name:
    """What ``EvalProtocol.name`` made."""
    dataset, *rest = folder.split(VARIANT)
    steps = [part for part in rest if part.startswith("step-") and part[5:].isdigit()]
    others = [part for part in rest if part not in steps]
    return Name(dataset, int(steps[0][5:]) if steps else None, VARIANT.join(others))
