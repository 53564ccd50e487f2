"""One evaluation to be made: whatever can be refused is looked at before weights are loaded or anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Required, TypedDict, Unpack

import torch

from tersely.analysis.facts import ProtocolFacts
from tersely.errors import UserError
from tersely.evaluation.earlier import Earlier, find_earlier, weights_step
from tersely.evaluation.growth import more_of_it
from tersely.evaluation.protocol import EvalProtocol, identity
from tersely.evaluation.records import evaluation_folder, responses_on_disk
from tersely.evaluation.source import FolderSource, Model, Source
from tersely.evaluation.terms import (
    Asking,
    effort_line,
    pick_template,
    require_decoding,
    require_verifier_of_training,
    within_positions,
)
from tersely.facts import NO_OPTIONS, Facts
from tersely.learn.parallel import World, require_teams
from tersely.models.digest import weights_digest_once
from tersely.models.load import load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.prompt_identity import prompt_identity_of
from tersely.records import JsonObject, Problem
from tersely.rollouts import Grader, load_problems, verifier_of
from tersely.runs.folder import RunFolder, unfinished_step
from tersely.runs.identity import Grows
from tersely.runs.kinds import RunKind
from tersely.samplers import Sampler
from tersely.samplers.endpoint import Endpoint
from tersely.samplers.engines import find_engine
from tersely.tasks import task_digest
from tersely.tasks.overlap import refuse_trained_on
from tersely.tasks.prompts import PromptIds, render_all
from tersely.tasks.sources.own import OwnTask
from tersely.tasks.strata import strata_of

ALONE = World()

MAX_ROWS = 256
"""Responses decoded at once, and judged at once."""


@dataclass(frozen=True, slots=True)
class Work:
    """One evaluation to be made: everything that can be refused has been looked at, and nothing is written yet."""

    source: Source
    folder: Path
    problems: Sequence[Problem]
    protocol: EvalProtocol
    prompts: PromptIds
    """With an instruction to be brief at the end of each, if any."""
    judge: Grader
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
    earlier: Earlier | None
    """Of the run's weights before it was trained on: first to be moved out of the folder."""
    is_done: bool
    """Finished before: nothing is left to do."""
    world: World = ALONE
    """The processes that share the problems."""
    together: int = 1
    """Neighbouring ones that sample the same share with one engine."""


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
    engine_options: Mapping[str, Any]
    """Of the engine, by its own names."""
    max_rows: int
    source: str | None
    """Where the problems come from, where the task of the protocol is only its name in a suite."""
    checkpoint: Path | None
    """Of the run folder, to evaluate instead of its newest."""
    problems: OwnTask | None
    """In place of those that the protocol names."""
    sampler: Sampler | None
    """In place of the engine."""
    world: World
    """The processes that share the problems; one where none are named."""


def prepare(
    model: Model,
    protocol: EvalProtocol,
    out: Path | None,
    grader: Grader,
    *,
    trust_judge: bool = False,
    **more: Unpack[Choices],
) -> Work:
    """Look at everything that can be refused; no weights are loaded and nothing is written. A server is asked for a
    few tokens, to see whether it takes the requests.

    ``trust_judge``: the judge is the caller's own, whatever the model was trained with. Several evaluations are all
    prepared before the first is measured, so that nothing is refused after hours of sampling.
    """
    take_machine(more.get("threads", 0), more.get("max_rows", MAX_ROWS))
    if isinstance(model, Endpoint):
        if more.get("world", ALONE).size > 1:
            raise UserError("a server is asked by one process, however many it has itself: leave torchrun out")
        from tersely.evaluation.served_work import prepare_served

        return prepare_served(model, protocol, out, grader, **more)
    return _prepare_folder(model, protocol, out, grader, trust_judge, **more)


