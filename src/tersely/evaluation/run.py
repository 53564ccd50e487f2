"""`tersely evaluate`: sample, judge and count one model under one protocol; a finished response is never redone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from tersely.analysis.summary import summarise
from tersely.display import Display
from tersely.evaluation.judged import eval_records, judged_again
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.records import (
    EXPECTED,
    RESPONSES,
    SUMMARY,
    read_responses,
    responses_on_disk,
    source_of_lengths,
)
from tersely.evaluation.share import progress_of, run_ahead, sample_share
from tersely.evaluation.source import Model, Ready
from tersely.evaluation.work import Choices, Work, prepare
from tersely.learn.parallel import World
from tersely.models.environment import environment
from tersely.models.memory import explain_out_of_memory
from tersely.records import EvalRecord, Group, JsonObject, Problem, Verdict
from tersely.rollouts import Grader, judge_for, respond, unjudged_words
from tersely.runs import disk
from tersely.runs.ended import drop_ended
from tersely.runs.folder import RunFolder
from tersely.runs.kinds import Log, RunKind
from tersely.samplers.base import close_after
from tersely.samplers.memory import row_cure
from tersely.stop import Stopped, StopRequest
from tersely.verify.summary import counts
from tersely.verify.verifier import Verifier

WORKERS = 2
"""Processes that judge."""


def evaluate(
    model: Model,
    protocol: EvalProtocol,
    out: Path | None,
    display: Display,
    *,
    workers: int = WORKERS,
    judge: Grader | None = None,
    verifier: Verifier | str | None = None,
    **more: Unpack[Choices],
) -> Path:
    """Evaluate one model, in a folder or behind a server; returns the folder with responses.jsonl and summary.json.

    ``judge`` (or a ``verifier`` for one of ours) takes the place of the one that the problems ask for.
    Raises UserError where the model, the task or the folder cannot be used, Stopped after a stop was asked for.
    """
    with World.joined() as world, judge_for(judge, workers, verifier, more.get("policy")) as grader:
        choices: Choices = {**more, "world": world}
        with world.collective_errors():
            work = prepare(model, protocol, out, grader, trust_judge=judge is not None, **choices)
        return measure(work, display)


def measure(work: Work, display: Display) -> Path:
    """Open the model, then the folder; sample and judge what is missing; write the summary. Returns the folder.

    Of several processes each samples and judges its share of the problems, and the first keeps all of them.
    """
    world = work.world
    if work.is_done:
        display.note(f"{work.folder} is finished already: nothing to do")
        return work.folder
    for note in work.notes:
        display.note(note)
    with world.collective_errors():
        if work.earlier is not None and world.is_main:
            work.earlier.set_aside()
    cure = row_cure("--max-rows ", work.max_rows, work.protocol.k)
    with world.collective_errors(), explain_out_of_memory("sampling", cure):
        ready = _open(work)
    with _folder(work) as run:
        have = world.broadcast(lambda: _begin(work, run, ready, display) if run else None)
        if ready is not None:
            with explain_out_of_memory("sampling", cure):
                _respond(work, ready, run, {(name, sample) for name, sample in have or ()}, display)
        with world.collective_errors():
            if run:
                _finish(work, run)
    return work.folder


def _folder(work: Work) -> AbstractContextManager[RunFolder | None]:
    """The folder of the evaluation, locked, in the first process; nothing in the others."""
    with work.world.collective_errors():
        if work.world.is_main:
            return RunFolder.open(work.folder, RunKind.EVALUATION, work.identity, grows=work.grows)
    return nullcontext()


def _begin(work: Work, run: RunFolder, ready: Ready | None, display: Display) -> list[list[Any]]:
    """What stands in the folder before a response is sampled; [problem, sample] of every response that is there."""
    if (run.path / SUMMARY).exists():  # of the smaller one that this goes on with
        disk.remove(run.path / SUMMARY)
    disk.write_json_atomic(run.path / EXPECTED, {"responses": len(work.problems) * work.protocol.k})
    there = responses_on_disk(run.path)
    _judge_again(work, run, there)
    if ready is not None and ready.check is not None:
        ready.check.record(run.path, display.note)
    return [list(one) for one in _answered(there)]


def _finish(work: Work, run: RunFolder) -> None:
    """The summary of all responses, with what they were made with; written last, so that its being there means done."""
    places = {problem.id: place for place, problem in enumerate(work.problems)}
    # As if all had been asked at once, whatever was there before.
    records = sorted(read_responses(run.path), key=lambda record: (places.get(record.problem_id, -1), record.sample))
    summary = summarise(records, work.rules).to_json()
    made = {**work.made, **source_of_lengths(r.length_source for r in records), **counts(records, work.rules.policy)}
    content = {"protocol": work.rules.to_json(), **made, "versions": environment(), "summary": summary}
    disk.write_json_atomic(run.path / SUMMARY, content)
    run.empty(Log.REPLIES)
    drop_ended(run.path)
    run.mark_done({"responses": len(records)})


def _open(work: Work) -> Ready | None:
    """The model opened for what is missing in the folder, which need not be there; None where nothing is."""
    todo = _missing(work, _answered(responses_on_disk(work.folder)))
    if not todo:
        return None
    prompts = [work.prompts[p.id] for problems in todo.values() for p in problems]
    return work.source.ready(prompts, work.protocol.max_new_tokens, work.max_rows, work.sampler)


def _answered(there: Sequence[EvalRecord]) -> set[tuple[str, int]]:
    """(problem, sample) of every response."""
    return {(record.problem_id, record.sample) for record in there}


def _missing(work: Work, have: Collection[tuple[str, int]]) -> dict[int, list[Problem]]:
    """How many responses there are -> the problems that have so many and lack more."""
    counts = Counter(problem_id for problem_id, _ in have)
    found: dict[int, list[Problem]] = {}
    for problem in work.problems:
        if counts[problem.id] < work.protocol.k:
            found.setdefault(counts[problem.id], []).append(problem)
    # Those begun come first, so that a log that a crash cut short ends as it would have ended without.
    return dict(sorted(found.items(), reverse=True))


def _blocks(work: Work, have: Collection[tuple[str, int]]) -> list[tuple[int, Sequence[Problem]]]:
    """(number of their first new response, problems) of each block that is sampled at once."""
    at_once = work.source.blocks * work.max_rows * work.world.size // work.together
    blocks: list[tuple[int, Sequence[Problem]]] = []
    for first, todo in _missing(work, have).items():
        size = max(1, at_once // (work.protocol.k - first))
        blocks += [(first, todo[i : i + size]) for i in range(0, len(todo), size)]
    return blocks


def _judge_again(work: Work, run: RunFolder, there: Sequence[EvalRecord]) -> None:
    """What an earlier try could not judge by no fault of the answer; a later line replaces an earlier one."""
    asked = {problem.id: problem for problem in work.problems}
    again = [record for record in there if record.outside]
    verdicts = work.judge.grade([(asked[record.problem_id], record.text) for record in again])
    run.append(RESPONSES, [judged_again(r, v).to_json() for r, v in zip(again, verdicts, strict=True) if not v.outside])


def _respond(
    work: Work, ready: Ready, run: RunFolder | None, have: Collection[tuple[str, int]], display: Display
) -> None:
    """Sample and judge what is missing, block by block; an engine that can goes on with later blocks meanwhile."""
    total, finished, verdicts = len(work.problems) * work.protocol.k, len(have), list[Verdict]()
    blocks, is_kept = _blocks(work, have), run is not None and ready.take_up(run)
    with (
        StopRequest() as stop,
        close_after(ready.sampler, given=work.sampler),
        run_ahead(work, ready.sampler, blocks) as ahead,
    ):
        is_kept |= ahead is not None
        progress = progress_of(display, stop, work.folder if is_kept and work.world.size == 1 else None)
        if ahead is not None and work.world.size > 1:
            sample_share(work, ahead, stop, progress)
        for number, (first, block) in enumerate(blocks, start=1):
            groups = list[Group]()
            with work.world.collective_errors():
                if own := work.world.share(block, work.together):
                    groups = respond(
                        own,
                        work.prompts,
                        ahead or ready.sampler,
                        work.judge,
                        replace(work.protocol.sampling, n=work.protocol.k - first),
                        first_sample=first,
                        reading=ready.reading,
                        on_progress=progress,
                    )
            fresh = _of_all(work, [eval_records(group, ready.thinking) for group in groups])
            with work.world.collective_errors():
                if run:
                    run.append(RESPONSES, fresh)
            finished += len(fresh)
            verdicts += [verdict for group in groups for verdict in group.verdicts]
            display.step(finished, total, {})
            signum = max(work.world.all_gather(stop.requested or 0))
            if signum and number < len(blocks):
                stopped = Stopped(signum, f"{finished} of {total} responses are saved in {work.folder}")
                raise work.world.raise_on_rank0(stopped)
    if text := unjudged_words(verdicts):
        display.note(f"{text}; they enter no accuracy")


def _of_all(work: Work, own: Sequence[Sequence[EvalRecord]]) -> list[JsonObject]:
    """The responses of all processes, problem by problem as they were asked; ``own``: to each problem of our share."""
    shares = work.world.all_gather([[record.to_json() for record in records] for records in own])
    return [record for records in work.world.merge(shares, work.together) for record in records]
