"""Work done by several threads at once, handed on as each piece ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Generic, TypeVar

from tersely.samplers.endpoint.wire import Cancelled

T = TypeVar("T")
R = TypeVar("R")

LOOK = 0.25
"""Seconds after which the caller may look up from waiting."""


class Crew(Generic[T, R]):
    """``do(piece, stop)`` for every piece, ``width`` at a time.

    The threads end with the process if they must, so that one that hangs holds up nobody.
    """

    def __init__(self, work: Sequence[T], do: Callable[[T, Event], R], width: int) -> None:
        self._waiting, self._left, self._do, self._stop = deque(work), len(work), do, Event()
        self._ended = SimpleQueue[tuple[T, R | BaseException]]()
        for _ in range(min(width, len(work))):
            Thread(target=self._labour, daemon=True).start()

    def results(self) -> Iterator[tuple[T, R] | None]:
        """(piece, result) of each as it ends; None where a while passed without one. What a piece raises is raised
        here."""
        while self._left:
            try:
                piece, result = self._ended.get(timeout=LOOK)
            except Empty:
                yield None
                continue
            if isinstance(result, BaseException):
                raise result
            self._left -= 1
            yield piece, result

    def stop(self) -> list[tuple[T, R]]:
        """Begin nothing more; what had ended and was not handed on yet."""
        self._stop.set()
        found = []
        while not self._ended.empty():
            piece, result = self._ended.get()
            if not isinstance(result, BaseException):
                found.append((piece, result))
        return found

    def _labour(self) -> None:
        while not self._stop.is_set():
            try:
                piece = self._waiting.popleft()
            except IndexError:
                return
            try:
                self._ended.put((piece, self._do(piece, self._stop)))
            except Cancelled:
                return
            except BaseException as error:
                self._ended.put((piece, error))
                return