def _prepare_folder(
    model_path: Path,
    protocol: EvalProtocol,
    out: Path | None,
    grader: Grader,
    trust_judge: bool,
    **more: Unpack[Choices],
) -> Work:
    """``prepare`` for weights on this machine."""
    checkpoint = more.get("checkpoint")
    world = more.get("world", ALONE)
    options = more.get("engine_options") or NO_OPTIONS
    facts = Facts.of(more.get("engine", "auto"), own=world.own_device, options=options)
    require_teams(world, facts.traits.processes)
    weights = locate_model(str(checkpoint or model_path))
    protocol = _under_its_step(protocol, model_path, weights)
    place_of = partial(_place, model_path, out)
    folder = place_of(protocol)
    otherwise = more.get("other_template", False)
    template, tokenizer = pick_template(weights, protocol.template, otherwise), load_tokenizer(weights)
    require_decoding(protocol, facts.engine, weights, tokenizer, more.get("sampler"))
    asking = Asking.of(protocol, tokenizer, template, effort_line(weights, protocol.effort, otherwise))
    if not trust_judge:
        require_verifier_of_training(weights, verifier_of(grader), more.get("other_verifier", False))
    source, drop, policy = more.get("source") or protocol.task, more.get("drop_unjudgeable", False), more.get("policy")
    loaded = load_problems(more.get("problems") or source, "held_out", protocol.size, grader, template, drop=drop)
    asked = loaded.problems
    refuse_trained_on(model_path, asked, more.get("allow_overlap", False))
    prompts = render_all(asked, tokenizer, asking.template, asking.sentence)
    protocol = within_positions(weights, protocol, max(map(len, prompts.values())), asking.template)
    rules = protocol.facts(template, task_digest(asked)).asked_for(protocol.effort).judged_by(verifier_of(grader))
    rules = rules.counted_by(policy).lowered_from(protocol.suite_cap).drawn_by(strata_of(asked))
    rules = rules.asked_with(protocol.request)
    rules = rules.decoded_by(None if protocol.decoding is None else protocol.decoding.fact)
    digests = {"weights_sha256": weights_digest_once(weights), **prompt_identity_of(weights, tokenizer, prompts)}
    # Not among the facts: models sampled by different engines are compared, but one folder is of one engine.
    engine = {} if find_engine(facts.engine).bit_exact else {"engine": facts.engine}
    identifying = {**identity(rules), **digests, **loaded.identity, **engine}
    grows = more_of_it(identifying, asked, lambda problem: {problem.id: prompts[problem.id]})
    earlier = find_earlier(model_path, weights, RunKind.EVALUATION, protocol, place_of, identifying, grows)
    made = {"data": source, "weights_sha256": digests["weights_sha256"], **weights_step(weights)}
    return Work(
        source=FolderSource(weights, facts, tokenizer),
        folder=folder,
        problems=asked,
        protocol=protocol,
        prompts=prompts,
        judge=grader,
        rules=rules.of_model(str(model_path)),
        identity=identifying,
        grows=grows,
        made={**made, "engine": facts.engine, **loaded.report, "command": more["command"]},
        notes=tuple(_notes(model_path, folder, protocol, checkpoint, earlier, loaded.words())),
        max_rows=more.get("max_rows", MAX_ROWS),
        sampler=more.get("sampler"),
        earlier=earlier,
        is_done=earlier is None and is_done(folder, identifying, grows),
        world=world,
        together=facts.traits.processes,
    )


def _place(model: Path, out: Path | None, protocol: EvalProtocol) -> Path:
    return evaluation_folder(model, protocol.name, out)


def is_done(folder: Path, wanted: JsonObject, grows: Grows) -> bool:
    """Whether the folder holds all of it, judged; UserError where it is of other work."""
    finished = RunFolder.look(folder, RunKind.EVALUATION, wanted, grows) is not None
    return finished and not any(record.outside for record in responses_on_disk(folder))


def take_machine(threads: int, max_rows: int) -> None:
    """UserError where no response could be decoded."""
    if threads:
        torch.set_num_threads(threads)
    if max_rows < 1:
        raise UserError(f"max_rows is {max_rows}: at least one response must be decoded at once")


def _under_its_step(protocol: EvalProtocol, model: Path, weights: Path) -> EvalProtocol:
    """The protocol, named by the step where a run is still training: its plain name is for the run's last weights."""
    return protocol if protocol.step is not None else replace(protocol, step=unfinished_step(model, weights))


def _notes(
    model: Path,
    folder: Path,
    protocol: EvalProtocol,
    checkpoint: Path | None,
    earlier: Earlier | None,
    dropped: str | None,
) -> Iterator[str]:
    """What is measured otherwise than asked, in words."""
    if checkpoint is None and protocol.step is not None:
        yield f"{model} is not trained to its end: its step {protocol.step} is evaluated, as {folder}"
    if earlier is not None:
        yield earlier.words()
    if dropped:
        yield dropped
    if protocol.suite_cap is not None:
        lowered = f"to {protocol.max_new_tokens} tokens, which the model's positions allow"
        yield f"the suite's cap of {protocol.suite_cap} is lowered {lowered}"
