"""What people and other trainers call our settings: hints by meaning before hints by spelling."""

from __future__ import annotations

from collections.abc import Sequence

from tersely.errors import nearest

SHORT_NAMES = {
    "lr": "learner.learning_rate",
    "kl": "learner.kl_coefficient",
    "kl_coef": "learner.kl_coefficient",
    "beta": "learner.kl_coefficient",
    "batch_size": "sampling.prompts",
    "num_generations": "sampling.n",
    "max_tokens": "sampling.max_new_tokens",
    "max_completion_length": "sampling.max_new_tokens",
    "max_steps": "run.steps",
    "max_length": "sampling.max_new_tokens",
    "cap": "sampling.max_new_tokens",
    "size": "train_size",
    "k": "sampling.n",
    "n_samples": "sampling.n",
    "samples": "sampling.n",
    "save_steps": "run.checkpoint_every",
    "warmup": "learner.warmup_steps",
    "max_grad_norm": "learner.gradient_clip",
    "lora_rank": "learner.lora.rank",
    "lora": "learner.lora.rank",
}
"""What other trainers call our settings: too far from our names for a guess by spelling."""


def meant(path: str, known: Sequence[str]) -> str:
    """What an unknown setting was meant to be: its own name in another section, what others call it, or the nearest."""
    name = path.rpartition(".")[2]
    likely = setting_of(name, known)
    if likely is None and path.startswith("objective.") and name in _settings_of_methods():
        likely = f"objective.settings.{name}"
    return nearest(likely, [likely]) if likely else nearest(path, known)


def _settings_of_methods() -> set[str]:
    from tersely.objective.build import setting_names
    from tersely.objective.methods import METHODS

    return {name for method in METHODS.values() for name in setting_names(method)}


def setting_of(name: str, known: Sequence[str]) -> str | None:
    """The full name of the setting that is called so here or by other trainers; ``"lr"``: learner.learning_rate."""
    same = [key for key in known if key.rpartition(".")[2] == name]
    return next(iter([*same, *(key for key in known if key == SHORT_NAMES.get(name))]), None)
