"""`tersely faithfulness`: every question plainly and with a planted hint; resumable, both responses kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.analysis.faithfulness import (
    HINTS,
    FaithfulnessSummary,
    mentions,
    summarise_faithfulness,
    with_hint,
    wrong_letter,
)
from tersely.display import Display
from tersely.errors import UserError, require_known
from tersely.evaluation.hint_records import ARMS, ArmResponse, missing, read_arms, read_pairs
from tersely.evaluation.protocol import EvalProtocol, identity
from tersely.evaluation.records import AGAIN, RESPONSES, SUMMARY, evaluation_folder
from tersely.models.text import ResponseText
from tersely.records import JsonObject, Kind, Problem, Status
from tersely.rollouts import Grader, PromptIds, respond
from tersely.runs import disk
from tersely.runs.folder import RunFolder
from tersely.runs.identity import Grows
from tersely.runs.json_file import read_json
from tersely.runs.kinds import RunKind
from tersely.samplers.base import Sampler, Sampling, close_after
from tersely.stop import Stopped, StopRequest
from tersely.tasks import load_task, task_digest
from tersely.verify import Judge
from tersely.verify.kinds.choice import letter

if TYPE_CHECKING:
    from tersely.facts import Facts
    from tersely.models.agreement import ModelCheck

BLOCK = 256
"""Responses of an arm sampled at once; after each block both arms are on disk."""

Render = Callable[[Problem], tuple[int, ...]]


def faithfulness(
    model_path: Path,
    protocol: EvalProtocol,
    hint: str,
    out: Path | None,
    display: Display,
    *,
    command: str,
    other_template: bool = False,
    threads: int = 0,
    engine: str = "auto",
    max_rows: int = 256,
) -> Path:
    """Measure one model; returns the folder with responses.jsonl (both arms) and summary.json.

    Raises UserError for a task that is not multiple choice, an unknown hint, a model or folder that cannot be used;
    Stopped after a stop was asked for.
    """
    import torch

    from tersely.evaluation.terms import pick_template
    from tersely.facts import Facts
    from tersely.models.environment import environment
    from tersely.models.load import load_tokenizer
    from tersely.models.locate import locate_model
    from tersely.models.memory import explain_out_of_memory
    from tersely.samplers.memory import row_cure
    from tersely.tasks.prompts import Renderer

    require_known("hint", hint, HINTS)
    if threads:
        torch.set_num_threads(threads)
    facts, weights = Facts.of(engine), locate_model(str(model_path))
    folder = evaluation_folder(model_path, f"{protocol.name}@{hint}", out, kind="faithfulness")
    template = pick_template(weights, protocol.template, other_template)
    tokenizer = load_tokenizer(weights)
    with Judge(workers=1) as judge:
        problems = load_choices(protocol, judge, template)
        rules = {**identity(protocol.facts(template, task_digest(problems))), "hint": hint}
        prompts = _prompts(problems, hint, protocol.seed, tokenizer, template)
        wanted = {**rules, "hint_text": HINTS[hint].text, **_digests(weights, tokenizer, prompts)}
        grows = _grows(wanted, problems, prompts)
        if RunFolder.look(folder, RunKind.FAITHFULNESS, wanted, grows) is not None:
            display.note(f"{folder} is finished already: nothing to do")
            return folder
        cure, ready = row_cure("--max-rows ", max_rows, protocol.k), None
        if missing(folder, problems, protocol.k):
            with explain_out_of_memory("sampling", cure):
                ready = _sampler(weights, facts, tokenizer, protocol, prompts, max_rows)
        with RunFolder.open(folder, RunKind.FAITHFULNESS, wanted, grows=grows) as run:
            disk.remove(run.path / SUMMARY)  # of the smaller one that this goes on with
            if ready is not None:
                sampler, check = ready
                check.record(run.path, display.note)
                with explain_out_of_memory("sampling", cure), close_after(sampler):
                    render, reading = Renderer(tokenizer, template), ResponseText(tokenizer)
                    ask(problems, protocol, hint, sampler, render, judge, run, display, reading)
            made = {"weights_sha256": wanted["weights_sha256"], "versions": environment(), "command": command}
            _finish(run, problems, {"protocol": {**rules, "model": str(model_path)}, **made})
    return folder


def _finish(run: RunFolder, problems: Sequence[Problem], made: JsonObject) -> None:
    """The summary of all pairs, with what they were made with; written last, so that its being there means done."""
    places = {problem.id: place for place, problem in enumerate(problems)}
    # As if all had been asked at once, whatever was there before.
    found = summarise_faithfulness(sorted(read_pairs(run.path), key=lambda pair: places[pair.problem_id]))
    disk.write_json_atomic(run.path / SUMMARY, {**made, "summary": found.to_json()})
    run.mark_done(found.counts.to_json())


def load_choices(protocol: EvalProtocol, judge: Judge, template: str) -> list[Problem]:
    """The task's problems; UserError unless all are multiple choice with choices to hint at."""
    problems = load_task(protocol.task, "held_out", protocol.size, judge.check_golds, template=template)
    other = next((problem for problem in problems if problem.kind != Kind.CHOICE), None)
    if other is not None:
        raise UserError(
            f"{protocol.task} is not multiple choice (problem {other.id} is of kind {other.kind}): hints need choices, "
            "as commonsense_qa and logical_deduction have"
        )
    for problem in problems:
        wrong_letter(problem, protocol.seed)
    return problems


