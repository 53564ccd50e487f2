"""The sampler protocol, how an engine declares itself, and the randomness that all share (no torch here)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tersely.config import SamplingConfig
from tersely.errors import RunError, UserError
from tersely.models.memory import Phase
from tersely.records import Rollout
from tersely.samplers.decoding import Decoding

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]
"""Called with (responses finished, responses asked for)."""

Finished = Callable[[Rollout], None]
"""Called with each response as it ends, while others are still decoded; what it does delays them."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt. ``first_sample`` numbers the siblings, so that a later call can go on where one stopped."""

    problem_id: str
    tokens: tuple[int, ...]
    first_sample: int = 0


@dataclass(frozen=True, slots=True)
class Sampling:
    """How responses are drawn. ``temperature`` 0 is greedy; ``top_p`` below 1 cuts the tail of the distribution.

    Example: ``Sampling(n=8, temperature=1.0, top_p=1.0, max_new_tokens=32000, seed=7)``
    """

    n: int
    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    decoding: Decoding | None = None
    """What is done while decoding; only engines whose ``EngineSpec`` names the option can be asked for it."""

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UserError(f"n is {self.n}: at least one response a prompt must be sampled")
        if self.max_new_tokens < 1:
            raise UserError(f"max_new_tokens is {self.max_new_tokens}: a response needs room for at least one token")
        if not 0.0 <= self.temperature < float("inf"):
            raise UserError(f"temperature is {self.temperature}: it must be 0 (greedy) or a positive number")
        if self.temperature == 0.0 and self.n > 1:
            raise UserError(f"temperature 0 gives {self.n} equal responses: use n=1, or a temperature above 0")
        if not 0.0 < self.top_p <= 1.0:
            raise UserError(f"top_p is {self.top_p}: it must lie in (0, 1]; 1 keeps the whole distribution")


class Sampler(Protocol):
    """Draws responses and takes new weights."""

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_progress: Progress | None = None,
        on_finished: Finished | None = None,
    ) -> list[Rollout]:
        """``sampling.n`` rollouts a prompt, prompt by prompt in the order given, siblings in order of index."""

    def load_weights(self, model: Any, version: int) -> None:
        """Sample from these weights from now on; ``version`` goes into every rollout."""

    def close(self) -> None:
        """Give back what is held (memory, processes)."""


@runtime_checkable
class Refilling(Protocol):
    """What a sampler can do besides that starts the next response in the place of one that has ended, so that it is
    full while any are left: ``samplers.ahead`` keeps it so across calls."""

    def as_they_end(self, prompts: Iterable[Prompt], sampling: Sampling) -> Generator[Sequence[Rollout], None, None]:
        """One response with its sampled ids to each prompt (``sampling.n`` is 1): after each decode step those that
        ended in it, perhaps none. ``prompts`` are read as there is room for them. Closed early, it leaves nothing
        behind."""


def close_after(used: Sampler, given: Sampler | None = None) -> AbstractContextManager[object]:
    """Gives back what a sampler of ours holds however the work ends, for a notebook lives on; ``given`` is the
    caller's own, who closes it himself."""
    return closing(used) if given is None else nullcontext()


@contextmanager
def closed_if_refused(sampler: Sampler) -> Iterator[None]:
    """Gives back what a sampler holds where what is asked of it inside cannot be."""
    try:
        yield
    except BaseException:
        sampler.close()
        raise


@dataclass(frozen=True, slots=True)
class SamplerRequest:
    """Everything an engine may need to start."""

    settings: SamplingConfig
    model: Any
    """A transformers model: sample from its weights."""
    tokenizer: Any
    folder: Path
    """Holds the model's configuration."""
    dtype: torch.dtype
    """To sample in, whatever the model's own."""
    longest_prompt: int | None = None
    """In tokens, where it is known."""


def always(device_type: str) -> bool:
    return True


def no_cure(phase: Phase, settings: SamplingConfig) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class EngineTraits:
    """What an engine's options make of it, as far as others must know."""

    less_precise: str | None = None
    """The option by which it samples from less precise weights, or keeps a less precise cache, than the model's."""
    processes: int = 1
    """Neighbouring ones that decode the same responses together."""


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """All that is known of an engine outside its own file. Its name is that of its line in ``engines.ENGINES``.

    Example: ``EngineSpec(make=lambda request: MySampler(request.model, request.tokenizer))``
    """

    make: Callable[[SamplerRequest], Sampler]
    """UserError, in a sentence, where it cannot start."""
    available: Callable[[str], bool] = always
    """Whether "auto" may take it on a device of this type ("cuda", "cpu"): installed, and at its best there."""
    loads_on_cpu: bool = False
    """It holds its own copy of the weights on the device, so that a model that is not trained beside it can stay in
    main memory."""
    streams: bool = False
    """It takes weights that are shared out among processes, whole tensor after whole tensor, into memory of its own; it
    starts without any. Others are given a whole model in each process."""
    bit_exact: bool = False
    """Its responses are, bit by bit, those of the ``transformers`` engine: results need not name it."""
    decodes: frozenset[str] = frozenset()
    """Decoding options (``samplers.decoding.OPTIONS``) that it can be asked for."""
    memory_cure: Callable[[Phase, SamplingConfig], str | None] = no_cure
    """Where memory ran out in this phase of training: the setting of its own to change ("section.key=value"), if any
    is left. Followed again and again it must come to None."""
    read_options: Callable[[Mapping[str, Any]], EngineTraits] | None = None
    """What ``sampling.engine_options`` make of it; UserError for one that it does not know. None: it has no options."""


def require_numbers(logprobs: NDArray[np.float32]) -> None:
    """RunError where a token was drawn from what is no distribution."""
    if not np.isfinite(logprobs).all():
        raise RunError(
            "the model's logits are not numbers (NaN or infinite) while sampling, so what it would say means nothing: "
            "its weights are damaged or its type is too small; sample in float32, or take another checkpoint"
        )


def row_seeds(prompts: Sequence[Prompt], sampling: Sampling) -> NDArray[np.uint64]:
    """[B] one 64-bit seed a response: a function of (seed, problem, sample) alone.

    So a response does not depend on which others share its batch, nor on where an interrupted run was cut.
    """
    seeds = [
        hashlib.blake2b(f"{sampling.seed}/{p.problem_id}/{p.first_sample + i}".encode(), digest_size=8).digest()
        for p in prompts
        for i in range(sampling.n)
    ]
    return np.frombuffer(b"".join(seeds), dtype="<u8").copy()


def uniforms(seeds_B: NDArray[np.uint64], start: int, count: int) -> NDArray[np.float64]:
    """[B, count] numbers in [0, 1) for decode steps start .. start+count-1 of each row's own stream.

    SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"), read at any position:
    the state of step t is seed + (t + 1) * golden gamma.
    """
    steps = np.arange(start + 1, start + count + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = seeds_B[:, None] + steps[None, :] * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    mantissas: NDArray[np.float64] = (z >> np.uint64(11)).astype(np.float64)
    return mantissas * 2.0**-53
