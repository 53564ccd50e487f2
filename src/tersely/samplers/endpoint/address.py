"""Which server, which model on it, and what every request says besides the prompt."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tersely.errors import UserError
from tersely.frozen import FrozenMapping, freeze_mapping, thaw
from tersely.records import NOTHING, JsonObject

KEYS = ("TERSELY_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key, the first that is set. It goes into one header and nowhere else."""

CHAT, COMPLETIONS = "/chat/completions", "/completions"
_SECRET = re.compile(r"api.?key|authorization|password|secret|(access|auth|bearer|hf).?token", re.IGNORECASE)
SAID: Mapping[str, str] = {
    "model": "--model", "messages": "--task", "prompt": "--task", "n": "--k", "seed": "--seed",
    "max_tokens": "--max-new-tokens", "max_completion_tokens": "--max-new-tokens", "temperature": "--temperature",
    "top_p": "--top-p",
}  # fmt: skip
"""Fields that say the protocol, by the option that decides them: another value would be measured under a false name."""
_PATHS = (CHAT, COMPLETIONS, "/models")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind an address. Made by ``endpoint_at``, which refuses what is no address.

    Example: ``endpoint_at("http://127.0.0.1:8000/v1", "qwen3-8b", options={"reasoning_effort": "low"})``
    """

    url: str
    """Up to ``/v1``, without the slash at its end."""
    model: str
    options: Mapping[str, Any] = field(default_factory=lambda: NOTHING, hash=False)
    """Further fields of every request; None leaves out one that would be sent."""
    system: str | None = None
    """The system prompt of every request."""
    completions: bool = False
    """Plain completions of our own rendered prompt, for base models; else chat completions."""
    tokenizer: str | None = None
    """Folder of the model's tokenizer, if it is at hand: counts where the server does not, and renders prompts."""
    concurrency: int = 64
    """Requests under way at once."""
    timeout: float = 600.0
    """Seconds without a byte after which a request has failed."""
    retries: int = 6
    """Further tries of a request that failed by no fault of its own."""
    pause: float = 1.0
    """Seconds before the first further try; each later one waits twice as long."""

    def __post_init__(self) -> None:
        _require_options(self.options)

    @property
    def path(self) -> str:
        return COMPLETIONS if self.completions else CHAT

    @property
    def label(self) -> str:
        """What the model is called by: the last part of its name."""
        last = self.model.rstrip("/").rpartition("/")[2]
        return "".join(c if c.isalnum() or c in "._-" else "-" for c in last).lstrip(".-") or "model"

    def identity(self, reported: str) -> JsonObject:
        """What decides whose responses they are: not the address, so that a server may move, and not the key."""
        said = {"model": self.model, "reported": reported, "api": self.path.strip("/"), "options": thaw(self.options)}
        return said | ({} if self.system is None else {"system": self.system})


def endpoint_at(
    url: str,
    model: str,
    *,
    options: Mapping[str, Any] = NOTHING,
    system: str | None = None,
    completions: bool = False,
    tokenizer: str | Path | None = None,
    concurrency: int = 64,
    timeout: float = 600.0,
    retries: int = 6,
    pause: float = 1.0,
) -> Endpoint:
    """A model behind an OpenAI-compatible server, in place of a model's folder; nothing is asked yet.

    ``url`` up to ``/v1``; ``model`` as the server calls it; the key stands in the environment (TERSELY_API_KEY or
    OPENAI_API_KEY). ``options`` are sent with every request, ``system`` is the system prompt of every one.
    ``completions`` sends our own prompt instead of a chat; ``tokenizer`` is the folder of the model's own, which counts
    where the server does not. ``concurrency`` requests at once; one that is silent for ``timeout`` seconds has failed,
    and is tried ``retries`` more times, first after ``pause`` seconds. UserError for an address that is none or holds
    a key.
    """
    _require_address(url)
    if not model.strip():
        raise UserError("--model is empty: give the name under which the server serves the model")
    frozen = options if isinstance(options, FrozenMapping) else freeze_mapping(options, "options")
    for name, value, least in (("concurrency", concurrency, 1), ("retries", retries, 0)):
        if value < least:
            raise UserError(f"--{name} is {value}: it must be at least {least}")
    if not timeout > 0:
        raise UserError(f"--timeout is {timeout:g}: a server needs some seconds to answer")
    bare = url.rstrip("/")
    for path in _PATHS:
        bare = bare.removesuffix(path)
    own = None if tokenizer is None else str(tokenizer)
    return Endpoint(bare.rstrip("/"), model, frozen, system, completions, own, concurrency, timeout, retries, pause)


def _require_options(options: Mapping[str, Any]) -> None:
    """UserError for what would be written into logs and must not, and for what the protocol says otherwise."""
    if secret := next(filter(_SECRET.search, _names(options)), None):
        raise UserError(
            f"the option {secret!r} looks like a key, which would be written into logs: set {KEYS[0]} instead"
        )
    if field := next((name for name in SAID if options.get(name) is not None), None):
        raise UserError(
            f"the option {field!r} is a part of the protocol, which is recorded with every number: give it by "
            f"{SAID[field]} ({field}=none leaves the field out)"
        )
    if options.get("echo"):
        raise UserError(
            "the option 'echo' has the prompt repeated in every response, where it would be judged as if the model had "
            "said it: leave it out"
        )


def _names(value: Any) -> Iterator[str]:
    """Of all objects within one another."""
    if isinstance(value, Mapping):
        yield from value
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for one in inside:
        yield from _names(one)


def _require_address(url: str) -> None:
    if not _is_address(url):
        raise UserError(f"--endpoint {url!r} is no address: give one such as http://127.0.0.1:8000/v1")
    parts = urlsplit(url)
    if parts.username is not None or parts.query or parts.fragment:
        raise UserError(
            "--endpoint holds more than an address, which would be written into logs: give it up to /v1, and the key "
            f"in the environment as {KEYS[0]}"
        )


def api_key() -> str | None:
    """The key, from the environment; UserError for one that no header can hold (it is not shown)."""
    name = next((name for name in KEYS if os.environ.get(name, "").strip()), None)
    if name is None:
        return None
    key = os.environ[name].strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UserError(f"{name} holds a blank or a character that no key has: set it to the key alone")
    return key


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        return False
