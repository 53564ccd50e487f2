"""Commands of ours in processes of their own, forked from this one, where torch and transformers are imported already.

A fresh Python takes seconds to import them. For tests of what commands do to one another; where it matters how a
process begins, a test starts a real one.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
import torch

from tersely.cli import main


class Forked:
    """A process that does ``work``, whose result is its exit code (None: 0), as ``subprocess.Popen`` would be one."""

    def __init__(self, work: Callable[[], Any], stdout: IO[Any], stderr: IO[Any], env: Mapping[str, str]) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _become(work, stdout.fileno(), stderr.fileno(), env)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float = 300.0) -> int:
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                self.send_signal(signal.SIGKILL)
                raise subprocess.TimeoutExpired("tersely", timeout)
            time.sleep(0.02)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)


class ForkedCommand(Forked):
    """Takes the place of ``subprocess.Popen`` for ``python -m tersely ...``, as far as a chain of commands uses it."""

    def __init__(self, command: Sequence[str], *, stdout: IO[Any], stderr: IO[Any], env: Mapping[str, str], **_: Any):
        assert list(command[:3]) == [sys.executable, "-m", "tersely"]
        super().__init__(lambda: main(list(command[3:])), stdout, stderr, env)


def _become(work: Callable[[], Any], out: int, err: int, env: Mapping[str, str]) -> None:
    """What the forked process does; never returns."""
    code: Any = 1
    try:
        os.setsid()
        for target, source in enumerate((os.open(os.devnull, os.O_RDONLY), out, err)):
            os.dup2(source, target)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.FileIO(fd, "w", closefd=False), "utf-8", line_buffering=True) for fd in (1, 2)
        )
        for signum, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
            signal.signal(signum, handler)
        os.environ.clear()
        os.environ.update(env)
        torch.set_num_threads(1)
        code = work()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def chains_fork(patch: pytest.MonkeyPatch) -> None:
    """From here on the commands of a chain (quickstart, sweep, ablate) are forked."""
    forking = SimpleNamespace(Popen=ForkedCommand, DEVNULL=subprocess.DEVNULL)
    patch.setattr("tersely.pipelines.chain.subprocess", forking)


def start(*arguments: str, out: IO[Any], err: IO[Any], **env: str) -> ForkedCommand:
    """Begin ``tersely ARGUMENTS``."""
    return ForkedCommand(
        [sys.executable, "-m", "tersely", *arguments], stdout=out, stderr=err, env={**os.environ, **env}
    )


def run(*arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """``tersely ARGUMENTS`` to its end, as ``subprocess.run`` with ``capture_output`` and ``text`` would tell it."""
    words = [str(argument) for argument in arguments]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        code = start(*words, out=out, err=err, **env).wait()
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read())
    return subprocess.CompletedProcess(words, code, *said)


def together(work: Callable[[int], object], processes: int) -> None:
    """``work(rank)`` in so many processes at once, each with the environment that torchrun would give it."""
    with socket.socket() as free:
        free.bind(("", 0))
        meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(processes)}
    with ExitStack() as opened:
        said = [opened.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(processes)]
        begun = []
        for rank, out in enumerate(said):
            env = {**os.environ, **meet, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            begun.append(Forked(partial(_done, work, rank), out, out, env))
        codes = [one.wait() for one in begun]
        for out in said:
            out.seek(0)
        assert codes == [0] * processes, "\n".join(out.read()[-4000:] for out in said)


def _done(work: Callable[[int], object], rank: int) -> None:
    """Nothing that ``work`` returns is an exit code."""
    work(rank)
