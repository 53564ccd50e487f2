"""`tersely evaluate`: sample, judge and count one model under one protocol; a finished response is never redone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

import torch

from tersely.analysis.facts import ProtocolFacts
from tersely.analysis.summary import summarise
from tersely.display import Display
from tersely.errors import UserError
from tersely.evaluation.growth import more_of_it
from tersely.evaluation.judged import eval_records, judged_again
from tersely.evaluation.protocol import EvalProtocol, identity
from tersely.evaluation.records import (
    EXPECTED,
    RESPONSES,
    SUMMARY,
    evaluation_folder,
    read_responses,
)
from tersely.evaluation.terms import Asking, pick_template, require_verifier_of_training, within_positions
from tersely.evaluation.thinking import ThinkingCounter
from tersely.facts import Facts
from tersely.models.digest import weights_digest_once
from tersely.models.environment import environment
from tersely.models.load import load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.memory import explain_out_of_memory
from tersely.models.prompt_identity import prompt_identity_of
from tersely.models.text import ResponseText
from tersely.opened import OpenedModel, open_model, sampling_alone
from tersely.records import EvalRecord, JsonObject, Problem, Verdict
from tersely.rollouts import Grader, PromptIds, judge_for, load_problems, respond, unjudged_words, verifier_of
from tersely.runs import disk
from tersely.runs.folder import RunFolder, unfinished_step
from tersely.runs.identity import Grows
from tersely.runs.kinds import RunKind
from tersely.samplers import Sampler, Sampling
from tersely.samplers.base import close_after
from tersely.samplers.engines import find_engine
from tersely.samplers.memory import row_cure
from tersely.stop import Stopped, StopRequest
from tersely.tasks import task_digest
from tersely.tasks.overlap import refuse_trained_on
from tersely.tasks.prompts import render_all
from tersely.tasks.sources.own import OwnTask
from tersely.verify.summary import counts
from tersely.verify.verifier import Verifier

WORKERS = 2
"""Processes that judge."""

MAX_ROWS = 256
"""Responses decoded at once; the finished ones are on disk after as many blocks of them as the engine is asked for."""


@dataclass(frozen=True, slots=True)
class Work:
    """One evaluation to be made: everything that can be refused has been looked at, and nothing is written yet."""

    weights: Path
    folder: Path
    problems: Sequence[Problem]
    protocol: EvalProtocol
    tokenizer: Any
    prompts: PromptIds
    """With an instruction to be brief at the end of each, if any."""
    judge: Grader
    facts: Facts
    rules: ProtocolFacts
    """What is recorded of the protocol, with the model."""
    identity: JsonObject
    """Decides whether the folder may be gone on with."""
    grows: Grows
    """Which smaller evaluations it goes on with."""
    made: JsonObject
    """What is recorded beside the protocol."""
    notes: tuple[str, ...]
    """What a reader must know before it begins."""
    max_rows: int
    sampler: Sampler | None
    """A caller's own; None makes one."""
    is_done: bool
    """Finished before: nothing is left to do."""


def evaluate(
    model_path: Path,
    protocol: EvalProtocol,
    out: Path | None,
    display: Display,
    *,
    workers: int = WORKERS,
    judge: Grader | None = None,
    verifier: Verifier | str | None = None,
    **more: Unpack[Choices],
) -> Path:
    """Evaluate one model; returns the evaluation folder with responses.jsonl and summary.json.

    ``judge`` (or a ``verifier`` for one of ours) takes the place of the one that the problems ask for.
    Raises UserError where the model, the task or the folder cannot be used, Stopped after a stop was asked for.
    """
    with judge_for(judge, workers, verifier, more.get("policy")) as grader:
        return measure(prepare(model_path, protocol, out, grader, trust_judge=judge is not None, **more), display)


class Choices(TypedDict, total=False):
    """What `prepare` and `evaluate` take besides: all have defaults."""

    command: Required[str]
    """As it was given, for the record."""
    other_template: bool
    other_verifier: bool
    allow_overlap: bool
    drop_unjudgeable: bool
    """Leave out problems whose golds cannot be judged."""
    policy: str | None
    """What counts as correct where it is not our own rule; the judge must be made for it."""
    threads: int
    """Of the CPU; 0 leaves torch's own choice."""
    engine: str
    max_rows: int
    source: str | None
    """Where the problems come from, where the task of the protocol is only its name in a suite."""
    checkpoint: Path | None
    """Of the run folder, to evaluate instead of its newest."""
    problems: OwnTask | None
    """In place of those that the protocol names."""
    sampler: Sampler | None
    """In place of the engine."""


