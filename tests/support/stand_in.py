"""A server that speaks as OpenAI-compatible ones do, and misbehaves as they do: a thread on a free port.

It answers "What is A + B?" with ``\\boxed{A + B}``. ``Manners`` says how it errs.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

THOUGHT = "Let me add them."


@dataclass
class Manners:
    """How the server behaves; a test changes it while it serves."""

    models: tuple[str, ...] = ("stand-in",)
    reported: str = "stand-in-0801"
    key: str | None = None
    room: int | None = None
    lists: bool = True
    prefix: str = "/v1"
    streams: bool = True
    usage: bool = True
    done: bool = True
    """Whether a stream ends with [DONE]."""
    finish: str | None = "stop"
    reasoning: str | None = None
    """Name of the field that the thinking comes in; None: in the text."""
    fail: Callable[[int], str | None] = lambda number: None
    """Number of a request for a completion, from 0 -> what goes wrong: "429", "500", "drop", "cut", "torn", "html",
    "hang", "400", "error" (in a stream)."""
    refuses: str | None = None
    """A field that is not taken."""
    answer: Callable[[dict[str, Any]], str] | None = None
    """Request -> the whole answer."""
    ids: Callable[[dict[str, Any]], tuple[list[int], list[float], str]] | None = None
    """Request for ids -> those sampled, their log-probabilities, why it stopped; None: it gives texts alone."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    most: int = 0
    """Requests that were under way at once."""
    now: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    """Set at the end, so that nothing hangs on."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    manners: Manners
    under_way = False

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        if not self._may():
            return
        if not self.manners.lists or self.path != f"{self.manners.prefix}/models":
            self._json(404, {"error": {"message": "Not Found"}})
            return
        room = {} if self.manners.room is None else {"max_model_len": self.manners.room}
        self._json(200, {"object": "list", "data": [{"id": name, **room} for name in self.manners.models]})

    def do_POST(self) -> None:
        manners = self.manners
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with manners.lock:
            number = len(manners.bodies)
            manners.bodies.append(body)
            manners.paths.append(self.path)
            manners.now += 1
            manners.most = max(manners.most, manners.now)
        self.under_way = True
        try:
            if self._may() and self._takes(body):
                self._answer(body, manners.fail(number))
        except OSError:  # the client is gone
            pass
        finally:
            self._ends()

    def _ends(self) -> None:
        """Before the last bytes go out: who has them all may ask for the next thing at once."""
        if self.under_way:
            self.under_way = False
            with self.manners.lock:
                self.manners.now -= 1

    def _may(self) -> bool:
        said = self.headers.get("Authorization")
        self.manners.keys.add(said)
        if self.manners.key is None or said == f"Bearer {self.manners.key}":
            return True
        self._json(401, {"error": {"message": f"Incorrect API key provided: {said}"}})
        return False

    def _takes(self, body: dict[str, Any]) -> bool:
        refused = self.manners.refuses
        if not self.path.startswith(self.manners.prefix + "/"):
            self._json(404, {"detail": "Not Found"})
        elif body["model"] not in self.manners.models:
            self._json(404, {"error": {"message": f"The model `{body['model']}` does not exist."}})
        elif refused in body:
            use = " Use 'max_completion_tokens' instead." if refused == "max_tokens" else ""
            self._json(400, {"error": {"message": f"Unsupported parameter: '{refused}'.{use}"}})
        else:
            return True
        return False

    def _answer(self, body: dict[str, Any], wrong: str | None) -> None:
        if wrong in ("429", "500"):
            self._json(int(wrong), {"error": {"message": "busy"}}, {"Retry-After": "0"} if wrong == "429" else {})
        elif wrong == "400":
            self._json(400, {"error": {"message": "too long"}})
        elif wrong == "html":
            self._send(200, b"<html>Welcome</html>", "text/html")
        elif wrong == "drop":
            self.close_connection = True
        elif wrong == "hang":
            self.manners.released.wait(60)
        else:
            self._complete(body, wrong)

    def _complete(self, body: dict[str, Any], wrong: str | None) -> None:
        chunks = list(_chunks(self.manners, body))
        if not (self.manners.streams and body.get("stream")):
            whole = json.dumps(_whole(self.manners, body)).encode()
            self._send(200, whole[: len(whole) // 2] if wrong == "torn" else whole, "application/json")
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if wrong == "error":
            chunks = [{"error": {"message": "out of memory"}}]
        lines = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
        if wrong == "cut":
            lines = lines[:2]
        elif wrong == "torn":
            lines = [lines[0], lines[1][:20] + b"\n\n"]
        elif self.manners.done:
            lines.append(b"data: [DONE]\n\n")
        self.wfile.write(b": hello\n\n")
        for place, line in enumerate(lines, start=1):
            if place == len(lines):
                self._ends()
            self.wfile.write(line)
            self.wfile.flush()

    def _json(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(content).encode(), "application/json", headers)

    def _send(self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self._ends()
        self.wfile.write(data)


def _text(manners: Manners, body: dict[str, Any]) -> tuple[str, str]:
    """(thinking, answer)."""
    if manners.answer is not None:
        return "", manners.answer(body)
    asked = str(body.get("prompt") or body["messages"][-1]["content"])
    numbers = [int(n) for n in re.findall(r"\d+", asked)]
    return THOUGHT, f"The answer is \\boxed{{{sum(numbers[-2:])}}}."


def _usage(manners: Manners, body: dict[str, Any]) -> dict[str, Any]:
    thinking, answer = _text(manners, body)
    spent = 10 * len(answer.split()) + len(thinking.split())
    details = {"reasoning_tokens": len(thinking.split())} if manners.reasoning else None
    return {"prompt_tokens": 7, "completion_tokens": spent, "completion_tokens_details": details}


def _chunks(manners: Manners, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    thinking, answer = _text(manners, body)
    parts = [(manners.reasoning or "content", thinking)] if manners.reasoning else []
    parts += [("content", piece) for piece in re.findall(r"\S+\s*", answer)]
    base = {"model": manners.reported}
    yield {**base, "choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
    for name, piece in parts:
        choice = {"text": piece} if "prompt" in body else {"delta": {name: piece}}
        yield {**base, "choices": [{**choice, "finish_reason": None}]}
    yield {**base, "choices": [{"delta": {}, "finish_reason": manners.finish}]}
    if manners.usage:
        yield {**base, "choices": [], "usage": _usage(manners, body)}


def _whole(manners: Manners, body: dict[str, Any]) -> dict[str, Any]:
    if manners.ids is not None and body.get("return_token_ids"):
        ids, logprobs, finish = manners.ids(body)
        choice = {"text": "", "token_ids": ids, "logprobs": {"token_logprobs": logprobs}, "finish_reason": finish}
        return {"model": manners.reported, "choices": [choice], "usage": {"completion_tokens": len(ids)}}
    thinking, answer = _text(manners, body)
    said = {"text": answer} if "prompt" in body else {"message": {"content": answer}}
    if manners.reasoning and "message" in said:
        said["message"] = {"content": answer, manners.reasoning: thinking}
    usage = {"usage": _usage(manners, body)} if manners.usage else {}
    return {"model": manners.reported, "choices": [{**said, "finish_reason": manners.finish}], **usage}


@contextmanager
def serving(port: int = 0, **how: Any) -> Iterator[tuple[str, Manners]]:
    """(address up to /v1, manners) of a server that lives as long as the block."""
    manners = Manners(**how)
    handler = type("Handler", (_Handler,), {"manners": manners})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{manners.prefix}", manners
    finally:
        manners.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
