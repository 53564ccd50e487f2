"""A process that may be killed. Run as a script: ``python -P worker.py LIMITS ANSWERS.py [ARGUMENT ...]``.

One JSON line in, one JSON line out. The process loads ANSWERS.py once (its ``start(*arguments)`` gives the function
that answers a request), then forks a child that serves the requests. A request that uses more than ``cpu_seconds`` of
processor time (ITIMER_PROF, so load does not matter) or ten times that of wall time ends the child by the default
action of the signal, in C code too; the process above kills whatever the child had started, says in one line how it
ended and how much processor time the request had used, and forks the next in a few milliseconds. A child that is
stopped is ended: it would never use up its budget. Nothing is left behind: end of input ends both, SIGTERM ends both at
once, and a computation that runs when the owner dies ends by its budget. Standard input and output are the protocol's
alone: whoever prints or reads in an answer meets the null device. This file imports nothing of tersely, so that it
stays small.
"""

from __future__ import annotations

import importlib.util
import json
import math
import mmap
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

WALL_FACTOR = 10.0
RENEW, NO_MEMORY, BROKEN = 77, 78, 79
"""Exit codes of a serving child."""
NAME = "__tersely_answers__"
"""Of the loaded module: nobody else's."""

Answer = Callable[[Mapping[str, Any]], dict[str, Any]]
BUSY = struct.Struct("?d")
"""What the two processes share: whether a request is under way, and the child's CPU seconds when it began."""
Limits = Mapping[str, float]
"""``cpu_seconds`` and ``memory_mb`` of a request, ``file_mb`` a file may grow to, ``recycle``: answers a child."""


def confine(memory_mb: float, file_mb: float) -> None:
    """Limits that children inherit: address space, no core, growth of a file."""
    file_bytes = int(file_mb * 2**20)
    limits = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, file_bytes)]
    limits += [(resource.RLIMIT_AS, int(memory_mb * 2**20))]
    for name, value in limits:
        try:
            resource.setrlimit(name, (value, resource.getrlimit(name)[1] if name == resource.RLIMIT_FSIZE else value))
        except (ValueError, OSError):
            pass  # a system that has no such limit (macOS: address space)


class Line:
    """The two ends of the protocol, moved away from standard input and output."""

    def __init__(self) -> None:
        self.requests, self.replies = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)

    def read(self) -> bytes:
        """One request; b"" at the end of input. Never reads beyond the line: the next child shares the pipe."""
        chunks = []
        while True:
            chunk = os.read(self.requests, 65536)
            chunks.append(chunk)
            if not chunk or chunk.endswith(b"\n"):
                return b"".join(chunks)

    def write(self, reply: Mapping[str, Any]) -> None:
        os.write(self.replies, json.dumps(reply).encode() + b"\n")


def serve(line: Line, answer: Answer, limits: Limits, busy: mmap.mmap) -> None:
    """Answer up to ``recycle`` requests; ``busy`` holds 1 while one is under way, and the CPU time at its beginning.
    Ends at the end of input."""
    for name in (signal.SIGPROF, signal.SIGALRM, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)
    own, parent = os.getpid(), os.getppid()
    for _ in range(int(limits["recycle"])):
        request = line.read()
        if not request or os.getppid() != parent:
            os._exit(0)  # nobody asks any more, or nobody would end what an answer starts
        start = time.process_time()
        BUSY.pack_into(busy, 0, True, start)
        signal.setitimer(signal.ITIMER_PROF, limits["cpu_seconds"])
        signal.setitimer(signal.ITIMER_REAL, limits["cpu_seconds"] * WALL_FACTOR)
        try:
            reply = answer(json.loads(request))
        except MemoryError:
            os._exit(NO_MEMORY)
        if os.getpid() != own:
            os._exit(BROKEN)  # a copy of this process that the answer forked: one reply is enough
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        busy[0] = 0  # first: whoever ends us now leaves no reply, and nobody says of an answered request that it died
        line.write({**reply, "seconds": time.process_time() - start})
    os._exit(RENEW)


def spawn(line: Line, answer: Answer, limits: Limits, busy: mmap.mmap) -> int:
    """Fork a serving child, the head of a process group of its own; its pid."""
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        if limits["recycle"] == 1:  # for what the answer starts: timers are not inherited, this limit is
            seconds = math.ceil(limits["cpu_seconds"]) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        serve(line, answer, limits, busy)
    finally:
        os._exit(BROKEN)


def end_group(child: int) -> None:
    """Kill a serving child, or what it left running."""
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def await_end(child: int) -> tuple[int, float]:
    """(exit code, CPU seconds in all) of a child that ended: negative by that signal, SIGSTOP where it was stopped."""
    _, status, usage = os.wait4(child, os.WUNTRACED)
    stopped = os.WIFSTOPPED(status)
    end_group(child)
    if stopped:
        usage = os.wait4(child, 0)[2]
    code = -signal.SIGSTOP if stopped else os.waitstatus_to_exitcode(status)
    return code, usage.ru_utime + usage.ru_stime


def supervise(line: Line, answer: Answer, limits: Limits) -> None:
    """Keep one serving child alive until the end of input; say how each one ended that did not reply."""
    busy = mmap.mmap(-1, BUSY.size)
    child = 0

    def stop(*_: object) -> None:
        if child:
            end_group(child)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    while True:
        child = spawn(line, answer, limits, busy)
        code, seconds = await_end(child)
        is_busy, before = BUSY.unpack_from(busy)
        if is_busy:
            busy[0] = 0
            line.write({"died": code, "seconds": max(0.0, seconds - before)})
        elif code != RENEW:
            return


def load(path: str) -> Any:
    """A module by its file, found by no name: nothing beside it can be imported by mistake."""
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    line, limits = Line(), json.loads(sys.argv[1])
    try:
        answer = load(sys.argv[2]).start(*sys.argv[3:])
    except Exception as error:  # the boundary: the owner says it to the user
        line.write({"failed": f"{type(error).__name__}: {error}"[:2000]})
        return
    confine(limits["memory_mb"], limits["file_mb"])
    line.write({"ready": True})
    supervise(line, answer, limits)


if __name__ == "__main__":
    main()
