"""What a server answered to one request, read from a stream of events or from one JSON object."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tersely.records import Finish, Json, JsonObject
from tersely.served import with_thinking

FINISHES: Mapping[str, Finish] = {"stop": Finish.EOS, "length": Finish.LENGTH}
"""Any other reason (a content filter, a call of a tool) ended a response that is none of its own accord."""

THINKING = ("reasoning", "reasoning_content")
"""Where servers with a parser of their own put the thinking: vLLM's and OpenRouter's name, and the older one."""

OF_IDS = ("ids", "logprobs")
DETAILS = "completion_tokens_details"
END = b"data: [DONE]"
BATCH = 2**16
"""Bytes of a stream that are read at once, behind the first text."""


class Broken(ValueError):  # noqa: N818 - one try; the caller may have more
    """An answer that is not whole, or no answer of such a server at all: another try may bring a better one."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One response as it came. Example: ``Reply("2", "1+1", "stop", "qwen3", 12, 9, 61, seconds=0.8)``"""

    content: str
    thinking: str
    """What came in a field of its own; empty where the content holds all."""
    finish_reason: str
    model: str
    """As the server names the one that answered."""
    tokens: int | None
    """Of the response, thinking included, as the server counts them."""
    reasoning_tokens: int | None
    prompt_tokens: int | None
    seconds: float
    first_token_s: float | None = None
    ids: tuple[int, ...] | None = None
    """Sampled token ids, where they were asked for and given."""
    logprobs: tuple[float, ...] | None = None
    """Of ``ids``."""

    @property
    def finish(self) -> Finish:
        return FINISHES.get(self.finish_reason, Finish.ABORTED)

    @property
    def text(self) -> str:
        """The response as the model wrote it: thinking between its marks, closed unless the cap came first."""
        if not self.thinking:
            return self.content
        closed = self.content or self.finish is Finish.EOS
        return f"<think>{self.thinking}{'</think>' if closed else ''}{self.content}"

    def to_json(self) -> JsonObject:
        """Ids only where there are some."""
        return {name: v for name, v in asdict(self).items() if v is not None or name not in OF_IDS}

    @classmethod
    def from_json(cls, line: Json) -> Reply:
        """What ``to_json`` wrote; TypeError for anything else."""
        return cls(**{**line, **{name: tuple(line[name]) for name in OF_IDS if name in line}})


@dataclass(slots=True)
class _Gathered:
    """What was read so far."""

    content: str = ""
    thinking: str = ""
    finish_reason: str | None = None
    model: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    first: float | None = None
    ended: bool = False
    """A stream has said so."""
    ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None

    def take(self, chunk: Json, at: float) -> None:
        """One event, or the whole answer."""
        if "error" in chunk:
            raise Broken(f"the server reports {said(chunk)}")
        self.model = _word(chunk.get("model")) or self.model
        self.usage = _object(chunk.get("usage")) or self.usage
        _object(self.usage.get(DETAILS))
        for choice in chunk.get("choices") or ():
            part = choice.get("delta") or choice.get("message") or {}
            content = choice.get("text") or part.get("content") or ""
            thinking = next((part[name] for name in THINKING if part.get(name)), "")
            if (content or thinking) and self.first is None:
                self.first = at
            self.content += content
            self.thinking += thinking
            self.finish_reason = _word(choice.get("finish_reason")) or self.finish_reason
            if (ids := choice.get("token_ids")) is not None:
                self.ids = tuple(map(int, ids))
                self.logprobs = tuple(map(_finite, (choice.get("logprobs") or {}).get("token_logprobs") or ()))

    def reply(self, began: float, ended: float, streamed: bool) -> Reply:
        """All of it; Broken where the end is missing."""
        if self.finish_reason is None:
            raise Broken("its answer ends before it says why")
        usage, details = self.usage, _object(self.usage.get(DETAILS))
        written, prompt = _count(usage.get("completion_tokens")), _count(usage.get("prompt_tokens"))
        thought = _count(details.get("reasoning_tokens", usage.get("reasoning_tokens")))
        total = _count(usage.get("total_tokens"))
        return Reply(
            _whole_characters(self.content),
            _whole_characters(self.thinking),
            self.finish_reason,
            self.model,
            None if written is None else with_thinking(written, thought, total, prompt or 0),
            thought,
            prompt,
            seconds=ended - began,
            first_token_s=None if self.first is None or not streamed else self.first - began,
            ids=None if streamed else self.ids,
            logprobs=None if streamed else self.logprobs,
        )


