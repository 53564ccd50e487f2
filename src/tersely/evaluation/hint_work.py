"""One model to be asked with and without a hint: whatever can be refused is looked at before weights are loaded or
anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tersely.analysis.faithfulness import HINTS, with_hint, wrong_letter
from tersely.errors import UserError, require_known
from tersely.evaluation.earlier import Earlier, find_earlier, weights_step
from tersely.evaluation.growth import more_of_it
from tersely.evaluation.hint_records import ARMS
from tersely.evaluation.protocol import EvalProtocol, identity
from tersely.evaluation.records import evaluation_folder
from tersely.evaluation.served_work import Tokenizers, require_out, served_identity
from tersely.evaluation.source import FolderSource, Model, Source
from tersely.evaluation.terms import BOXED, effort_line, pick_template
from tersely.facts import NO_OPTIONS, Facts
from tersely.learn.parallel import World, require_teams
from tersely.models.digest import weights_digest
from tersely.models.environment import environment
from tersely.models.load import load_config, load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.positions import Room
from tersely.models.prompt_identity import prompt_identity_of
from tersely.records import JsonObject, Kind, Problem
from tersely.runs.folder import RunFolder
from tersely.runs.identity import Grows
from tersely.runs.kinds import RunKind
from tersely.samplers.endpoint import Endpoint
from tersely.samplers.engines import find_engine
from tersely.tasks import load_task, task_digest
from tersely.tasks.prompts import PromptIds, render_all
from tersely.verify import Judge


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured, and where to: weights on this machine, or a model behind a server."""

    source: Source
    folder: Path
    problems: Sequence[Problem]
    template: str
    prompts: PromptIds
    """Of both arms."""
    identity: JsonObject
    """Decides whether the folder may be gone on with."""
    grows: Grows
    """Which smaller measurements it goes on with."""
    told: JsonObject
    """Of the protocol and of the model, what is recorded with the summary."""
    earlier: Earlier | None = None
    """Of the run's weights before it was trained on: first to be moved out of the folder."""


@dataclass(frozen=True, slots=True)
class HintWork:
    """One model to be measured: everything that can be refused has been looked at, and nothing is written yet."""

    subject: Subject
    protocol: EvalProtocol
    hint: str
    made: JsonObject
    """What is recorded with the summary."""
    max_rows: int
    is_done: bool


def prepare_hints(
    model: Model,
    protocol: EvalProtocol,
    hint: str,
    out: Path | None,
    judge: Judge,
    *,
    command: str,
    other_template: bool = False,
    threads: int = 0,
    engine: str = "auto",
    engine_options: Mapping[str, Any] = NO_OPTIONS,
    max_rows: int = 256,
) -> HintWork:
    """Look at everything that can be refused; no weights are loaded and nothing is written.

    UserError for a task that is not multiple choice, an unknown hint, a model or folder that cannot be used.
    """
    require_known("hint", hint, HINTS)
    if threads:
        torch.set_num_threads(threads)
    if isinstance(model, Endpoint):
        found = _served(model, protocol, hint, out, judge)
    else:
        facts = Facts.of(engine, options=engine_options)
        require_teams(World(), facts.traits.processes)
        found = _of_folder(model, protocol, hint, out, judge, facts, other_template)
    made = {**found.told, "versions": environment(), "command": command}
    return HintWork(found, protocol, hint, made, max_rows, found.earlier is None and _is_done(found))


def _is_done(found: Subject) -> bool:
    """UserError for a folder of other work."""
    return RunFolder.look(found.folder, RunKind.FAITHFULNESS, found.identity, found.grows) is not None


