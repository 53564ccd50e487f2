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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tersely.errors import RunError, UserError
from tersely.records import Status, Verdict
from tersely.verify.workers.ends import End
from tersely.verify.workers.verifier_answers import LOADING

START_SECONDS = 120.0
"""Wall limit for a worker to import sympy."""
TERM_SECONDS = 2.0
"""Wall time a worker has to end what it started."""
WORKER = Path(__file__).with_name("worker.py")
_KEEP = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "TMPDIR")

Request = Mapping[str, Any]
"""A JSON object."""


@dataclass(frozen=True, slots=True)
class Program:
    """What workers answer with: a file with ``start(*arguments)``, and limits that depend on whose code it is."""

    file: Path
    arguments: tuple[str, ...] = ()
    recycle: int = 10_000
    """Answers after which a serving process is renewed, so that no cache grows for ever."""
    file_mb: int = 0
    """To which size one file may grow, in MiB."""


MATH_VERIFY = Program(Path(__file__).with_name("math_answers.py"))


class Worker:
    """One worker process with its two pipes. Not thread-safe: the pool owns it."""

    def __init__(self, command: Sequence[str]) -> None:
        env = {name: os.environ[name] for name in _KEEP if name in os.environ}
        env |= {"SYMPY_GROUND_TYPES": "python", "MPMATH_NOGMPY": "1", "PYTHONINTMAXSTRDIGITS": "5000"}
        env |= {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
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
        rest = memoryview(line)
        while rest:
            rest = rest[self.process.stdin.write(rest) or 0 :]

    def lines(self) -> list[dict[str, Any]]:
        """Whole lines that have arrived. Raises EOFError where the process ended."""
        chunk = os.read(self.out.fileno(), 65536)
        if not chunk:
            raise EOFError
        *whole, self.buffer = (self.buffer + chunk).split(b"\n")
        return [json.loads(line) for line in whole]

    def kill(self) -> None:
        """End the process and all it started, wait for it, close the pipes."""
        self.process.terminate()
        self.process.send_signal(signal.SIGCONT)  # one that is stopped hears no SIGTERM, and could end no child
        try:
            self.process.wait(TERM_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


class _Batch:
    """Requests under way: what waits, what was said, what was tried once more."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.lines = lines
        self.waiting = deque(range(len(lines)))
        self.replies: list[Verdict | None] = [None] * len(lines)
        self.again: set[int] = set()

    def try_again(self, job: int) -> bool:
        """Put a request back in front, unless that was done once before."""
        if job in self.again:
            return False
        self.again.add(job)
        self.waiting.appendleft(job)
        return True

    @property
    def done(self) -> list[Verdict]:
        return [reply for reply in self.replies if reply is not None]


class Pool:
    """A fixed number of workers. ``run`` keeps the order of its requests."""

    def __init__(
        self,
        workers: int,
        cpu_seconds: float,
        memory_mb: int,
        program: Program = MATH_VERIFY,
        script: Path = WORKER,
    ) -> None:
        self.size = workers
        self.cpu_seconds = cpu_seconds
        limits = {"cpu_seconds": cpu_seconds, "memory_mb": memory_mb}
        limits |= {"file_mb": program.file_mb, "recycle": program.recycle}
        self.command = [sys.executable, "-P", str(script), json.dumps(limits), str(program.file), *program.arguments]
        self.workers: list[Worker] = []
        self.restarts = 0
        """Times a whole worker process had to be replaced."""
        self.deaths = 0
        """Times a serving process ended by its budget, its memory or a crash."""
        self._never_ready = 0
        """Workers in a row that ended before they were ready."""
        self._lock = threading.Lock()
        self._closed = False

    def run(self, requests: Sequence[Request]) -> list[Verdict]:
        """A worker's verdict on each request, in order; UNJUDGED where it could not say (timeout, crash).

        What may have been ended by something else than the answer is tried once more, in a fresh process.
        Raises RunError if workers cannot be started at all.
        """
        if not requests:
            return []
        with self._lock:
            self._grow(len(requests))
            batch = _Batch([json.dumps(request).encode() + b"\n" for request in requests])
            try:
                while len(batch.done) < len(requests):
                    self._turn(batch)
            except BaseException:
                self._drop_busy()
                raise
            return batch.done

    def warm(self) -> None:
        """Start one worker and wait until it is ready. Raises RunError, in the worker's words, if it never is."""
        with self._lock:
            self._grow(1)
            while not any(worker.ready for worker in self.workers):
                self._turn(_Batch([]))

    def close(self) -> None:
        """End every worker. Safe to call twice; a ``run`` in another thread ends within a second, with a RunError."""
        self._closed = True
        with self._lock:
            for worker in self.workers:
                worker.kill()
            self.workers.clear()

    def pids(self) -> list[int]:
        return [worker.process.pid for worker in self.workers]

    def _grow(self, wanted: int) -> None:
        self._require_open()
        while len(self.workers) < min(self.size, wanted):
            self.workers.append(self._start())

    def _drop_busy(self) -> None:
        """After an interrupt: a late reply must not be taken for the reply to another request."""
        for worker in [worker for worker in self.workers if worker.job is not None]:
            worker.kill()
            self.workers.remove(worker)

    def _require_open(self) -> None:
        if self._closed:
            raise RunError("the judge is closed; make a new one")

    def _start(self) -> Worker:
        if LOADING in os.environ:
            raise UserError(
                "this script is being loaded for the verifier in it: put what it does under "
                '`if __name__ == "__main__":`, or the verifier in a module of its own'
            )
        try:
            return Worker(self.command)
        except OSError as error:
            raise RunError(f"cannot start a process for judging answers: {error}") from error

    def _turn(self, batch: _Batch) -> None:
        """Hand out what waits, and take what arrives within a second."""
        self._require_open()
        self._feed(batch)
        for worker, message in self._poll():
            if message is None:
                self._lost(worker, batch)
            elif "failed" in message:
                raise RunError(f"workers for judging answers cannot start: {message['failed']}")
            elif "ready" in message:
                worker.ready = True
            else:
                self._settle(worker, message, batch)

    def _feed(self, batch: _Batch) -> None:
        for worker in self.workers:
            if batch.waiting and worker.ready and worker.job is None:
                job = batch.waiting[0]
                try:
                    worker.send(job, batch.lines[job], 10 * self.cpu_seconds + 20)
                    batch.waiting.popleft()
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

    def _settle(self, worker: Worker, message: Mapping[str, Any], batch: _Batch) -> None:
        job, worker.job = worker.job, None
        if "died" in message:
            self.deaths += 1
            end = End(message["died"], message["seconds"], self.cpu_seconds)
            if job is not None and end.may_differ and batch.try_again(job):
                return
            reply = end.verdict
        else:
            extracted, score = message.get("extracted"), message.get("score")
            reply = Verdict(Status(message["status"]), extracted, message["reason"], message["seconds"], score)
        if job is not None:
            batch.replies[job] = reply

    def _lost(self, worker: Worker, batch: _Batch) -> None:
        """A worker whose whole process is gone or stuck: a fresh one takes its place.

        The cause is outside (an answer can only end the serving process), so the answer is tried once more; the
        second time it is unjudged.
        """
        self._never_ready = 0 if worker.ready else self._never_ready + 1
        if self._never_ready > self.size + 2:
            raise RunError("workers for judging answers end before they are ready")
        if worker.job is not None and not batch.try_again(worker.job):
            reason = "crashed: the worker process ended"
            batch.replies[worker.job] = Verdict(Status.UNJUDGED, None, reason, self.cpu_seconds, outside=True)
        worker.kill()
        self.restarts += 1
        self.workers[self.workers.index(worker)] = self._start()