def prepare(
    model_path: Path,
    protocol: EvalProtocol,
    out: Path | None,
    grader: Grader,
    *,
    trust_judge: bool = False,
    **more: Unpack[Choices],
) -> Work:
    """Look at everything that can be refused; no weights are loaded and nothing is written.

    ``trust_judge``: the judge is the caller's own, whatever the model was trained with. Several evaluations are all
    prepared before the first is measured, so that nothing is refused after hours of sampling.
    """
    max_rows, checkpoint = more.get("max_rows", MAX_ROWS), more.get("checkpoint")
    _take_machine(more.get("threads", 0), max_rows)
    facts = Facts.of(more.get("engine", "auto"))
    weights = locate_model(str(checkpoint or model_path))
    protocol = _under_its_step(protocol, model_path, weights)
    folder = evaluation_folder(model_path, protocol.name, out)
    template = pick_template(weights, protocol.template, more.get("other_template", False))
    tokenizer = load_tokenizer(weights)
    asking = Asking.of(protocol, tokenizer, template)
    if not trust_judge:
        require_verifier_of_training(weights, verifier_of(grader), more.get("other_verifier", False))
    source = more.get("source") or protocol.task
    drop, policy = more.get("drop_unjudgeable", False), more.get("policy")
    task = more.get("problems") or source
    loaded = load_problems(task, "held_out", protocol.size, grader, template, drop=drop)
    asked = loaded.problems
    refuse_trained_on(model_path, asked, more.get("allow_overlap", False))
    prompts = render_all(asked, tokenizer, asking.template, asking.sentence)
    protocol = within_positions(weights, protocol, max(map(len, prompts.values())))
    rules = protocol.facts(template, task_digest(asked)).judged_by(verifier_of(grader)).counted_by(policy)
    rules = rules.lowered_from(protocol.suite_cap)
    digests = {"weights_sha256": weights_digest_once(weights), **prompt_identity_of(weights, tokenizer, prompts)}
    # Not among the facts: models sampled by different engines are compared, but one folder is of one engine.
    engine = {} if find_engine(facts.engine).bit_exact else {"engine": facts.engine}
    identifying = {**identity(rules), **digests, **loaded.identity, **engine}
    grows = more_of_it(identifying, asked, prompts)
    finished = RunFolder.look(folder, RunKind.EVALUATION, identifying, grows) is not None
    made = {"data": source, "weights_sha256": digests["weights_sha256"], "engine": facts.engine}
    return Work(
        weights=weights,
        folder=folder,
        problems=asked,
        protocol=protocol,
        tokenizer=tokenizer,
        prompts=prompts,
        judge=grader,
        facts=facts,
        rules=rules.of_model(str(model_path)),
        identity=identifying,
        grows=grows,
        made={**made, **loaded.report, "command": more["command"]},
        notes=tuple(_notes(model_path, folder, protocol, checkpoint, loaded.words())),
        max_rows=max_rows,
        sampler=more.get("sampler"),
        is_done=finished and not any(record.outside for record in _on_disk(folder)),
    )


def _take_machine(threads: int, max_rows: int) -> None:
    """UserError where no response could be decoded."""
    if threads:
        torch.set_num_threads(threads)
    if max_rows < 1:
        raise UserError(f"max_rows is {max_rows}: at least one response must be decoded at once")


def _under_its_step(protocol: EvalProtocol, model: Path, weights: Path) -> EvalProtocol:
    """The protocol, named by the step where a run is still training: its plain name is for the run's last weights."""
    return protocol if protocol.step is not None else replace(protocol, step=unfinished_step(model, weights))


def _notes(
    model: Path, folder: Path, protocol: EvalProtocol, checkpoint: Path | None, dropped: str | None
) -> Iterator[str]:
    """What is measured otherwise than asked, in words."""
    if checkpoint is None and protocol.step is not None:
        yield f"{model} is not trained to its end: its step {protocol.step} is evaluated, as {folder}"
    if dropped:
        yield dropped
    if protocol.suite_cap is not None:
        lowered = f"to {protocol.max_new_tokens} tokens, which the model's positions allow"
        yield f"the suite's cap of {protocol.suite_cap} is lowered {lowered}"


def measure(work: Work, display: Display) -> Path:
    """Open the model, then the folder; sample and judge what is missing; write the summary. Returns the folder."""
    if work.is_done:
        display.note(f"{work.folder} is finished already: nothing to do")
        return work.folder
    for note in work.notes:
        display.note(note)
    cure = row_cure("--max-rows ", work.max_rows, work.protocol.k)
    with explain_out_of_memory("sampling", cure):
        ready = _open(work)
    with RunFolder.open(work.folder, RunKind.EVALUATION, work.identity, grows=work.grows) as run:
        if (run.path / SUMMARY).exists():  # of the smaller one that this goes on with
            disk.remove(run.path / SUMMARY)
        disk.write_json_atomic(run.path / EXPECTED, {"responses": len(work.problems) * work.protocol.k})
        _judge_again(work, run)
        if ready is not None:
            ready.opened.record_check(run.path, display)
            with explain_out_of_memory("sampling", cure):
                _respond(work, ready, run, display)
        _finish(work, run)
    return work.folder