def ask(
    problems: Sequence[Problem],
    protocol: EvalProtocol,
    hint: str,
    sampler: Sampler,
    render: Render,
    judge: Judge,
    run: RunFolder,
    display: Display,
    reading: ResponseText | None = None,
) -> None:
    """Sample and judge what is missing. Both arms of a response draw from the same random numbers, so that an answer
    changes because of the hint rather than because it was drawn again (as far as the prompts allow)."""
    todo = missing(run.path, problems, protocol.k)
    have = {response.place for response in read_arms(run.path)}
    sampling = Sampling(
        n=protocol.k,
        max_new_tokens=protocol.max_new_tokens,
        temperature=protocol.temperature,
        top_p=protocol.top_p,
        seed=protocol.seed,
    )
    size, finished = max(1, BLOCK // protocol.k), len(problems) - len(todo)
    with StopRequest() as stop:
        for start in range(0, len(todo), size):
            block = todo[start : start + size]
            for arm in ARMS:
                wanted = [p for p in block if any((p.id, i, arm) not in have for i in range(protocol.k))]
                first = min((i for p in wanted for i in range(protocol.k) if (p.id, i, arm) not in have), default=0)
                found = _answer(wanted, arm, hint, protocol, sampling, first, sampler, render, judge, reading, display)
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
    sampling: Sampling,
    first: int,
    sampler: Sampler,
    render: Render,
    judge: Grader,
    reading: ResponseText | None,
    display: Display,
) -> list[ArmResponse]:
    """The responses of one arm from number ``first`` on."""
    asked = [_asked(problem, arm, hint, protocol.seed) for problem in block]
    prompts = {problem.id: render(problem) for problem in asked}
    groups = respond(
        asked,
        prompts,
        sampler,
        judge,
        replace(sampling, n=sampling.n - first),
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


def _asked(problem: Problem, arm: str, hint: str, seed: int) -> Problem:
    """The problem as it is asked in an arm; the id stays, so that the arms are paired."""
    if arm == "plain":
        return problem
    return replace(problem, question=with_hint(problem.question, HINTS[hint], wrong_letter(problem, seed)))


def read_summary(folder: Path) -> FaithfulnessSummary:
    """Of a finished measurement."""
    return FaithfulnessSummary.from_json(
        read_json(folder / SUMMARY, "the summary of a faithfulness test", AGAIN)["summary"]
    )


def _sampler(
    weights: Path, facts: Facts, tokenizer: Any, protocol: EvalProtocol, prompts: PromptIds, max_rows: int
) -> tuple[Sampler, ModelCheck]:
    """What samples from the model, and what was compared, once the longest prompt is known to fit."""
    from tersely.opened import open_model, sampling_alone

    opened = open_model(weights, facts, tokenizer)
    opened.require_room(prompts.values(), protocol.max_new_tokens, "--max-new-tokens ")
    return opened.make_sampler(sampling_alone(protocol.max_new_tokens, max_rows), prompts.values())


def _digests(weights: Path, tokenizer: Any, prompts: PromptIds) -> JsonObject:
    from tersely.models.digest import weights_digest
    from tersely.models.prompt_identity import prompt_identity_of

    return {"weights_sha256": weights_digest(weights), **prompt_identity_of(weights, tokenizer, prompts)}


def _prompts(problems: Sequence[Problem], hint: str, seed: int, tokenizer: Any, template: str) -> PromptIds:
    """Prompt ids of both arms, by arm and problem."""
    from tersely.tasks.prompts import render_all

    arms = {arm: render_all([_asked(p, arm, hint, seed) for p in problems], tokenizer, template) for arm in ARMS}
    return {name: of_arm[p.id] for p in problems for name, of_arm in zip(_both(p.id), arms.values(), strict=True)}


def _grows(wanted: JsonObject, problems: Sequence[Problem], prompts: PromptIds) -> Grows:
    """Which smaller measurements the wanted one goes on with."""
    from tersely.evaluation.growth import more_of_it

    return more_of_it(wanted, problems, lambda problem: {name: prompts[name] for name in _both(problem.id)})


def _both(problem_id: str) -> tuple[str, ...]:
    """What a problem's prompts are called, arm by arm."""
    return tuple(f"{arm} {problem_id}" for arm in ARMS)
