"""Questions for the workers asked before their verdicts are wanted, so that checking hides behind sampling."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from tersely.records import Verdict
from tersely.verify.workers.pool import Pool, Request


class Prefetcher:
    """Gives a pool's workers what has been asked so far, from one thread of its own.

    The thread starts with the first question and only waits for pipes: the work is the workers'.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._replies: dict[str, Future[Verdict]] = {}
        self._waiting: deque[tuple[Future[Verdict], Request]] = deque()
        self._thread: ThreadPoolExecutor | None = None

    def ask(self, name: str, request: Request) -> None:
        """Begin on a question and return at once; one that is open under the same name is not asked again."""
        if name in self._replies:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="tersely-judge")
        reply = self._replies[name] = Future()
        self._waiting.append((reply, request))
        self._thread.submit(self._work)

    def take(self, name: str) -> Future[Verdict] | None:
        """The reply to a question asked before, at most once; None where it was not asked."""
        return self._replies.pop(name, None)

    def close(self) -> None:
        """Drop what is waiting. The pool must be closed first: that ends what runs."""
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def _work(self) -> None:
        """All that waits, at once: as many workers as there are share it. Surplus calls find nothing."""
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            found = self._pool.run([request for _, request in batch])
        except Exception as error:  # a boundary: whoever wants the verdict is told in its own thread
            for reply, _ in batch:
                reply.set_exception(error)
            return
        for (reply, _), said in zip(batch, found, strict=True):
            reply.set_result(said)