def read_stream(pieces: Iterable[bytes], began: float, go_on: Callable[[], None]) -> Reply:
    """Of server-sent events, cut anywhere. ``began`` on ``time.perf_counter``; ``go_on`` raises where nobody waits any
    more. Each piece is read as it comes only up to the first text, whose time is told: where the server shares this
    machine, to read every token on its own would cost it some of its speed.

    Broken for what is no such stream or ends early; whatever reading itself raises comes through.
    """
    gathered, held = _Gathered(), bytearray()
    for piece in pieces:
        go_on()
        held += piece
        if gathered.first is None or len(held) >= BATCH:
            whole, mark, rest = bytes(held).rpartition(b"\n")
            _take_events(gathered, whole + mark)
            held = bytearray(rest)
        if gathered.ended or piece.rstrip().endswith(END):
            break
    _take_events(gathered, bytes(held))
    if not gathered.ended and not gathered.usage:
        raise Broken("its answer breaks off")
    return gathered.reply(began, time.perf_counter(), streamed=True)


def _take_events(gathered: _Gathered, data: bytes) -> None:
    """Whole lines; comments and other fields are for other readers."""
    at = time.perf_counter()
    for line in data.split(b"\n"):
        if gathered.ended or not line.startswith(b"data:"):
            continue
        event = line[5:].strip()
        if event == b"[DONE]":
            gathered.ended = True
        else:
            _guarded(lambda chunk: gathered.take(chunk, at), event)


def read_whole(data: bytes, began: float) -> Reply:
    """Of one JSON object. Broken for anything else."""
    gathered = _Gathered()
    _guarded(lambda found: gathered.take(found, 0.0), data)
    return gathered.reply(began, time.perf_counter(), streamed=False)


def read_object(data: bytes) -> Json:
    """A JSON object; Broken for anything else."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Broken(f"it answers {_shown(data)}, which is no JSON") from error
    if not isinstance(found, dict):
        raise Broken(f"it answers {_shown(data)}, which is no JSON object")
    return found


def said(found: Json) -> str:
    """What an error of a server says, in one short line, whichever of the common forms it has."""
    error = found.get("error", found.get("detail", found.get("message", found)))
    if isinstance(error, dict):
        error = error.get("message", error)
    return " ".join(str(error).split())[:300].rstrip(".")


def _guarded(take: Callable[[Json], None], data: bytes) -> None:
    found = read_object(data)
    try:
        take(found)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise Broken(f"it answers {_shown(data)}, which has another form than a completion") from error


def _word(value: object) -> str:
    """TypeError for what is neither text nor nothing."""
    if value and not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return str(value or "")


def _finite(value: Any) -> float:
    """ValueError for what is no number."""
    if not math.isfinite(found := float(value)):
        raise ValueError(f"{found} is no number")
    return found


def _object(value: object) -> Mapping[str, Any]:
    """TypeError for what is neither an object nor nothing."""
    if value and not isinstance(value, Mapping):
        raise TypeError(f"{value!r:.40} is no object")
    return value if isinstance(value, Mapping) else {}


def _whole_characters(text: str) -> str:
    """Halves of a character that came in two events put together; a half that stayed alone is shown as one that is
    missing, as in what a tokenizer makes of half a character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _shown(data: bytes) -> str:
    return repr(data[:60].decode("utf-8", "replace")) if data else "nothing"