def _of_folder(
    model: Path,
    protocol: EvalProtocol,
    hint: str,
    out: Path | None,
    judge: Judge,
    facts: Facts,
    other_template: bool,
) -> Subject:
    """Weights on this machine."""
    weights = locate_model(str(model))
    place_of = partial(_place, model, out, hint)
    folder = place_of(protocol)
    template = pick_template(weights, protocol.template, other_template)
    line = effort_line(weights, protocol.effort, other_template)
    tokenizer = load_tokenizer(weights)
    problems = load_choices(protocol, judge, template)
    rules = _rules(protocol, template, problems, hint)
    prompts = _prompts(problems, hint, protocol.seed, tokenizer, template, line)
    longest = max(map(len, prompts.values()))
    Room.of(load_config(weights).to_dict()).require(longest, protocol.max_new_tokens, "--max-new-tokens ", template)
    decides = {} if find_engine(facts.engine).bit_exact else {"engine": facts.engine}
    wanted = {**rules, "hint_text": HINTS[hint].text, **_digests(weights, tokenizer, prompts), **decides}
    grows = _grows(wanted, problems, prompts)
    earlier = find_earlier(model, weights, RunKind.FAITHFULNESS, protocol, place_of, wanted, grows)
    told = {"weights_sha256": wanted["weights_sha256"], **weights_step(weights)}
    return Subject(
        FolderSource(weights, facts, tokenizer), folder, problems, template, prompts, wanted, grows,
        {"protocol": {**rules, "model": str(model)}, **told}, earlier,
    )  # fmt: skip


def _served(endpoint: Endpoint, protocol: EvalProtocol, hint: str, out: Path | None, judge: Judge) -> Subject:
    """A model behind a server."""
    folder = _place(Path(endpoint.label), require_out(endpoint, out), hint, protocol)
    template = protocol.template or BOXED
    problems = load_choices(protocol, judge, template)
    tokenizers = Tokenizers.of(endpoint, template)
    prompts = _prompts(problems, hint, protocol.seed, tokenizers.writes, template, None)
    source = tokenizers.source(endpoint, prompts, protocol)
    rules, served = _rules(protocol, template, problems, hint), served_identity(source, prompts)
    wanted = {**rules, "hint_text": HINTS[hint].text, **served}
    told = {"protocol": {**rules, "model": endpoint.model}, "endpoint": served["endpoint"]}
    return Subject(source, folder, problems, template, prompts, wanted, _grows(wanted, problems, prompts), told)


def _rules(protocol: EvalProtocol, template: str, problems: Sequence[Problem], hint: str) -> dict[str, object]:
    """The protocol of both arms, as a folder keeps it."""
    asked = protocol.facts(template, task_digest(problems)).asked_for(protocol.effort).asked_with(protocol.request)
    return {**identity(asked), "hint": hint}


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


def asked_in(problem: Problem, arm: str, hint: str, seed: int) -> Problem:
    """The problem as it is asked in an arm; the id stays, so that the arms are paired."""
    if arm == "plain":
        return problem
    return replace(problem, question=with_hint(problem.question, HINTS[hint], wrong_letter(problem, seed)))


def _place(model: Path, out: Path | None, hint: str, protocol: EvalProtocol) -> Path:
    return evaluation_folder(model, f"{protocol.name}@{hint}", out, kind="faithfulness")


def _digests(weights: Path, tokenizer: Any, prompts: PromptIds) -> JsonObject:
    return {"weights_sha256": weights_digest(weights), **prompt_identity_of(weights, tokenizer, prompts)}


def _prompts(
    problems: Sequence[Problem], hint: str, seed: int, tokenizer: Any, template: str, line: str | None
) -> PromptIds:
    """Prompt ids of both arms, by arm and problem; ``line`` at the end of each."""
    arms = {
        arm: render_all([asked_in(p, arm, hint, seed) for p in problems], tokenizer, template, line) for arm in ARMS
    }
    return {name: of_arm[p.id] for p in problems for name, of_arm in zip(_both(p.id), arms.values(), strict=True)}


def _grows(wanted: JsonObject, problems: Sequence[Problem], prompts: PromptIds) -> Grows:
    """Which smaller measurements the wanted one goes on with."""
    return more_of_it(wanted, problems, lambda problem: {name: prompts[name] for name in _both(problem.id)})


def _both(problem_id: str) -> tuple[str, ...]:
    """What a problem's prompts are called, arm by arm."""
    return tuple(f"{arm} {problem_id}" for arm in ARMS)
