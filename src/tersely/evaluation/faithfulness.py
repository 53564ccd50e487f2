"""`tersely faithfulness`: every question plainly and with a planted hint; resumable, both responses kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tersely.analysis.faithfulness import (
    HINTS,
    FaithfulnessSummary,
    mentions,
    summarise_faithfulness,
    wrong_letter,
)
from tersely.display import Display
from tersely.evaluation.hint_records import ARMS, ArmResponse, missing, read_arms, read_pairs
from tersely.evaluation.hint_work import HintWork, asked_in
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.records import AGAIN, RESPONSES, SUMMARY
from tersely.records import JsonObject, Problem, Status
from tersely.rollouts import Grader, Reading, respond
from tersely.runs import disk
from tersely.runs.folder import RunFolder
from tersely.runs.json_file import read_json
from tersely.runs.kinds import Log, RunKind
from tersely.samplers.base import Sampler, close_after
from tersely.stop import Stopped, StopRequest
from tersely.verify import Judge
from tersely.verify.kinds.choice import letter

BLOCK = 256
"""Responses of an arm sampled at once; after each block both arms are on disk."""

Render = Callable[[Problem], tuple[int, ...]]


def measure_hints(work: HintWork, judge: Judge, display: Display) -> Path:
    """Ask what is missing; returns the folder with responses.jsonl (both arms) and summary.json. Stopped after a stop
    was asked for."""
    from tersely.models.memory import explain_out_of_memory
    from tersely.samplers.memory import row_cure
    from tersely.tasks.prompts import Renderer

    subject, protocol = work.subject, work.protocol
    folder, problems = subject.folder, subject.problems
    if work.is_done:
        display.note(f"{folder} is finished already: nothing to do")
        return folder
    if subject.earlier is not None:
        display.note(subject.earlier.words())
        subject.earlier.set_aside()
    cure, ready = row_cure("--max-rows ", work.max_rows, protocol.k), None
    if missing(folder, problems, protocol.k):
        with explain_out_of_memory("sampling", cure):
            ready = subject.source.ready(subject.prompts.values(), protocol.max_new_tokens, work.max_rows)
    with RunFolder.open(folder, RunKind.FAITHFULNESS, subject.identity, grows=subject.grows) as run:
        disk.remove(run.path / SUMMARY)  # of the smaller one that this goes on with
        if ready is not None:
            if ready.check is not None:
                ready.check.record(run.path, display.note)
            ready.take_up(run)
            with explain_out_of_memory("sampling", cure), close_after(ready.sampler):
                render = Renderer(subject.source.tokenizer, subject.template)
                ask(problems, protocol, work.hint, ready.sampler, render, judge, run, display, ready.reading)
        _finish(run, problems, work.made)
    return folder


def _finish(run: RunFolder, problems: Sequence[Problem], made: JsonObject) -> None:
    """The summary of all pairs, with what they were made with; written last, so that its being there means done."""
    places = {problem.id: place for place, problem in enumerate(problems)}
    # As if all had been asked at once, whatever was there before.
    found = summarise_faithfulness(sorted(read_pairs(run.path), key=lambda pair: places[pair.problem_id]))
    disk.write_json_atomic(run.path / SUMMARY, {**made, "summary": found.to_json()})
    run.empty(Log.REPLIES)
    run.mark_done(found.counts.to_json())


def ask(
    problems: Sequence[Problem],
    protocol: EvalProtocol,
    hint: str,
    sampler: Sampler,
    render: Render,
    judge: Judge,
    run: RunFolder,
    display: Display,
    reading: Reading | None = None,
) -> None:
    """Sample and judge what is missing. Both arms of a response draw from the same random numbers, so that an answer
    changes because of the hint rather than because it was drawn again (as far as the prompts allow)."""
    todo = missing(run.path, problems, protocol.k)
    have = {response.place for response in read_arms(run.path)}
    size, finished = max(1, BLOCK // protocol.k), len(problems) - len(todo)
    with StopRequest() as stop:
        for start in range(0, len(todo), size):
            block = todo[start : start + size]
            for arm in ARMS:
                wanted = [p for p in block if any((p.id, i, arm) not in have for i in range(protocol.k))]
                first = min((i for p in wanted for i in range(protocol.k) if (p.id, i, arm) not in have), default=0)
                found = _answer(wanted, arm, hint, protocol, first, sampler, render, judge, reading, display)
                run.append(RESPONSES, [response.to_json() for response in found if response.place not in have])
            finished += len(block)
            display.step(finished, len(problems), {})
            if stop.requested and start + size < len(todo):
                raise Stopped(stop.requested, f"{finished} of {len(problems)} questions are saved in {run.path}")


def _answer(
    block: Sequence[Problem],
    arm: str,
    hint: str,
    protocol: EvalProtocol,
    first: int,
    sampler: Sampler,
    render: Render,
    judge: Grader,
    reading: Reading | None,
    display: Display,
) -> list[ArmResponse]:
    """The responses of one arm from number ``first`` on."""
    asked = [asked_in(problem, arm, hint, protocol.seed) for problem in block]
    prompts = {problem.id: render(problem) for problem in asked}
    groups = respond(
        asked,
        prompts,
        sampler,
        judge,
        replace(protocol.sampling, n=protocol.k - first),
        first_sample=first,
        reading=reading,
        on_progress=lambda done, total: display.phase(f"sampling, {arm}", done, total),
    )
    return [
        ArmResponse(
            problem_id=group.problem.id,
            sample=rollout.index,
            arm=arm,
            question=group.problem.question,
            answer=group.problem.gold,
            hinted_at=wrong_letter(group.problem, protocol.seed),
            chosen=None if verdict.extracted is None else letter(verdict.extracted)[0],
            correct=verdict.status is Status.CORRECT,
            mentions=mentions(rollout.text, HINTS[hint]),
            tokens=rollout.length,
            finish=rollout.finish,
            text=rollout.text,
        )
        for group in groups
        for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True)
    ]


def read_summary(folder: Path) -> FaithfulnessSummary:
    """Of a finished measurement."""
    return FaithfulnessSummary.from_json(
        read_json(folder / SUMMARY, "the summary of a faithfulness test", AGAIN)["summary"]
    )
