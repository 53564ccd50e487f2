"""The owner's side of the workers: sends requests, reads replies, replaces what dies.

Workers start at the first request and live as long as the pool. Any thread may call ``run``; calls take turns. No
signal handler of this process is touched, nothing is forked from it (``subprocess`` starts a fresh interpreter) and no
descriptor is inherited. The worker itself enforces the CPU budget (``worker``); the wall limit here is a safety net.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely.errors import RunError

START_SECONDS = 120.0
"""Wall limit for a worker to import sympy."""
RECYCLE = 10_000
"""Answers after which a worker's serving process is renewed, so that no cache grows for ever."""
_KEEP = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker said: ``equal`` None where it could not (timeout, crash), with the reason and CPU seconds."""

    equal: bool | None
    reason: str
    seconds: float


class Worker:
    """One worker process with its two pipes. Not thread-safe: the pool owns it."""

    def __init__(self, cpu_seconds: float, memory_mb: int, script: Path) -> None:
        env = {name: os.environ[name] for name in _KEEP if name in os.environ}
        env |= {"SYMPY_GROUND_TYPES": "python", "MPMATH_NOGMPY": "1", "PYTHONINTMAXSTRDIGITS": "5000"}
        env |= {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-P", str(script), str(cpu_seconds), str(memory_mb), str(RECYCLE)]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=null, env=env, close_fds=True, start_new_session=True, bufsize=0
        )
        self.buffer = b""
        self.ready = False
        self.job: int | None = None
        self.deadline = time.monotonic() + START_SECONDS

    @property
    def out(self) -> Any:
        return self.process.stdout

    def send(self, job: int, line: bytes, wall: float) -> None:
        """Hand over one request. Raises OSError if the worker is gone."""
        self.job, self.deadline = job, time.monotonic() + wall
        assert self.process.stdin is not None
        self.process.stdin.write(line)

    def lines(self) -> list[dict[str, Any]]:
        """Whole lines that have arrived. Raises EOFError where the process ended."""
        chunk = os.read(self.out.fileno(), 65536)
        if not chunk:
            raise EOFError
        *whole, self.buffer = (self.buffer + chunk).split(b"\n")
        return [json.loads(line) for line in whole]

    def kill(self) -> None:
        """End the process and its child, wait for it, close the pipes."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


class Pool:
    """A fixed number of workers. ``run`` keeps the order of its requests."""

    def __init__(self, workers: int, cpu_seconds: float, memory_mb: int, script: Path | None = None) -> None:
        self.size = workers
        self.cpu_seconds = cpu_seconds
        self.memory_mb = memory_mb
        self.script = script or Path(__file__).with_name("worker.py")
        self.workers: list[Worker] = []
        self.restarts = 0
        """Times a whole worker process had to be replaced."""
        self.deaths = 0
        """Times a serving process ended by its budget, its memory or a crash."""
        self._lock = threading.Lock()
        self._closed = False

    def run(self, requests: Sequence[dict[str, str]]) -> list[Reply]:
        """One reply a request, in order. Raises RunError if workers cannot be started at all."""
        if not requests:
            return []
        with self._lock:
            self._require_open()
            while len(self.workers) < min(self.size, len(requests)):
                self.workers.append(self._start())
            return self._dispatch([json.dumps(request).encode() + b"\n" for request in requests])

    def close(self) -> None:
        """End every worker. Safe to call twice; a ``run`` in another thread ends within a second, with a RunError."""
        self._closed = True
        with self._lock:
            for worker in self.workers:
                worker.kill()
            self.workers.clear()

    def _require_open(self) -> None:
        if self._closed:
            raise RunError("the judge is closed; make a new one")

    def pids(self) -> list[int]:
        return [worker.process.pid for worker in self.workers]

    def _start(self) -> Worker:
        try:
            return Worker(self.cpu_seconds, self.memory_mb, self.script)
        except OSError as error:
            raise RunError(f"cannot start a process for judging answers: {error}") from error

    def _dispatch(self, lines: list[bytes]) -> list[Reply]:
        waiting = deque(range(len(lines)))
        replies: list[Reply | None] = [None] * len(lines)
        again: set[int] = set()
        failures = 0
        while any(reply is None for reply in replies):
            self._require_open()
            self._feed(waiting, lines)
            for worker, message in self._poll():
                if message is None:
                    failures = 0 if worker.ready else failures + 1
                    if failures > self.size + 2:
                        raise RunError(
                            "workers for judging answers end before they are ready; is math-verify installed?"
                        )
                    if worker.job is not None and worker.job not in again:
                        again.add(worker.job)
                        waiting.appendleft(worker.job)
                        worker.job = None
                    self._replace(worker, replies)
                elif message.get("ready"):
                    worker.ready = True
                else:
                    self._settle(worker, message, replies)
        return [reply for reply in replies if reply is not None]

    def _feed(self, waiting: deque[int], lines: list[bytes]) -> None:
        for worker in self.workers:
            if waiting and worker.ready and worker.job is None:
                job = waiting[0]
                try:
                    worker.send(job, lines[job], 10 * self.cpu_seconds + 20)
                    waiting.popleft()
                except OSError:
                    worker.job = None  # found dead by the next poll

    def _poll(self) -> list[tuple[Worker, dict[str, Any] | None]]:
        """Messages that arrived; (worker, None) for one that ended or overstayed."""
        events: list[tuple[Worker, dict[str, Any] | None]] = []
        with selectors.DefaultSelector() as selector:
            for worker in self.workers:
                selector.register(worker.out, selectors.EVENT_READ, worker)
            for ready, _ in selector.select(timeout=1.0):
                try:
                    events.extend((ready.data, message) for message in ready.data.lines())
                except (EOFError, OSError, ValueError):
                    events.append((ready.data, None))
        told = [worker for worker, _ in events]
        now = time.monotonic()
        late = [w for w in self.workers if (w.job is not None or not w.ready) and now > w.deadline and w not in told]
        return events + [(worker, None) for worker in late]

    def _settle(self, worker: Worker, message: dict[str, Any], replies: list[Reply | None]) -> None:
        job, worker.job = worker.job, None
        if "died" in message:
            self.deaths += 1
            reply = Reply(None, _why(message["died"], self.cpu_seconds), self.cpu_seconds)
        else:
            reply = Reply(message["equal"], message["reason"], message["seconds"])
        if job is not None:
            replies[job] = reply

    def _replace(self, worker: Worker, replies: list[Reply | None]) -> None:
        """A worker whose whole process is gone or stuck: a fresh one takes its place.

        The cause is outside (an answer can only end the serving process), so the answer was tried once more; the
        second time it is unjudged.
        """
        if worker.job is not None:
            replies[worker.job] = Reply(None, "crashed: the worker process ended", self.cpu_seconds)
        worker.kill()
        self.restarts += 1
        self.workers[self.workers.index(worker)] = self._start()


def _why(code: int, cpu_seconds: float) -> str:
    """Reason for a serving process that ended with ``code`` (negative: by that signal)."""
    if code == -signal.SIGPROF:
        return f"timeout: more than {cpu_seconds:g} CPU seconds"
    if code == -signal.SIGALRM:
        return "timeout: the wall-clock safety net"
    if code in (78, -signal.SIGKILL):
        return "crashed: out of memory"
    return f"crashed: exit {code}"
