"""What responses are sampled from, as evaluations see it: a model folder on this machine, or a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tersely.evaluation.thinking import ThinkingCounter
from tersely.facts import Facts
from tersely.models.agreement import ModelCheck
from tersely.models.text import ResponseText
from tersely.opened import open_model, sampling_alone
from tersely.records import LengthSource, Rollout
from tersely.rollouts import Reading
from tersely.runs.folder import RunFolder
from tersely.samplers import Sampler
from tersely.samplers.endpoint import Endpoint
from tersely.samplers.endpoint.kept import keep_replies
from tersely.samplers.endpoint.look import Looked
from tersely.samplers.endpoint.sampler import Count, EndpointSampler
from tersely.samplers.engines import ENDPOINT

Model = Path | Endpoint
"""What a caller names to be measured."""

Prompts = Iterable[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Ready:
    """What samples, and what was compared before it did."""

    sampler: Sampler
    reading: Reading
    thinking: Callable[[Rollout], int | None]
    """Tokens of a response that are thinking; None where nobody can say."""
    check: ModelCheck | None = None
    """None where there is nothing to compare: a server's weights are its own."""

    def take_up(self, run: RunFolder) -> bool:
        """Go on with the replies that the folder keeps, and keep new ones there, where the sampler does that: then it
        can be stopped between any two responses."""
        return keep_replies(self.sampler, run)


class Source(Protocol):
    """A model that can be opened; what can be refused about it has been looked at."""

    @property
    def engine(self) -> str: ...

    @property
    def tokenizer(self) -> Any:
        """That writes prompts."""

    @property
    def blocks(self) -> int:
        """Of ``max_rows`` responses to judge and write at once."""

    def ready(self, prompts: Prompts, cap: int, max_rows: int, sampler: Sampler | None = None) -> Ready:
        """Opened for these prompts; ``sampler`` is a caller's own, in place of the engine's."""


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Weights on this machine."""

    weights: Path
    facts: Facts
    tokenizer: Any
    blocks: int = 1

    @property
    def engine(self) -> str:
        return self.facts.engine

    def ready(self, prompts: Prompts, cap: int, max_rows: int, sampler: Sampler | None = None) -> Ready:
        opened = open_model(self.weights, self.facts, self.tokenizer)
        if sampler is None:
            sampler, check = opened.make_sampler(sampling_alone(cap, max_rows, self.facts.options), prompts)
        else:
            check = opened.check()

        return Ready(sampler, ResponseText(opened.tokenizer), ThinkingCounter(opened.tokenizer), check)


@dataclass(frozen=True, slots=True)
class ServedSource:
    """A server that was looked at."""

    endpoint: Endpoint
    looked: Looked
    tokenizer: Any
    """The model's own where it writes the prompts, else ``Characters``."""
    own: Any | None
    """The model's own tokenizer, where it was given."""
    ids: bool
    """Whether prompts are ids of the model's own tokenizer, else characters."""
    opens: bool
    """Whether every prompt opens a thought, as far as the tokenizer tells."""

    engine: str = ENDPOINT
    blocks: int = 2**20
    """All at once: each reply is kept the moment it comes."""

    def ready(self, prompts: Prompts, cap: int, max_rows: int, sampler: Sampler | None = None) -> Ready:
        made = sampler or self.sampler()
        return Ready(made, Opens(self.opens), self._thinking)

    def sampler(self) -> EndpointSampler:
        return EndpointSampler(self.endpoint, counter_of(self.own), self.ids, self.looked.cap_name)

    def _thinking(self, rollout: Rollout) -> int | None:
        """As the server counts it; by the tokenizer only where that counts the whole response too."""
        served = rollout.served
        if rollout.length_source is LengthSource.RETOKENISED and self.own is not None:
            ids = self.own.encode(rollout.text, add_special_tokens=False)
            return ThinkingCounter(self.own).count((), ids, rollout.text)
        return None if served is None else served.reasoning_tokens


@dataclass(frozen=True, slots=True)
class Opens:
    """The same for every prompt."""

    opened: bool

    def opens_thinking(self, prompt: Sequence[int]) -> bool:
        return self.opened


def counter_of(tokenizer: Any | None) -> Count | None:
    """Tokens of a text; None without a tokenizer."""
    return None if tokenizer is None else lambda text: len(tokenizer.encode(text, add_special_tokens=False))
