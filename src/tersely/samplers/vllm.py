"""Sampling with vLLM in this process: each response is a request of its own, handed on the moment it ends."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from tersely.config import SamplingConfig
from tersely.errors import RunError, UserError
from tersely.models.end_tokens import end_tokens
from tersely.models.first_layers import holds_whole
from tersely.models.memory import Phase
from tersely.models.shares import whole
from tersely.models.text import ResponseText
from tersely.records import Finish, Rollout
from tersely.samplers.base import (
    EngineSpec,
    Finished,
    Progress,
    Prompt,
    SamplerRequest,
    Sampling,
    require_numbers,
    row_seeds,
)
from tersely.samplers.vllm_engine import FALLBACK, Ended, EngineRequest, InProcessEngine, Shapes, VllmEngine
from tersely.samplers.vllm_options import read_options

FINISHES = {"stop": Finish.EOS, "length": Finish.LENGTH, "abort": Finish.ABORTED}

PROMPT_ROOM = 4096
"""Tokens left for the prompt where the longest one is not known."""

OPEN_REQUESTS = 512
"""Given to the engine at once, unless told otherwise; it decodes as many of them as it has room for."""

LEAST_SHARE = 0.25
"""Of the GPU's memory, for weights and cache: below it the cure for lack of memory is not sought here."""

State = Literal["awake", "loaded", "asleep"]


class VllmSampler:
    """The ``Sampler`` protocol on a vLLM engine.

    Of a model whose weights are shared out the first are loaded by ``load_weights``, when every rank has an engine.
    With ``sleeps`` the engine gives its GPU memory back after every ``generate`` until weights are loaded again.

    Log-probabilities are those of softmax(logits / temperature). None are recorded under a top-p cut, which no trainer
    recomputes, and where the engine has them at temperature 1 alone. Seeds make a response the same from call to call;
    bit for bit only where the engine's arithmetic does not depend on the batch, so not in general on a GPU.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        engine: VllmEngine,
        sleeps: bool = False,
        open_requests: int = OPEN_REQUESTS,
    ) -> None:
        self.tokenizer, self.engine, self.sleeps = tokenizer, engine, sleeps
        self.open_requests = open_requests
        self.end_ids = end_tokens(model, tokenizer)
        self.text = ResponseText(tokenizer, self.end_ids)
        self._state: State = "awake"
        self.model: Any = None
        if holds_whole(model):
            self.load_weights(model, 0)

    def load_weights(self, model: Any, version: int) -> None:
        """Push the weights into the engine, in place. All ranks must call it together where they are sharded."""
        check_weights(model, self.engine.shapes)
        if self._state == "asleep":
            self.engine.wake("weights")
            self._state = "loaded"
        self.engine.load(named_weights(model, self.engine.dtype))
        self.model, self.version = model, version

    def close(self) -> None:
        if self.model is not None:
            self.engine.close()
        self.model = None

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_progress: Progress | None = None,
        on_finished: Finished | None = None,
    ) -> list[Rollout]:
        places = [
            replace(prompt, first_sample=prompt.first_sample + i) for prompt in prompts for i in range(sampling.n)
        ]
        requests = zip(places, self._requests(prompts, sampling), strict=True)
        found: dict[tuple[str, int], Rollout] = {}
        with closing(self._flow(requests, sampling)) as flow:
            for ended in flow:
                for rollout in ended:
                    found[rollout.problem_id, rollout.index] = rollout
                    if on_finished is not None:
                        on_finished(rollout)
                if on_progress is not None:
                    on_progress(len(found), len(places))
        return [found[place.problem_id, place.first_sample] for place in places]

    def as_they_end(self, prompts: Iterable[Prompt], sampling: Sampling) -> Generator[Sequence[Rollout], None, None]:
        return self._flow(((prompt, self._requests([prompt], sampling)[0]) for prompt in prompts), sampling)

    def _flow(
        self, requests: Iterable[tuple[Prompt, EngineRequest]], sampling: Sampling
    ) -> Generator[Sequence[Rollout], None, None]:
        """What ended in each engine step; each prompt is that of its one request."""
        self._wake()
        waiting, running = enumerate(requests), dict[int, Prompt]()
        try:
            while True:
                for key, (prompt, request) in islice(waiting, self.open_requests - len(running)):
                    running[key] = prompt
                    self.engine.add(key, request)
                if not running:
                    break
                yield self._step(running, sampling)
        finally:
            # A stop or an error in the midst must not leave requests for the next call.
            if running:
                self.engine.abort(list(running))
        if self.sleeps:
            self.engine.sleep()
            self._state = "asleep"

    def _requests(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[EngineRequest]:
        longest = max((len(p.tokens) for p in prompts), default=0)
        if longest + sampling.max_new_tokens > self.engine.max_length:
            raise UserError(
                f"a prompt of {longest} tokens and {sampling.max_new_tokens} new ones exceed the "
                f"{self.engine.max_length} that vLLM was started for: lower sampling.max_new_tokens or leave the "
                "longest problems out"
            )
        return [
            EngineRequest(
                prompt=prompts[row // sampling.n].tokens,
                # vLLM keeps seeds as signed 64-bit numbers.
                seed=int(seed) >> 1,
                max_tokens=sampling.max_new_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                end_ids=self.end_ids,
            )
            for row, seed in enumerate(row_seeds(prompts, sampling))
        ]

    def _wake(self) -> None:
        if self._state == "asleep":
            self.load_weights(self.model, self.version)
        if self._state == "loaded":
            self.engine.wake("kv_cache")
            self._state = "awake"

    def _step(self, running: dict[int, Prompt], sampling: Sampling) -> list[Rollout]:
        """One engine step; what ended in it is taken out of ``running``."""
        if not self.engine.busy():
            raise RunError(f"vLLM has nothing left to do but {len(running)} responses have not ended: run it again")
        keeps = sampling.top_p == 1.0 and (self.engine.tempered or sampling.temperature == 1.0)
        ended = self.engine.step()
        return [self._rollout(running.pop(one.key), one, keeps) for one in ended]

    def _rollout(self, prompt: Prompt, ended: Ended, keep_logprobs: bool) -> Rollout:
        require_numbers(np.array(ended.logprobs, np.float32))
        if ended.reason not in FINISHES:
            raise RunError(f"vLLM ended a response of problem {prompt.problem_id} for a reason of {ended.reason!r}")
        return Rollout(
            problem_id=prompt.problem_id,
            index=prompt.first_sample,
            prompt_tokens=prompt.tokens,
            tokens=ended.tokens,
            logprobs=ended.logprobs if keep_logprobs else None,
            text=self.text(ended.tokens),
            finish=FINISHES[ended.reason],
            policy_version=self.version,
        )


def named_weights(model: Any, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Name and whole tensor of every weight, one at a time, a tied output layer under its own name too.

    Sharded ones (DTensor) are gathered as they come: a collective, the same on every rank.
    """
    for name, parameter in model.named_parameters(remove_duplicate=False):
        yield name, whole(parameter.detach().to(dtype))


