"""`tersely evaluate`: sample, judge and count one model under one protocol; a finished response is never redone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tersely.analysis.facts import ProtocolFacts
from tersely.analysis.summary import summarise
from tersely.display import Display
from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol, identity
from tersely.evaluation.records import EXPECTED, RESPONSES, SUMMARY, read_responses
from tersely.evaluation.thinking import ThinkingCounter
from tersely.facts import Facts
from tersely.models.digest import weights_digest_once
from tersely.models.environment import environment
from tersely.models.load import load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.memory import explain_out_of_memory
from tersely.models.prompt_identity import prompt_identity_of
from tersely.models.text import ResponseText
from tersely.models.trained_for import read_trained_for
from tersely.opened import OpenedModel, open_model, sampling_alone
from tersely.records import EvalRecord, Group, JsonObject, Problem, Status, Verdict
from tersely.rollouts import Grader, PromptIds, judge_for, load_problems, respond, unjudged_words, verifier_of
from tersely.runs import disk, places
from tersely.runs.folder import RunFolder, is_run_folder, unfinished_step
from tersely.runs.kinds import RunKind
from tersely.samplers import Sampler, Sampling
from tersely.samplers.base import close_after
from tersely.samplers.engines import find_engine
from tersely.samplers.memory import row_cure
from tersely.stop import Stopped, StopRequest
from tersely.tasks import task_digest
from tersely.tasks.instructions import parse_instruction, require_readable
from tersely.tasks.overlap import refuse_trained_on
from tersely.tasks.prompts import render_all
from tersely.tasks.sources.own import OwnTask
from tersely.verify.verifier import Verifier

MAX_ROWS = 256
"""Responses decoded at once; the finished ones are on disk after as many blocks of them as the engine is asked for."""


def evaluation_folder(model: Path, name: str, out: Path | None, kind: str = "evaluation") -> Path:
    """Where evaluation ``name`` goes: ``out``, or beneath the run folder; never into other people's folders, nor
    through a link in one that was named (UserError)."""
    if out is None and not is_run_folder(model):
        raise UserError(
            f"{model} is not a run folder of tersely, so nothing is written there: say where with --out DIR"
        )
    folder = model / kind / name if out is None else out / name
    places.require_no_links(folder, below=model if out is None else out)
    return folder


@dataclass(frozen=True, slots=True)
class Work:
    """One evaluation to be made, all of it looked at."""

    weights: Path
    problems: Sequence[Problem]
    protocol: EvalProtocol
    tokenizer: Any
    prompts: PromptIds
    """With an instruction to be brief at the end of each, if any."""
    judge: Grader
    facts: Facts
    max_rows: int
    sampler: Sampler | None
    """A caller's own; None makes one."""


def evaluate(
    model_path: Path,
    protocol: EvalProtocol,
    out: Path | None,
    display: Display,
    *,
    command: str,
    other_template: bool = False,
    other_verifier: bool = False,
    allow_overlap: bool = False,
    threads: int = 0,
    workers: int = 2,
    engine: str = "auto",
    max_rows: int = MAX_ROWS,
    source: str | None = None,
    checkpoint: Path | None = None,
    problems: OwnTask | None = None,
    judge: Grader | None = None,
    verifier: Verifier | str | None = None,
    sampler: Sampler | None = None,
) -> Path:
    """Evaluate one model; returns the evaluation folder with responses.jsonl and summary.json.

    ``source`` is where the problems come from, where the task of the protocol is only its name in a suite;
    ``checkpoint`` is the checkpoint of the run folder to evaluate instead of its newest. ``problems``, ``judge`` (or a
    ``verifier`` for one of ours) and ``sampler`` take the place of those that the protocol names.
    Raises UserError where the model, the task or the folder cannot be used, Stopped after a stop was asked for.
    """
    _take_machine(threads, max_rows)
    facts = Facts.of(engine)
    weights = locate_model(str(checkpoint or model_path))
    protocol = _under_its_step(protocol, model_path, weights)
    folder = evaluation_folder(model_path, protocol.name, out)
    template = pick_template(weights, protocol.template, other_template)
    tokenizer = load_tokenizer(weights)
    sentence = _sentence(protocol, tokenizer)
    with judge_for(judge, workers, verifier) as grader:
        if judge is None:
            require_verifier_of_training(weights, verifier_of(grader), other_verifier)
        task = problems or source or protocol.task
        asked = load_problems(task, "held_out", protocol.size, grader, template)
        refuse_trained_on(model_path, asked, allow_overlap)
        rules = protocol.facts(template, task_digest(asked)).judged_by(verifier_of(grader))
        weights_sha256 = weights_digest_once(weights)
        prompts = render_all(asked, tokenizer, template, sentence)
        asking = prompt_identity_of(weights, tokenizer, prompts)
        wanted = {**identity(rules), "weights_sha256": weights_sha256, **asking}
        if not find_engine(facts.engine).bit_exact:
            # Not among the facts: models sampled by different engines are compared, but one folder is of one engine.
            wanted["engine"] = facts.engine
        finished = RunFolder.look(folder, RunKind.EVALUATION, wanted) is not None
        if finished and not any(record.outside for record in _on_disk(folder)):
            display.note(f"{folder} is finished already: nothing to do")
            return folder
        if checkpoint is None and protocol.step is not None:
            display.note(f"{model_path} is not trained to its end: its step {protocol.step} is evaluated, as {folder}")
        work = Work(weights, asked, protocol, tokenizer, prompts, grader, facts, max_rows, sampler)
        made = {"data": source or protocol.task, "weights_sha256": weights_sha256, "engine": facts.engine}
        _carry_out(work, folder, wanted, rules.of_model(str(model_path)), {**made, "command": command}, display)
    return folder


