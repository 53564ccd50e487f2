"""What can be found out about a server before anything is sampled: whether it serves the model, and how it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

from tersely.errors import UserError, nearest
from tersely.records import Json
from tersely.samplers.base import Sampling
from tersely.samplers.endpoint.address import Endpoint
from tersely.samplers.endpoint.reply import Reply
from tersely.samplers.endpoint.sampler import Count, EndpointSampler, counted
from tersely.samplers.endpoint.wire import Denied, Wire

CAP_NAMES = ("max_tokens", "max_completion_tokens")
"""What servers call the most tokens of a response: the common name, and OpenAI's for models that reason."""
LOOK_TOKENS = 16
"""Of the one request that is made to see whether its kind is taken."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found. Example: ``Looked("qwen3-8b", "max_tokens", room=40960)``"""

    reported: str
    """What the server calls the model that answers."""
    cap_name: str
    room: int | None
    """Tokens of prompt and response together, where the server tells."""
    prompt_tokens: int | None
    """Of the prompt that was tried."""

    def require_room(self, cap: int) -> None:
        """UserError where a response of ``cap`` tokens has no room behind the prompt that was tried."""
        used = self.prompt_tokens or 1
        if self.room is not None and used + cap > self.room:
            left = f"at most {self.room - used}" if self.room > used else "a shorter prompt"
            raise UserError(
                f"the server has room for {self.room} tokens of prompt and response together, which a prompt of {used} "
                f"and --max-new-tokens {cap} exceed: give {left}, or serve the model with more"
            )


def look(endpoint: Endpoint, prompt: tuple[int, ...], sampling: Sampling, count: Count | None, ids: bool) -> Looked:
    """Ask which models are served, then for a few tokens with everything that will be sent.

    UserError for no server, a key that is refused, a model that is not served (it lists those that are), a request
    that is not taken, and counts that nobody can give.
    """
    wire = Wire(endpoint)
    room = _room(wire, endpoint, ids)
    few = Sampling(1, min(LOOK_TOKENS, sampling.max_new_tokens), sampling.temperature, sampling.top_p)
    reply, cap_name = _first_reply(wire, endpoint, prompt, few, ids)
    counted(reply, count, endpoint)
    return Looked(reply.model or endpoint.model, cap_name, room, reply.prompt_tokens)


def _room(wire: Wire, endpoint: Endpoint, ids: bool) -> int | None:
    """Of the model among those served; None where the server does not tell."""
    try:
        found = wire.get("/models")
    except Denied as denied:
        if denied.status in (401, 403):
            raise wire.denied(denied) from denied
        if not endpoint.url.endswith("/v1"):
            raise UserError(
                f"{endpoint.url} has no list of models ({denied.status}): such servers answer beneath /v1, so give "
                f"--endpoint {endpoint.url}/v1"
            ) from denied
        found = None  # some servers list none: the first request will tell
    listed = None if found is None else found.get("data")
    served = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return _room_of(served, endpoint, ids)


def _room_of(served: Sequence[Json], endpoint: Endpoint, ids: bool) -> int | None:
    """UserError where the model is not among those that are served. A path is not looked for but where ids are sent:
    `transformers serve`, which takes none, lists only what came from the hub."""
    mine = next((one for one in served if one.get("id") == endpoint.model), None)
    if mine is None and served and (ids or not endpoint.model.startswith(("/", "."))):
        names = [str(one.get("id")) for one in served]
        listed = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        raise UserError(
            f"{endpoint.url} serves no model {endpoint.model!r}{nearest(endpoint.model, names)}: name one of those "
            f"that it serves with --model (baseline samples: --served-as): {listed}"
        )
    room = None if mine is None else mine.get("max_model_len")
    return room if type(room) is int and room > 0 else None


def _first_reply(
    wire: Wire, endpoint: Endpoint, prompt: tuple[int, ...], few: Sampling, ids: bool
) -> tuple[Reply, str]:
    """The reply to a short request, and the name of the cap under which it was taken."""
    refused: Denied | None = None
    for name in CAP_NAMES:
        body = EndpointSampler(endpoint, None, ids, name).body(prompt, few, seed=0)
        try:
            return wire.post(body, Event(), begun=False), name
        except Denied as denied:
            refused = refused or denied
            if CAP_NAMES[1] not in denied.reason:
                break
    assert refused is not None
    raise wire.denied(refused) from refused
