"""How a base is made: the shape of its model, and its supervised training."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from tersely.records import JsonObject
from tersely.toy.arithmetic import Style
from tersely.toy.writing import Phase, Writing


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a Qwen2 model with tied embeddings. Example: ``Shape(64, 192, layers=2, heads=4, kv_heads=2)``."""

    hidden: int
    feed_forward: int
    layers: int
    heads: int
    kv_heads: int
    head: int = 32
    """Width of a head."""
    positions: int = 512
    """Tokens of prompt and response together."""


@dataclass(frozen=True, slots=True)
class SftSettings:
    """The recipe of a base. Example: ``SftSettings(seed=0)``, that of arithmetic."""

    seed: int = 0
    practice_steps: int = 608
    """Optimizer steps on short rows (``Phase.PRACTICE``)."""
    straight_steps: int = 400
    """Optimizer steps on whole problems without detours (``Phase.STRAIGHT``)."""
    verbose_steps: int = 1392
    """Optimizer steps on the verbose demonstrations."""
    batch_tokens: int = 1024
    """Tokens of a step, prompt and response, on average."""
    pool_steps: int = 16
    """Steps whose rows are drawn together and sorted by length, so that rows of a pass are about equally long."""
    passes: int = 1
    """Forward passes of a step, each of rows about equally long: more than one mix what a step learns from."""
    learning_rate: float = 5e-3
    warmup_steps: int = 50
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip: float = 1.0
    style: Writing = field(default_factory=Style)
    levels: bool = False
    """A vocabulary with the words of levels of effort; half of the prompts name one, which says nothing there."""
    task: str = "arithmetic"
    """Whose words, shape and gate these are (``reasoners.REASONERS``)."""

    def to_json(self) -> JsonObject:
        """As a run folder keeps them: what is usual leaves no key, so that bases from before it was there go on."""
        usual = {"levels": False, "task": "arithmetic", "passes": 1}
        return {name: value for name, value in asdict(self).items() if name not in usual or usual[name] != value}

    @property
    def steps(self) -> int:
        return self.practice_steps + self.straight_steps + self.verbose_steps

    def phase_at(self, step: int) -> Phase:
        """What a step learns from."""
        if step < self.practice_steps:
            return Phase.PRACTICE
        return Phase.STRAIGHT if step < self.practice_steps + self.straight_steps else Phase.VERBOSE

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then linear decay to zero."""
        return self.learning_rate * min((step + 1) / self.warmup_steps, (self.steps - step) / self.steps)
