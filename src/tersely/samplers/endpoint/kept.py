"""Replies kept in a run folder, so that what goes on asks for none twice."""

from __future__ import annotations

from tersely.runs.folder import RunFolder
from tersely.runs.kinds import Log
from tersely.runs.logs import read_log
from tersely.samplers.base import Sampler
from tersely.samplers.endpoint.sampler import EndpointSampler


def keep_replies(sampler: Sampler, run: RunFolder) -> bool:
    """Go on with the replies that the folder keeps, and keep new ones there. False where no server is asked."""
    if not isinstance(sampler, EndpointSampler):
        return False
    log = run.path / f"{Log.REPLIES}.jsonl"
    there = read_log(log, allow_torn=True) if log.is_file() else []
    sampler.keep(there, lambda line: run.append(Log.REPLIES, [line]))
    return True