def _finish(work: Work, run: RunFolder) -> None:
    """The summary of all responses, with what they were made with; written last, so that its being there means done."""
    places = {problem.id: place for place, problem in enumerate(work.problems)}
    # As if all had been asked at once, whatever was there before.
    records = sorted(read_responses(run.path), key=lambda record: (places.get(record.problem_id, -1), record.sample))
    summary = summarise(records, work.rules).to_json()
    made = {**work.made, **counts(records, work.rules.policy)}
    content = {"protocol": work.rules.to_json(), **made, "versions": environment(), "summary": summary}
    disk.write_json_atomic(run.path / SUMMARY, content)
    run.mark_done({"responses": len(records)})


@dataclass(frozen=True, slots=True)
class Ready:
    """A model with what samples from it."""

    opened: OpenedModel
    prompts: PromptIds
    sampler: Sampler
    reading: ResponseText
    thinking: ThinkingCounter


def _open(work: Work) -> Ready | None:
    """The model opened for what is missing in the folder, which need not be there; None where nothing is."""
    todo = _missing(work, _answered(work.folder))
    if not todo:
        return None
    opened = open_model(work.weights, work.facts, work.tokenizer)
    prompts = {p.id: work.prompts[p.id] for problems in todo.values() for p in problems}
    settings = sampling_alone(work.protocol.max_new_tokens, work.max_rows)
    sampler = work.sampler or opened.make_sampler(settings, prompts.values())
    return Ready(opened, prompts, sampler, ResponseText(opened.tokenizer), ThinkingCounter(opened.tokenizer))


def _on_disk(folder: Path) -> list[EvalRecord]:
    """Every response that is on disk."""
    there = (folder / f"{RESPONSES}.jsonl").is_file()
    return read_responses(folder, allow_torn=True) if there else []


def _answered(folder: Path) -> set[tuple[str, int]]:
    """(problem, sample) of every response that is on disk."""
    return {(r.problem_id, r.sample) for r in _on_disk(folder)}


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
    at_once = find_engine(work.facts.engine).blocks * work.max_rows
    blocks: list[tuple[int, Sequence[Problem]]] = []
    for first, todo in _missing(work, have).items():
        size = max(1, at_once // (work.protocol.k - first))
        blocks += [(first, todo[i : i + size]) for i in range(0, len(todo), size)]
    return blocks


def _judge_again(work: Work, run: RunFolder) -> None:
    """What an earlier try could not judge by no fault of the answer; a later line replaces an earlier one."""
    asked = {problem.id: problem for problem in work.problems}
    again = [record for record in _on_disk(run.path) if record.outside]
    verdicts = work.judge.grade([(asked[record.problem_id], record.text) for record in again])
    run.append(RESPONSES, [judged_again(r, v).to_json() for r, v in zip(again, verdicts, strict=True) if not v.outside])


def _respond(work: Work, ready: Ready, run: RunFolder, display: Display) -> None:
    """Sample and judge what is missing, block by block."""
    protocol, have = work.protocol, _answered(run.path)
    sampling = Sampling(
        protocol.k, protocol.max_new_tokens, protocol.temperature, protocol.top_p, protocol.sampling_seed
    )
    total, finished, verdicts = len(work.problems) * protocol.k, len(have), list[Verdict]()
    blocks = _blocks(work, have)
    with StopRequest() as stop, close_after(ready.sampler, given=work.sampler):
        for number, (first, block) in enumerate(blocks, start=1):
            groups = respond(
                block,
                ready.prompts,
                ready.sampler,
                work.judge,
                replace(sampling, n=protocol.k - first),
                first_sample=first,
                reading=ready.reading,
                on_progress=lambda done, total: display.phase("sampling", done, total),
            )
            fresh = [record.to_json() for group in groups for record in eval_records(group, ready.thinking)]
            run.append(RESPONSES, fresh)
            finished += len(fresh)
            verdicts += [verdict for group in groups for verdict in group.verdicts]
            display.step(finished, total, {})
            if stop.requested and number < len(blocks):
                raise Stopped(stop.requested, f"{finished} of {total} responses are saved in {run.path}")
    if text := unjudged_words(verdicts):
        display.note(f"{text}; they enter no accuracy")
