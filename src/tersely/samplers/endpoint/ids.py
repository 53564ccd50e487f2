"""Samples to learn from, off a server: ids of the model's own tokenizer go out, and ids that were sampled come back.

Text alone would not do: encoded again it is often cut otherwise than it was sampled, and it holds no end token. vLLM's
server gives ids and log-probabilities of plain completions where it is asked (``return_token_ids``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from tersely.errors import UserError
from tersely.records import Finish, JsonObject, Rollout
from tersely.samplers.base import Sampling
from tersely.samplers.endpoint.address import Endpoint
from tersely.samplers.endpoint.reply import Reply
from tersely.samplers.endpoint.sampler import Asked, EndpointSampler

EXACT = {"return_token_ids": True, "logprobs": 0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""Of every request: ids with their log-probabilities, of the whole distribution whatever the model's folder says."""


class IdsSampler(EndpointSampler):
    """``text`` decodes ids, of which the model has ``size``; ``ends`` are its end tokens. A rollout is as a sampler
    here would give it."""

    def __init__(
        self, endpoint: Endpoint, text: Callable[[Sequence[int]], str], size: int, ends: Collection[int], cap_name: str
    ) -> None:
        super().__init__(replace(endpoint, completions=True), None, True, cap_name)
        self._text, self._size, self._ends = text, size, frozenset(ends)

    def body(self, prompt: tuple[int, ...], sampling: Sampling, seed: int) -> JsonObject:
        streamed = super().body(prompt, sampling, seed)
        return {name: value for name, value in streamed.items() if not name.startswith("stream")} | EXACT

    def _rollout(self, one: Asked, reply: Reply) -> Rollout:
        """UserError where the ids are not there, or end otherwise than the model's responses do."""
        url = self.endpoint.url
        if reply.ids is None or reply.logprobs is None or len(reply.logprobs) != len(reply.ids):
            raise UserError(
                f"{url} gives no ids of the tokens that it samples, and a text encoded again is not what was sampled: "
                "serve the model with vLLM (return_token_ids), or sample from its folder, without --endpoint"
            )
        if reply.tokens is not None and reply.tokens != len(reply.ids):
            raise UserError(f"{url} counts {reply.tokens} tokens of a response and gives {len(reply.ids)} ids of it")
        if not all(0 <= token < self._size for token in reply.ids):
            raise UserError(
                f"{url} samples token {max(reply.ids)}, and the model of --model has {self._size}: serve the very "
                "folder that --model names"
            )
        if reply.finish is Finish.EOS and (not reply.ids or reply.ids[-1] not in self._ends):
            raise UserError(
                f"{url} ended a response by a token that is none of the model's end tokens: serve the very folder that "
                "--model names, without stop words"
            )
        # What a server reports is the model's own distribution, whatever the temperature.
        drawn = one.body["temperature"] == 1.0
        return Rollout(
            problem_id=one.problem_id,
            index=one.index,
            prompt_tokens=one.prompt,
            tokens=reply.ids,
            logprobs=reply.logprobs if drawn else None,
            text=self._text(reply.ids),
            finish=reply.finish,
            policy_version=0,
        )