def check_weights(model: Any, shapes: Shapes) -> None:
    """UserError unless the model has exactly these weights: a push that fails halfway leaves an engine without any."""
    here = {name: tuple(p.shape) for name, p in model.named_parameters(remove_duplicate=False)}
    wrong = sorted(name for name in here.keys() | shapes.keys() if here.get(name) != shapes.get(name))
    if wrong:
        name = wrong[0]
        raise UserError(
            f"{len(wrong)} weights of the model are not those that vLLM was started for, such as {name} (shape "
            f"{here.get(name, 'missing')}, vLLM expects {shapes.get(name, 'none')}): start it on the folder of this "
            f"very model, adapters merged, {FALLBACK}"
        )


def available(device_type: str) -> bool:
    """On a GPU alone: its CPU build works, but is not faster than ours."""
    return device_type == "cuda" and find_spec("vllm") is not None


def make(request: SamplerRequest) -> VllmSampler:
    settings = request.settings
    length = settings.max_new_tokens + (PROMPT_ROOM if request.longest_prompt is None else request.longest_prompt)
    positions = getattr(request.model.config, "max_position_embeddings", None)
    engine = InProcessEngine(
        request.folder,
        request.dtype,
        max_length=length if positions is None else min(length, positions),
        max_rows=settings.max_rows,
        memory_share=settings.engine_memory,
        sleeps=settings.engine_sleep,
        device=request.model.device,
        options=settings.engine_options,
    )
    # Twice as many as are decoded: the next ones stand ready.
    return VllmSampler(request.model, request.tokenizer, engine, settings.engine_sleep, 2 * settings.max_rows)


def memory_cure(phase: Phase, settings: SamplingConfig) -> str | None:
    """Its cache is taken beforehand, so what is short is the room beside it."""
    if phase == "sampling" and settings.engine_memory > LEAST_SHARE:
        return f"sampling.engine_memory={settings.engine_memory * 0.8:.2f}"
    if phase == "updating" and not settings.engine_sleep:
        return "sampling.engine_sleep=true"
    return None


SPEC = EngineSpec(make, available, loads_on_cpu=True, streams=True, memory_cure=memory_cure, read_options=read_options)
