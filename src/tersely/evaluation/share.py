"""What one process samples of an evaluation: an engine that can be kept full is, from its first prompt to its last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tersely.display import Display
from tersely.evaluation.work import Work
from tersely.records import Problem
from tersely.runs.ended import EndedLog, read_ended
from tersely.samplers import Prompt, Sampler
from tersely.samplers.ahead import Ahead
from tersely.samplers.base import Progress, Refilling
from tersely.stop import Stopped, StopRequest


@contextmanager
def run_ahead(work: Work, sampler: Sampler, blocks: Sequence[tuple[int, Sequence[Problem]]]) -> Iterator[Ahead | None]:
    """The sampler, told of this process's share of all blocks, which keeps what ends on disk; None for one that reads
    whole blocks. ``blocks``: (number of their first new response, problems)."""
    if not isinstance(sampler, Refilling):
        yield None
        return
    world = work.world
    with world.collective_errors():  # and none writes before all have read
        there = list(read_ended(work.folder))
    mark = f"{work.source.engine} {work.identity['weights_sha256']}"
    log = None if world.rank % work.together else EndedLog(work.folder, world.rank)
    with closing(Ahead(sampler, _prompts(work, blocks), work.protocol.sampling, mark, there, log)) as ahead:
        yield ahead


def sample_share(work: Work, ahead: Ahead, stop: StopRequest, progress: Progress) -> None:
    """All of this process's share, before any process waits for another; Stopped where a stop was asked for."""
    with work.world.collective_errors():
        # Processes that decode together take every step together: a kill ends them, and what has ended is kept.
        ahead.finish(progress, lambda: work.together == 1 and stop.requested is not None)
    if signum := max(work.world.all_gather(stop.requested or 0)):
        stopped = Stopped(signum, f"every response that has ended is kept in {work.folder}")
        raise work.world.raise_on_rank0(stopped)


def _prompts(work: Work, blocks: Sequence[tuple[int, Sequence[Problem]]]) -> list[Prompt]:
    """One a response, in the order in which they will be asked for."""
    return [
        Prompt(problem.id, work.prompts[problem.id], sample)
        for first, block in blocks
        for problem in work.world.share(block, work.together)
        for sample in range(first, work.protocol.k)
    ]


def progress_of(display: Display, stop: StopRequest, kept: Path | None) -> Progress:
    """Shows how far sampling is. Where every response is ``kept`` the moment it ends, a stop need not wait for the
    others: Stopped."""

    def told(done: int, total: int) -> None:
        display.phase("sampling", done, total)
        if stop.requested and kept is not None:
            raise Stopped(stop.requested, f"{done} of {total} responses are kept in {kept}")

    return told
