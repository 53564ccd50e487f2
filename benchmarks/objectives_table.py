"""Which objectives are compared, at which constants: one table, each scale with its reason.

Constants are the authors' (src/tersely/objective/methods says which commit); what they give in tokens is divided by
``TOKENS``, what they give in steps by ``STEPS_OF_ACOER``, and everything else is left as it is. The learner, the
baseline of a group (leave-one-out) and 256 responses a step are the tiny recipe's for all, so that the reward alone
differs; ``dler`` is the exception that says so.
"""

from __future__ import annotations

from dataclasses import dataclass

CAP = 320
"""Of the tiny recipe; every model is measured under it."""
TOKENS = 55
"""Authors' tokens for one of ours: a 1.5B reasoner's responses have 4,770 tokens on average (the profile of `tersely
plan`), those of the embedded reasoner in its first step 80 to 92 over three seeds."""
STEPS_OF_ACOER = 20
"""Its authors train 1,200 steps (js-lee-AI/ACOER), the tiny recipe 60."""
FAMILY = "paper"
"""The line that the others are compared with."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One run of every seed: an objective, its settings, and what was done to its constants."""

    method: str
    settings: tuple[str, ...] = ()
    """As --set takes them; the method itself apart."""
    why: str = "no constant is a length"
    label: str = ""
    """What tells this setting of the method from another."""
    objective: str = ""
    """Name in METHODS, where it is not ``method``."""

    @property
    def name(self) -> str:
        return f"{self.method}-{self.label}" if self.label else self.method

    @property
    def assignments(self) -> tuple[str, ...]:
        return (f"objective.method={self.objective or self.method}", *self.settings)


def scaled(**tokens: float) -> tuple[str, ...]:
    """Settings of a method that are lengths, from the authors' tokens."""
    return tuple(f"objective.settings.{name}={value / TOKENS:.4g}" for name, value in tokens.items())


def priced(method: str, why: str, *alphas: float) -> list[Setting]:
    """A method whose knob is alpha, once for each."""
    return [Setting(method, (f"objective.alpha={alpha!r}",), why, f"{alpha:g}") for alpha in alphas]


SHORT_CAP = round(4000 / TOKENS)
ACOER = (
    f"objective.settings.span={50 / STEPS_OF_ACOER}",
    f"objective.settings.window={100 // STEPS_OF_ACOER}",
    f"objective.settings.warmup={200 // STEPS_OF_ACOER}",
    f"objective.settings.up={1.02**STEPS_OF_ACOER:.4g}",
    f"objective.settings.down={0.95**STEPS_OF_ACOER:.4g}",
    *scaled(budget=4096, floor=512),
)
DLER = (
    "objective.advantage=mean", "objective.normalize=batch", "objective.filter=equal", "run.oversample=1.5",
    "learner.clip_high=0.28", "learner.dual_clip=10", "learner.averaging=token", "learner.kl_in=loss",
    "learner.kl_coefficient=5e-4", f"sampling.max_new_tokens={SHORT_CAP}",
)  # fmt: skip

SETTINGS: tuple[Setting, ...] = (
    *priced("paper", "scale-free; the family", 0.0, 0.1, 0.2, 0.4),
    *priced("linear", "scale-free; as the middle and the end of the family", 0.2, 0.4),
    Setting("truncation", (f"sampling.max_new_tokens={SHORT_CAP}",), "DLER's and ThinkPrune's first cap of 4,000"),
    Setting(
        "dler",
        DLER,
        "the same cap with DLER's ingredients (recipe dler), rates and sizes the tiny recipe's",
        objective="truncation",
    ),
    Setting(
        "dot",
        ("sampling.n=16", "sampling.prompts=16", *scaled(margin=32)),
        "margin 32; 16 siblings, as 3 deviations cannot be exceeded by fewer than 11",
    ),
    *priced("kimi", "scale-free; 0.4 is Laser's, the paper gives none", 0.4, 0.2),
    Setting("cosine", (), "its shape goes by the cap; the 16 tokens before it are its code's and stay 16"),
    Setting("dapo-overlong", ("objective.settings.buffer=64",), "the buffer is a share of the cap: a fifth"),
    Setting("laser", scaled(target=8192), "target 8,192"),
    Setting(
        "laser-d", scaled(start=8192, lower=4096, step=1024), "start 8,192, lower 4,096, step 1,024; every 20 steps"
    ),
    Setting("shorterbetter", (f"objective.settings.beta={1e-3 * TOKENS:.4g}",), "beta 0.001 a token, times the scale"),
    *[
        Setting(one.method, (*one.settings, *scaled(gate=4000)), one.why, one.label)
        for one in priced("grpo-lead", "gate 4,000", 0.05, 0.2)
    ],
    Setting("acoer", ACOER, "budget 4,096 and floor 512; its steps, and its factors by as many steps at once"),
    Setting("laconic", scaled(budget=2000), "budget 2,000"),
    Setting("arlcp", (), "its length term is scale-free; its counts of words stay"),
    Setting("o1-pruner", (), "scale-free"),
    Setting("prime-rl", (), "scale-free"),
    Setting(
        "alp", (f"objective.settings.beta={1e-7 * TOKENS:.4g}",), "beta 1e-7 a token (not verified), times the scale"
    ),
    Setting("hapo", (), "scale-free"),
    Setting("leash", scaled(target=4096), "target 4,096"),
    *priced("gr3", "scale-free; 0.33 is not verified", 0.33, 0.66),
)
LEFT_OUT = (
    "`l1-exact` and `l1-max` ask for a number of tokens in the prompt, for which the embedded reasoner has no words: "
    "they are refused on it and cannot be compared here."
)
