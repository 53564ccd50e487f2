"""Requests to the server: each is tried again while that may help, and ends in a reply or in one sentence."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from threading import Event
from typing import Any

from tersely.errors import RunError, UserError, plainly
from tersely.records import Json, JsonObject
from tersely.samplers.endpoint.address import KEYS, Endpoint, api_key
from tersely.samplers.endpoint.reply import BATCH, Broken, Reply, read_object, read_stream, read_whole, said

AGAIN = (408, 409, 425, 429)
"""Answers, besides those of 500 and above, after which the same request may succeed."""
LONGEST_PAUSE, LONGEST_ASKED = 60.0, 600.0
"""Seconds between two tries: of our own accord, and where the server asks for it."""
LARGEST = 64 * 2**20
"""Bytes of an answer that is read whole."""


class Cancelled(Exception):  # noqa: N818 - not an error: nobody waits for the answer any more
    """Raised in a thread whose work is no longer wanted."""


@dataclass
class Failed(Exception):  # noqa: N818 - one try; the caller may have more
    """One try that may be repeated."""

    reason: str
    after: float = 0.0
    """Seconds that the server asks to wait."""
    reached: bool = True
    """False where no server was there at all."""


@dataclass
class Denied(Exception):  # noqa: N818 - made into a sentence by whoever knows what was asked
    """The server understood and said no."""

    status: int
    reason: str


class Wire:
    """The connection of one evaluation to its server; used by several threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self._key = endpoint, api_key()
        # One context for all requests: to read the machine's certificates takes longer than to send a request.
        secure = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        self._opener = urllib.request.build_opener(_NoRedirect, secure)

    def get(self, path: str) -> Json | None:
        """A JSON object at the first try; None where none came. UserError where no server is there, Denied where it
        refuses."""
        try:
            found: Json = self._open(path, None, lambda answer, began: read_object(answer.read(LARGEST)))
        except Failed as failed:
            if not failed.reached:
                self._require_hope(failed, 0, begun=False)
            return None
        return found

    def post(self, body: JsonObject, stop: Event, begun: bool = True) -> Reply:
        """The reply to a request. Denied where the server refuses it, RunError (UserError where nothing has ``begun``)
        after the last try, Cancelled once ``stop`` is set."""

        def read(answer: Any, began: float) -> Reply:
            if "event-stream" in (answer.headers.get("Content-Type") or ""):
                return read_stream(iter(lambda: answer.read1(BATCH), b""), began, lambda: _go_on(stop))
            return read_whole(answer.read(LARGEST), began)

        return self._patiently(lambda: self._open(self.endpoint.path, body, read), stop, begun)

    def _patiently(self, attempt: Callable[[], Any], stop: Event, begun: bool) -> Any:
        for tried in range(self.endpoint.retries + 1):
            _go_on(stop)
            try:
                return attempt()
            except Failed as failed:
                self._require_hope(failed, tried, begun)
                pause = min(self.endpoint.pause * 2**tried, LONGEST_PAUSE)
                stop.wait(min(max(pause, failed.after), LONGEST_ASKED))
        raise AssertionError("the last try returns or raises")

    def _require_hope(self, failed: Failed, tried: int, begun: bool) -> None:
        """Whoever has not begun is told at once that no server is there."""
        url = self.endpoint.url
        if not begun and not failed.reached:
            raise UserError(
                f"no server answers at {url} ({failed.reason}): start it, or mend --endpoint, which ends in /v1 with "
                "most servers"
            ) from failed
        if tried < self.endpoint.retries:
            return
        tries = f"after {tried + 1} tries" if tried else "at the first try"
        if not begun:
            raise UserError(f"{url} does not serve {tries}: {failed.reason}; look at the server's own log") from failed
        raise RunError(
            f"{url} no longer serves {tries}: {failed.reason}; what was answered is kept, so mend the server and run "
            "the same command again"
        ) from failed

    def _open(self, path: str, body: JsonObject | None, read: Callable[[Any, float], Any]) -> Any:
        """One try. Failed or Denied; the key stands in no message."""
        headers = {"Content-Type": "application/json", "User-Agent": "tersely"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.endpoint.url + path, data, headers)
        began = time.perf_counter()
        try:
            with self._opener.open(request, timeout=self.endpoint.timeout) as answer:
                return read(answer, began)
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from None
        except Broken as error:
            raise Failed(self._discreet(str(error))) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(error) from error

    def _refusal(self, error: urllib.error.HTTPError) -> Failed | Denied:
        try:
            told = said(read_object(error.read(LARGEST)))
        except (Broken, OSError, http.client.HTTPException):
            told = str(error.reason)
        reason = self._discreet(f"it answers {error.code} ({told})")
        if error.code >= 500 or error.code in AGAIN:
            return Failed(reason, _seconds(error.headers.get("Retry-After")))
        return Denied(error.code, self._discreet(told))

    def _failure(self, error: BaseException) -> Failed:
        """Of the connection itself."""
        cause = getattr(error, "reason", error)
        if isinstance(cause, TimeoutError):
            return Failed(f"not a byte came within {self.endpoint.timeout:g} seconds (--timeout)")
        if isinstance(cause, http.client.HTTPException):
            return Failed("it closed the connection before its answer was whole")
        words = plainly(cause) if isinstance(cause, OSError) else str(cause)
        return Failed(self._discreet(words), reached=not isinstance(error, urllib.error.URLError))

    def _discreet(self, text: str) -> str:
        return text if self._key is None else text.replace(self._key, "***")

    def denied(self, denied: Denied) -> UserError:
        """What to do about a refusal, whatever was asked."""
        endpoint, status, told = self.endpoint, denied.status, denied.reason
        if status in (401, 403):
            keys = " or ".join(KEYS)
            how = f"asks for a key ({status}), and none is set: set" if self._key is None else (
                f"refuses the key ({status}, {told}): set one that it takes in"
            )  # fmt: skip
            return UserError(f"{endpoint.url} {how} the environment variable {keys}")
        if status == 404:
            hint = "" if endpoint.url.endswith("/v1") else f", or give --endpoint {endpoint.url}/v1"
            return UserError(
                f"{endpoint.url} has no {endpoint.path.strip('/')} for the model {endpoint.model!r} (404, {told}): "
                f"check --endpoint and --model{hint}"
            )
        return UserError(
            f"{endpoint.url} refuses the request ({status}, {told}): change what it names, by --max-new-tokens, "
            "--request or --with NAME=VALUE (NAME=none leaves a field out)"
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key must not follow to wherever a server points."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _go_on(stop: Event) -> None:
    if stop.is_set():
        raise Cancelled


def _seconds(said: str | None) -> float:
    """Of a Retry-After header: a number of seconds or a date."""
    if not said:
        return 0.0
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return 0.0
