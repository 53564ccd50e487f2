"""How a serving process ended without a reply, and whether the answer or something else ended it."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from tersely.records import Status, Verdict
from tersely.verify.workers.worker import NO_MEMORY

CRASHES = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGABRT,
        signal.SIGILL,
        signal.SIGFPE,
        signal.SIGTRAP,
        signal.SIGSYS,
        signal.SIGXFSZ,
    }
)
"""By these a computation ends its own process; by all others somebody ends it from outside."""
_TIMERS = (signal.SIGPROF, signal.SIGXCPU)


@dataclass(frozen=True, slots=True)
class End:
    """The end of a serving process in the middle of a request."""

    code: int
    """Exit code; negative: by that signal."""
    seconds: float
    """CPU time that the request had used."""
    budget: float
    """CPU time that it was granted."""

    @property
    def by_budget(self) -> bool:
        """By processor time, never by the signal alone: anybody can send one. The kernel's timer counts in ticks, so
        it may come early; the hard limit behind it (SIGKILL) does not."""
        if -self.code in _TIMERS:
            return self.seconds >= self.budget / 2
        return self.code == -signal.SIGKILL and self.seconds >= self.budget

    @property
    def may_differ(self) -> bool:
        """Whether another try in a fresh process may end otherwise: a signal came that the budget did not send."""
        return self.code < 0 and not self.by_budget

    @property
    def by_wall(self) -> bool:
        """By waiting: an answer that hardly computed in ten times its budget sleeps; one that did was kept from it."""
        return self.code == -signal.SIGALRM and self.seconds < self.budget / 10

    @property
    def outside(self) -> bool:
        """Whether something else than the answer ended it."""
        return self.may_differ and not self.by_wall and -self.code not in CRASHES

    @property
    def verdict(self) -> Verdict:
        return Verdict(Status.UNJUDGED, None, self._why(), self.seconds, outside=self.outside)

    def _why(self) -> str:
        if self.by_budget:
            return f"timeout: more than {self.budget:g} CPU seconds"
        if self.code == -signal.SIGALRM:
            return "timeout: the wall-clock safety net"
        if self.code == NO_MEMORY:
            return "crashed: out of memory"
        if self.code == -signal.SIGSTOP:
            return "its process was stopped from outside, twice"
        if self.outside:
            return f"its process was ended from outside ({signal.Signals(-self.code).name}), twice"
        return f"crashed: exit {self.code}"
