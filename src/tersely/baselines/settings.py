"""Typed configuration of baselines. A training recipe may be given: what it says of template, sampling, machine and
optimizer holds for a baseline too (learning rate and lengths of training do not)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tersely.config import AskedConfig, LoraConfig, SamplingConfig, Section, validated
from tersely.errors import UserError
from tersely.records import Json
from tersely.sections import adapters_take_adam

BASELINES = ("sft", "dpo", "o1-pruner")

ITERATED = "iterated-sft"
"""SFT in rounds, each on samples of the round before."""

LORA = "tuning.lora"
"""Where adapters are asked for."""
PAPER_RATES = "1e-5, 5e-6 and 2e-6"
"""Of the paper's SFT and DPO (arXiv 2502.04463, 5.2), at 1.5 and 7 billion parameters."""


class MachineConfig(Section):
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0 leaves torch's own choice."""
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    judge_workers: Annotated[int, Field(ge=1)] = 2


class TuningConfig(Section):
    """How kept responses are learnt. The paper gives nothing but learning rates; schedule, batch and betas are the
    defaults of the trainer that its authors used."""

    learning_rate: Annotated[float, Field(gt=0.0)]
    """The paper tried 1e-5, 5e-6 and 2e-6."""
    epochs: Annotated[int, Field(ge=1)] = 1
    """Passes over the examples."""
    batch: Annotated[int, Field(ge=1)] = 128
    """Examples of an optimizer step: responses (SFT, O1-Pruner) or pairs (DPO)."""
    warmup_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.03
    """Share of all optimizer steps over which the learning rate rises; then it falls along a cosine to a tenth
    (SFT, DPO) or stays (O1-Pruner)."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Adam's decay of its two moments."""
    adam_epsilon: Annotated[float, Field(gt=0.0)] = 1e-8
    """Added to the root of Adam's second moment."""
    gradient_clip: Annotated[float, Field(gt=0.0)] = 1.0
    """Largest norm of the gradient."""
    optimizer: Literal["adam", "adam8bit"] = "adam"
    """Adam with fp32 moments, or with 8-bit ones (needs the extra tersely[lean])."""
    lora: LoraConfig | None = None
    """Train adapters alone (any key switches it on); none trains all weights."""
    token_budget: Annotated[int, Field(ge=1)] = 32768
    """Tokens of a micro-batch, prompts and padding included."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more work."""
    positive: Literal["shortest", "first_correct"] = "shortest"
    """What SFT learns and DPO prefers: the shortest correct response, or the shortest whose thinking is cut where it
    first states the right answer (First-Correct Solutions, arXiv 2412.21187)."""
    dpo_beta: Annotated[float, Field(gt=0.0)] = 0.1
    """How far DPO may go from its reference: the smaller, the farther."""
    accuracy_weight: Annotated[float, Field(ge=0.0)] = 2.0
    """O1-Pruner's lambda; 2 in its paper and in arXiv 2502.04463."""
    reward_bounds: tuple[float, float] = (-2.0, 4.0)
    """O1-Pruner's rewards are clipped here, as its released code does."""
    clip: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """O1-Pruner's bounds of the ratio to the sampling policy."""

    @model_validator(mode="after")
    def _adapters_take_adam(self) -> TuningConfig:
        adapters_take_adam("tuning", self.lora, self.optimizer)
        return self


class SamplesConfig(AskedConfig):
    """What decides which responses are drawn."""

    sampling: SamplingConfig = SamplingConfig()
    run: MachineConfig = MachineConfig()


class BaselineConfig(SamplesConfig):
    """Everything that makes a baseline what it is."""

    tuning: TuningConfig


_SHARED: dict[str, tuple[str, type[Section]]] = {
    "sampling": ("sampling", SamplingConfig),
    "run": ("run", MachineConfig),
    "learner": ("tuning", TuningConfig),
}
"""Section of a training recipe -> section of a baseline, of which it gives the settings that both know."""


def from_recipe(recipe: Json) -> Json:
    """The settings of a training recipe that hold for baselines as well."""
    settings: dict[str, object] = {key: recipe[key] for key in ("template", "train_size") if key in recipe}
    for section, (place, known) in _SHARED.items():
        found = {k: v for k, v in recipe.get(section, {}).items() if k in known.model_fields and k not in _RL_ONLY}
        settings[place] = found
    return settings


_RL_ONLY = ("learning_rate", "clip")


def resolve_samples(settings: Json) -> SamplesConfig:
    """Validated; tuning has no meaning where nothing is trained. UserError for the first thing that is wrong."""
    return validated(SamplesConfig, {key: value for key, value in settings.items() if key != "tuning"})


def resolve_baseline(method: str, settings: Json) -> BaselineConfig:
    """Validated; UserError for the first thing that is wrong."""
    if "learning_rate" not in settings.get("tuning", {}):
        raise UserError(
            f"{method} needs --learning-rate: the paper tried {PAPER_RATES} on 1.5 and 7 billion parameters; "
            "docs/method.md has those of the embedded task"
        )
    return validated(BaselineConfig, settings)
