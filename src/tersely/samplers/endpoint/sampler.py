"""The ``Sampler`` protocol on a server: one request a response, each reply kept the moment it is whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from tersely.errors import UserError
from tersely.frozen import canonical, thaw
from tersely.records import Json, JsonObject, LengthSource, Rollout
from tersely.samplers.base import Finished, Progress, Prompt, Sampling, row_seeds
from tersely.samplers.endpoint.address import Endpoint
from tersely.samplers.endpoint.reply import Reply
from tersely.samplers.endpoint.threads import Crew
from tersely.samplers.endpoint.wire import Denied, Wire
from tersely.served import Served

SEED_BITS = 31
"""Of a request's seed: what every server takes."""

ONLY_SAMPLES = (
    "the endpoint engine only samples: a server takes no weights, so nothing can be trained with it; train with vllm "
    "or transformers, and measure with `tersely evaluate --endpoint URL --model NAME`"
)

Count = Callable[[str], int]
"""Tokens of a text by a tokenizer at hand."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One response that is wanted."""

    place: int
    problem_id: str
    index: int
    prompt: tuple[int, ...]
    body: JsonObject

    @property
    def key(self) -> str:
        """What a kept reply is known by: the response and all that was asked, but for whom."""
        digest = hashlib.blake2b(canonical(self.body).encode(), digest_size=8).hexdigest()
        return f"{self.problem_id}/{self.index}/{digest}"


class EndpointSampler:
    """Samples from a server. ``count`` takes the place of the server's own counts where it gives none; ``ids``: the
    prompts are ids of the model's own tokenizer and are sent as they are, else they are characters; ``cap_name`` is
    what the server calls the most tokens of a response."""

    def __init__(
        self, endpoint: Endpoint, count: Count | None = None, ids: bool = False, cap_name: str = "max_tokens"
    ) -> None:
        self.endpoint, self.count, self.ids, self.cap_name = endpoint, count, ids, cap_name
        self._wire = Wire(endpoint)
        self._kept: dict[str, Reply] = {}
        self._keep: Callable[[JsonObject], None] = lambda line: None

    def keep(self, there: Iterable[Json], append: Callable[[JsonObject], None]) -> None:
        """Replies that are ``there`` are not asked for again; each new one is handed to ``append`` at once."""
        self._kept = {line["key"]: Reply.from_json(line["reply"]) for line in there}
        self._keep = append

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_progress: Progress | None = None,
        on_finished: Finished | None = None,
    ) -> list[Rollout]:
        """As the protocol says. RunError where the server goes away, UserError where it refuses a request or neither
        it nor we can count; replies that were kept before stay kept. ``on_progress`` is called while waiting, too."""
        asked = self._asked(prompts, sampling)
        found = {one.place: self._rollout(one, self._kept[one.key]) for one in asked if one.key in self._kept}
        missing = [one for one in asked if one.place not in found]
        if on_finished is not None:
            for rollout in found.values():
                on_finished(rollout)
        crew = Crew(missing, self._ask, self.endpoint.concurrency)
        try:
            for ended in crew.results():
                if ended is not None:
                    one, reply = ended
                    found[one.place] = self._rollout(one, reply)
                    self._keep(_line(one, reply))
                    if on_finished is not None:
                        on_finished(found[one.place])
                if on_progress is not None:
                    on_progress(len(found), len(asked))
        finally:
            for one, reply in crew.stop():
                self._keep(_line(one, reply))
        return [found[one.place] for one in asked]

    def load_weights(self, model: Any, version: int) -> None:
        raise UserError(ONLY_SAMPLES)

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _asked(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Asked]:
        places = [(prompt, prompt.first_sample + i) for prompt in prompts for i in range(sampling.n)]
        seeds = [int(seed) >> (64 - SEED_BITS) for seed in row_seeds(prompts, sampling)]
        return [
            Asked(place, prompt.problem_id, index, prompt.tokens, self.body(prompt.tokens, sampling, seed))
            for place, ((prompt, index), seed) in enumerate(zip(places, seeds, strict=True))
        ]

    def body(self, prompt: tuple[int, ...], sampling: Sampling, seed: int) -> JsonObject:
        """The request. All of the protocol is said, because a server's defaults are its own; options come last."""
        endpoint = self.endpoint
        said: dict[str, Any] = {"model": endpoint.model}
        text = "" if self.ids else "".join(map(chr, prompt))
        if endpoint.completions:
            said["prompt"] = list(prompt) if self.ids else text
        else:
            system = [] if endpoint.system is None else [{"role": "system", "content": endpoint.system}]
            said["messages"] = [*system, {"role": "user", "content": text}]
        said |= {self.cap_name: sampling.max_new_tokens, "temperature": sampling.temperature, "top_p": sampling.top_p}
        if sampling.temperature > 0:
            said["seed"] = seed
        said |= {"stream": True, "stream_options": {"include_usage": True}, **thaw(endpoint.options)}
        if not said["stream"]:
            del said["stream_options"]
        return {name: value for name, value in said.items() if value is not None}

    def _ask(self, one: Asked, stop: Event) -> Reply:
        try:
            return self._wire.post(one.body, stop)
        except Denied as denied:
            raise self._wire.denied(denied) from denied

    def _rollout(self, one: Asked, reply: Reply) -> Rollout:
        tokens, source = counted(reply, self.count, self.endpoint)
        return Rollout(
            problem_id=one.problem_id,
            index=one.index,
            prompt_tokens=one.prompt,
            tokens=(),
            logprobs=None,
            text=reply.text,
            finish=reply.finish,
            policy_version=0,
            length_source=source,
            counted=tokens,
            served=Served(reply.seconds, reply.first_token_s, reply.prompt_tokens, reply.reasoning_tokens),
        )


def _line(one: Asked, reply: Reply) -> JsonObject:
    return {"key": one.key, "reply": reply.to_json()}


def counted(reply: Reply, count: Count | None, endpoint: Endpoint) -> tuple[int, LengthSource]:
    """How long a reply is, and who says so. UserError where nobody can."""
    if reply.tokens or (reply.tokens == 0 and not reply.text):
        return reply.tokens, LengthSource.USAGE
    if count is not None:
        return count(reply.text), LengthSource.RETOKENISED
    raise UserError(
        f"{endpoint.url} does not say how many tokens its responses have (no usage), and nothing is invented: give the "
        "model's tokenizer, --tokenizer FOLDER, and they are counted by encoding the text again"
    )