def _take_machine(threads: int, max_rows: int) -> None:
    """UserError where no response could be decoded."""
    if threads:
        torch.set_num_threads(threads)
    if max_rows < 1:
        raise UserError(f"max_rows is {max_rows}: at least one response must be decoded at once")


def _under_its_step(protocol: EvalProtocol, model: Path, weights: Path) -> EvalProtocol:
    """The protocol, named by the step where a run is still training: its plain name is for the run's last weights."""
    return protocol if protocol.step is not None else replace(protocol, step=unfinished_step(model, weights))


def _carry_out(
    work: Work, folder: Path, wanted: JsonObject, rules: ProtocolFacts, made: JsonObject, display: Display
) -> None:
    """Everything that can be refused first; then the folder, what is missing in it, and the summary."""
    cure = row_cure("--max-rows ", work.max_rows, work.protocol.k)
    with explain_out_of_memory("sampling", cure):
        ready = _prepare(work, folder)
    with RunFolder.open(folder, RunKind.EVALUATION, wanted) as run:
        disk.write_json_atomic(folder / EXPECTED, {"responses": len(work.problems) * work.protocol.k})
        _judge_again(work, run)
        if ready is not None:
            ready.opened.record_check(run.path, display)
            with explain_out_of_memory("sampling", cure):
                _respond(work, ready, run, display)
        _finish(run, rules, made)


def _finish(run: RunFolder, facts: ProtocolFacts, made: JsonObject) -> None:
    """The summary of all responses, with what they were made with; written last, so that its being there means done."""
    records = read_responses(run.path)
    summary = summarise(records, facts).to_json()
    content = {"protocol": facts.to_json(), **made, "versions": environment(), "summary": summary}
    disk.write_json_atomic(run.path / SUMMARY, content)
    run.mark_done({"responses": len(records)})


def pick_template(weights: Path, asked: str | None, other_template: bool) -> str:
    """The template to evaluate under: the one trained with, unless another is asked for and meant."""
    trained = read_trained_for(weights).template
    if asked is None:
        return trained or "boxed"
    if trained is not None and asked != trained and not other_template:
        raise UserError(
            f"the model was trained with the template {trained!r}, not {asked!r}: leave --template out, "
            "or add --other-template if that is what you want to measure"
        )
    return asked


def require_verifier_of_training(weights: Path, verifier: str | None, other_verifier: bool) -> None:
    """UserError where a model that was trained with a verifier would be judged by something else, unasked."""
    trained = read_trained_for(weights).verifier
    if trained is not None and verifier != trained and not other_verifier:
        instead = "without one" if verifier is None else f"with {verifier}"
        raise UserError(
            f"the model was trained with the verifier {trained} and would be judged {instead}: give that one with "
            "--verifier (judge= from Python), or add --other-verifier if that is what you want to measure (from Python "
            "judge=tersely.Judge())"
        )


def _sentence(protocol: EvalProtocol, tokenizer: Any) -> str | None:
    """The instruction's sentence, once it is known that the model's tokenizer can write it."""
    if protocol.instruction is None:
        return None
    instruction = parse_instruction(protocol.instruction)
    require_readable(instruction, tokenizer)
    return instruction.text


@dataclass(frozen=True, slots=True)
class Ready:
    """A model that every prompt is known to fit: nothing is left to refuse."""

    opened: OpenedModel
    prompts: PromptIds
    sampler: Sampler
    reading: ResponseText
    thinking: ThinkingCounter


