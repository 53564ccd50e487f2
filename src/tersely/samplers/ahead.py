"""A sampler that is told beforehand of all that it will be asked for, so that its engine stays full between calls.

Who asks for one block of problems after another waits at the end of each for its longest response, while the engine
decodes almost nothing. Here the engine goes on with what comes later; what ends before it is asked for waits as one
line of JSON, which a log may keep on the disk: then nothing that has ended is lost by a kill.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from tersely.records import Finish, Json, JsonObject, Rollout
from tersely.runs.ended import EndedLog
from tersely.samplers.base import Finished, Progress, Prompt, Refilling, Sampling

Place = tuple[str, int]
"""Problem and sample."""


class Ahead:
    """The ``Sampler`` protocol for ``prompts`` (a response each, in the order in which they will be asked for).

    ``there``: lines that were kept before; those that are of the same weights (``mark``), prompts and sampling are not
    sampled again. New ones go to ``log``. Log-probabilities are dropped unless ``with_logprobs``.
    """

    def __init__(
        self,
        sampler: Refilling,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        mark: str,
        there: Iterable[Json] = (),
        log: EndedLog | None = None,
        with_logprobs: bool = False,
    ) -> None:
        alone = replace(sampling, n=1)
        self._keys = {(p.problem_id, p.first_sample): _key(p, alone, mark) for p in prompts}
        places = {key: place for place, key in self._keys.items()}
        self._waiting = {places[line["key"]]: json.dumps(line) for line in there if _is_ours(line, places)}
        self._ended, self._log, self._with_logprobs = len(self._waiting), log, with_logprobs
        missing = [p for p in prompts if (p.problem_id, p.first_sample) not in self._waiting]
        self._flow = sampler.as_they_end(missing, alone)

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_progress: Progress | None = None,
        on_finished: Finished | None = None,
    ) -> list[Rollout]:
        """As the protocol says; each response can be asked for once. ``on_progress`` is told of all that will be
        asked for, after each decode step."""
        wanted = {(p.problem_id, p.first_sample + i): p for p in prompts for i in range(sampling.n)}
        found: dict[Place, Rollout] = {}
        fresh = [place for place in wanted if place in self._waiting]
        while True:
            for place in fresh:
                found[place] = _rollout(wanted[place], place, json.loads(self._waiting.pop(place)))
                if on_finished is not None:
                    on_finished(found[place])
            if len(found) == len(wanted):
                return [found[place] for place in wanted]
            fresh = [place for place in self._step(on_progress) if place in wanted]

    def finish(self, on_progress: Progress | None, stop: Callable[[], bool]) -> None:
        """Sample all that is missing, or what ends before ``stop`` says so."""
        while self._ended < len(self._keys) and not stop():
            self._step(on_progress)
        self._flush()

    def load_weights(self, model: Any, version: int) -> None:
        raise ValueError("responses of other weights lie ahead")

    def close(self) -> None:
        """What has not ended is given up, what has is in the log; the sampler is the caller's."""
        self._flush()  # before an engine that died may refuse to be closed
        self._flow.close()

    def _flush(self) -> None:
        if self._log is not None:
            self._log.flush()

    def _step(self, on_progress: Progress | None) -> list[Place]:
        """Where the responses belong that ended in one decode step."""
        ended = next(self._flow, None)
        if ended is None:
            raise ValueError("a response was asked for that was not told of, or twice")
        places = [(rollout.problem_id, rollout.index) for rollout in ended]
        lines = [self._line(self._keys[place], rollout) for place, rollout in zip(places, ended, strict=True)]
        self._waiting |= {place: json.dumps(line) for place, line in zip(places, lines, strict=True)}
        if self._log is not None:
            self._log.append(lines)
        self._ended += len(ended)
        if on_progress is not None:
            on_progress(self._ended, len(self._keys))
        return places

    def _line(self, key: str, rollout: Rollout) -> JsonObject:
        line = {"key": key, "finish": rollout.finish, "tokens": rollout.tokens, "text": rollout.text}
        return {**line, "logprobs": rollout.logprobs} if self._with_logprobs else line


def _key(prompt: Prompt, sampling: Sampling, mark: str) -> str:
    """What a kept response is known by: whose it is and all that was asked."""
    asked = f"{mark} {sampling} {prompt.tokens}"
    digest = hashlib.blake2b(asked.encode(), digest_size=8).hexdigest()
    return f"{prompt.problem_id}/{prompt.first_sample}/{digest}"


def _is_ours(line: Json, keys: Collection[str]) -> bool:
    """Whether it is a response to what is asked, as ``Ahead`` writes one."""
    tokens, logprobs = line.get("tokens"), line.get("logprobs")
    if not isinstance(tokens, list) or any(type(token) is not int for token in tokens):
        return False
    if logprobs is not None and (not isinstance(logprobs, list) or list(map(type, logprobs)) != [float] * len(tokens)):
        return False
    return isinstance(line.get("text"), str) and line.get("finish") in list(Finish) and line.get("key") in keys


def _rollout(prompt: Prompt, place: Place, line: Json) -> Rollout:
    tokens, finish, logprobs = tuple(line["tokens"]), Finish(line["finish"]), line.get("logprobs")
    return Rollout(
        *place,
        prompt_tokens=prompt.tokens,
        tokens=tokens,
        logprobs=None if logprobs is None else tuple(logprobs),
        text=line["text"],
        finish=finish,
        policy_version=0,
    )
