"""Chains of tersely's own commands, run as processes side by side; resumable because each of the commands is."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tersely.display import Pace
from tersely.errors import TerselyError, UserError
from tersely.runs import places
from tersely.runs.logs import read_log
from tersely.stop import PARENT, Stopped, StopRequest
from tersely.terminal import visible

POLL_SECONDS = 0.5
PLAIN_SECONDS = 15.0
"""Between two lines of progress where there is no terminal."""


@dataclass(frozen=True, slots=True)
class Command:
    """One tersely command, and where its progress can be read.

    Example: ``Command("base", ("base", "--out", "runs/base"), Path("runs/base/journal.jsonl"))``
    """

    title: str
    arguments: tuple[str, ...]
    log: Path
    """A JSONL file that grows by a line a step (or a response)."""
    total: int | None = None
    """Lines that it will hold, where that is known before."""

    @property
    def text(self) -> str:
        """To be pasted into a shell."""
        return f"tersely {shlex.join(self.arguments)}"


@dataclass(frozen=True, slots=True)
class CommandChain:
    """Commands that follow one another."""

    commands: tuple[Command, ...]


class CommandError(TerselyError):
    """A command of the chain failed; the message is its own last line."""


@dataclass
class _Running:
    """A command at work."""

    command: Command
    process: subprocess.Popen[bytes]
    bar: TaskID
    told: float
    """When its progress was last printed, where there is no terminal."""
    gpu: str | None
    """That it was given for itself."""


@dataclass
class _Work:
    """A chain on its way: what is still to come of it, and what runs now."""

    waiting: list[Command]
    running: _Running | None = None


class Runner:
    """Runs chains side by side and shows how far each is."""

    def __init__(
        self,
        logs: Path,
        console: Console,
        stop: StopRequest,
        commands: int | None = None,
        gpus: Sequence[str] = (),
    ) -> None:
        """``commands``: how many there will be over all calls of ``run``, to say which of them has ended. ``gpus``:
        names for CUDA_VISIBLE_DEVICES, of which each command is given one for itself; none leaves the choice to it."""
        self.logs, self.console, self.stop, self.commands = logs, console, stop, commands
        self.gpus = tuple(gpus)
        self.started: list[Command] = []
        self._taken: list[str] = []
        self.ended = 0
        self._pace = Pace()

    def run(self, chains: Sequence[CommandChain], jobs: int) -> None:
        """Until every chain is through. Raises CommandError for the first command that fails, Stopped when asked to
        stop; either way no process is left behind."""
        waiting = [_Work(list(chain.commands)) for chain in chains]
        running: list[_Work] = []
        with self._progress() as progress:
            try:
                while waiting or running:
                    while waiting and len(running) < jobs:
                        running.append(waiting.pop(0))
                    for work in list(running):
                        if not self._advance(work, progress):
                            running.remove(work)
                    if self.stop.requested:
                        raise Stopped(self.stop.requested, "everything begun is saved")
                    time.sleep(POLL_SECONDS if running else 0)
            except BaseException:
                self._end([work.running.process for work in running if work.running is not None])
                raise

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description:<22}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[numbers]}", markup=False),
            console=self.console,
            disable=not self.console.is_terminal,
        )

    def _advance(self, work: _Work, progress: Progress) -> bool:
        """Start the chain's next command, or look after the running one; False once the chain is through."""
        if work.running is None:
            if not work.waiting:
                return False
            work.running = self._start(work.waiting.pop(0), progress)
            return True
        running, command = work.running, work.running.command
        code = running.process.poll()
        self._show(running, progress)
        if code is None:
            return True
        if code != 0:
            raise self._failure(command, code)
        if running.gpu is not None:
            self._taken.remove(running.gpu)
        self.ended += 1
        self.console.print(f"{command.title}: done{self._overall()}")
        progress.update(running.bar, completed=command.total or 1, total=command.total or 1)
        work.running = None
        return True

    def _overall(self) -> str:
        """Which of how many commands has ended, and about how long the rest takes at this pace."""
        if self.commands is None:
            return ""
        left = self._pace.left(self.ended, self.commands, time.monotonic())
        return f" ({self.ended} of {self.commands}{f', {left}' if left else ''})"

    def _start(self, command: Command, progress: Progress) -> _Running:
        gpu = self._take_gpu()
        own = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        environment = {**os.environ, "OMP_NUM_THREADS": "1", PARENT: str(os.getpid()), **own}
        with open(self._output(command), "ab", opener=places.open_plain) as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tersely", *command.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                # A Ctrl-C in the terminal reaches only us; we pass it on once.
                start_new_session=True,
            )
        self.started.append(command)
        bar = progress.add_task(visible(command.title), total=command.total, numbers="starting")
        if not self.console.is_terminal:
            self.console.print(f"{command.title}: {command.text}")
        return _Running(command, process, bar, time.monotonic(), gpu)

    def _take_gpu(self) -> str | None:
        """The one that the fewest commands have; None where the choice is theirs."""
        gpu = min(self.gpus, key=self._taken.count, default=None)
        self._taken += [] if gpu is None else [gpu]
        return gpu

    def _output(self, command: Command) -> Path:
        return self.logs / f"{command.title.replace(' ', '-')}.log"

    def _show(self, running: _Running, progress: Progress) -> None:
        command = running.command
        if not command.log.is_file():
            return
        lines = read_log(command.log, allow_torn=True)
        last = lines[-1] if lines else {}
        shown = {k: last[k] for k in ("loss", "accuracy", "length") if isinstance(last.get(k), float)}
        numbers = "  ".join(f"{k} {v:.3g}" for k, v in shown.items())
        done, total = (last["step"], last["of"]) if "of" in last else (len(lines), command.total)
        progress.update(running.bar, completed=done, total=total, numbers=numbers)
        if not self.console.is_terminal and time.monotonic() - running.told > PLAIN_SECONDS:
            running.told = time.monotonic()
            self.console.print(f"{command.title}: {done}/{total or '?'}  {numbers}")

    def _failure(self, command: Command, code: int) -> TerselyError:
        lines = self._output(command).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = lines[-1] if lines else "it said nothing"
        failure = CommandError(
            f"{command.title} ended with code {code}: {said.removeprefix('tersely: ')} "
            f"(all it said: {self._output(command)}; the command: {shorten(command.text, 200, placeholder=' ...')})"
        )
        failure.exit_code = code if 0 < code < 126 else 1
        return failure

    def _end(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        """Ask the running commands to save and end, and wait for them."""
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait()


def usual_jobs() -> int:
    """Two single-thread processes side by side use two cores better than one process with two threads."""
    return min(2, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Slots:
    """How many commands run side by side, and on which GPUs."""

    jobs: int
    gpus: tuple[str, ...] = ()


LOGS = "logs"
"""In a folder of commands: what each of them said."""


def require_own(out: Path, made_by: str, mark: str = LOGS) -> None:
    """Make the folder with a place for logs. UserError where it belongs to something else (it holds something, and no
    ``mark``) or cannot be written."""
    refuse_foreign(out, made_by, mark)
    for log in (out / LOGS, *(out / LOGS).glob("*")):
        places.require_no_links(log, below=out)
    try:
        (out / LOGS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; choose another folder with --out") from error


def refuse_foreign(out: Path, made_by: str, mark: str) -> None:
    """UserError for a folder that holds something, and nothing called ``mark``; nothing is written."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / mark).exists())):
        raise UserError(f"{out} is there and was not made by {made_by}: choose another folder with --out")