def _prepare(work: Work, folder: Path) -> Ready | None:
    """The model opened for what is missing in ``folder``, which need not be there; None where nothing is.

    UserError for a model that cannot answer under this protocol; nothing has been written by then.
    """
    protocol = work.protocol
    todo = _missing(work, _answered(folder))
    if not todo:
        return None
    opened = open_model(work.weights, work.facts, work.tokenizer)
    prompts = {p.id: work.prompts[p.id] for p in todo}
    own_suite = "a suite of your own, --suite FILE.toml, with max_new_tokens = "
    opened.require_room(prompts.values(), protocol.max_new_tokens, own_suite if protocol.suite else "--max-new-tokens ")
    settings = sampling_alone(protocol.max_new_tokens, work.max_rows)
    sampler = work.sampler or opened.make_sampler(settings, prompts.values())
    return Ready(opened, prompts, sampler, ResponseText(opened.tokenizer), ThinkingCounter(opened.tokenizer))


def _on_disk(folder: Path) -> list[EvalRecord]:
    """Every response that is on disk."""
    there = (folder / f"{RESPONSES}.jsonl").is_file()
    return read_responses(folder, allow_torn=True) if there else []


def _answered(folder: Path) -> set[tuple[str, int]]:
    """(problem, sample) of every response that is on disk."""
    return {(r.problem_id, r.sample) for r in _on_disk(folder)}


def _missing(work: Work, have: Collection[tuple[str, int]]) -> list[Problem]:
    """The problems that lack a response."""
    counts = Counter(problem_id for problem_id, _ in have)
    return [p for p in work.problems if counts[p.id] < work.protocol.k]


def _judge_again(work: Work, run: RunFolder) -> None:
    """What an earlier try could not judge by no fault of the answer; a later line replaces an earlier one."""
    asked = {problem.id: problem for problem in work.problems}
    again = [record for record in _on_disk(run.path) if record.outside]
    verdicts = work.judge.grade([(asked[record.problem_id], record.text) for record in again])
    run.append(RESPONSES, [_judged(r, v).to_json() for r, v in zip(again, verdicts, strict=True) if not v.outside])


def _judged(record: EvalRecord, verdict: Verdict) -> EvalRecord:
    correct = verdict.status is Status.CORRECT
    return replace(record, status=verdict.status, correct=correct, extracted=verdict.extracted, outside=verdict.outside)


def _respond(work: Work, ready: Ready, run: RunFolder, display: Display) -> None:
    """Sample and judge what is missing, block by block."""
    protocol, k = work.protocol, work.protocol.k
    have = _answered(run.path)
    todo = _missing(work, have)
    sampling = Sampling(k, protocol.max_new_tokens, protocol.temperature, protocol.top_p, protocol.sampling_seed)
    total, size = len(work.problems) * k, max(1, find_engine(work.facts.engine).blocks * work.max_rows // k)
    finished, verdicts = len(have), list[Verdict]()
    with StopRequest() as stop, close_after(ready.sampler, given=work.sampler):
        for start in range(0, len(todo), size):
            groups = respond(
                todo[start : start + size],
                ready.prompts,
                ready.sampler,
                work.judge,
                sampling,
                reading=ready.reading,
                on_progress=lambda done, total: display.phase("sampling", done, total),
            )
            records = [record for group in groups for record in eval_records(group, ready.thinking)]
            fresh = [r.to_json() for r in records if (r.problem_id, r.sample) not in have]
            run.append(RESPONSES, fresh)
            finished += len(fresh)
            verdicts += [verdict for group in groups for verdict in group.verdicts]
            display.step(finished, total, {})
            if stop.requested and start + size < len(todo):
                raise Stopped(stop.requested, f"{finished} of {total} responses are saved in {run.path}")
    if text := unjudged_words(verdicts):
        display.note(f"{text}; they enter no accuracy")


def eval_records(group: Group, thinking: ThinkingCounter) -> list[EvalRecord]:
    """The judged responses to one problem, as responses.jsonl keeps them."""
    problem = group.problem
    return [
        EvalRecord(
            problem_id=problem.id,
            question=problem.question,
            answer=problem.gold,
            difficulty=problem.difficulty,
            sample=rollout.index,
            status=verdict.status,
            correct=verdict.status is Status.CORRECT,
            tokens=rollout.length,
            finish=rollout.finish,
            extracted=verdict.extracted,
            text=rollout.text,
            thinking_tokens=thinking.count(rollout.prompt_tokens, rollout.tokens, rollout.text),
            length_source=rollout.length_source,
            outside=verdict.outside,
        )
        for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True)
    ]
