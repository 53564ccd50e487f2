"""Distillation, the paper's first experiment: SFT of an instruct model on long reasoning that another model wrote.

Demonstrations are the correct responses of a teacher that is sampled here, or those of a file; both are judged, and
wrong ones are left out. Where teacher and student have the same vocabulary the teacher's sampled ids are learnt
unchanged, but for an end token that is none of the student's; else its text is encoded by the student's tokenizer as
the continuation of its prompt (``written``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from tersely.baselines.choose import every_correct
from tersely.baselines.kept import read_samples
from tersely.baselines.records import NO_COST, BaselineSummary, SamplingCost
from tersely.baselines.run import OWN_SAMPLES, asked_of
from tersely.baselines.samples import draw_samples, identifying
from tersely.baselines.settings import BaselineConfig, SamplesConfig
from tersely.baselines.trainee import Trainee
from tersely.baselines.trainee_check import check_folder
from tersely.baselines.trainers import Example, require_trl
from tersely.baselines.written import Written, opening
from tersely.display import Display
from tersely.errors import UserError
from tersely.jsonl import display_name, read_jsonl
from tersely.models.digest import weights_digest
from tersely.models.end_tokens import end_tokens_of
from tersely.models.load import load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.positions import Room
from tersely.models.text import ResponseText
from tersely.models.trained_for import TrainedFor
from tersely.records import JsonObject, Problem, Status
from tersely.runs.folder import RunFolder
from tersely.runs.json_file import read_json
from tersely.runs.kinds import RunKind
from tersely.stop import StopRequest
from tersely.tasks.overlap import keep_trained_on
from tersely.tasks.prompts import find_template
from tersely.tasks.sources import Reading
from tersely.tasks.sources.rows import problem_from_row
from tersely.verify import Judge

METHOD = "distill"
"""How its run folders call it."""


@dataclass(frozen=True, slots=True)
class DistillConfig:
    """Who teaches whom. Exactly one of ``teacher`` and ``demonstrations`` is given.

    Example: ``DistillConfig("Qwen/Qwen2.5-1.5B-Instruct", "Qwen/QwQ-32B-Preview", None, config)``
    """

    student: str
    teacher: str | None
    demonstrations: Path | None
    config: BaselineConfig


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """What the student shall learn, and what it cost to have it."""

    examples: list[Example]
    problem_ids: list[str]
    judged: int
    """Demonstrations looked at, right or wrong."""
    cost: SamplingCost


def distill(what: DistillConfig, out: Path, samples: Path | None, display: Display) -> BaselineSummary:
    """Teach the student in the run folder ``out``; returns the summary kept in done.json.

    Raises UserError where model, task or file cannot be used or nothing correct is left, Stopped and RunError as the
    parts do. Training begins anew from kept responses if it was stopped.
    """
    require_trl()
    config = what.config
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    # With a teacher to be sampled the revision is the teacher's.
    folder = locate_model(what.student, None if what.teacher else config.revision)
    asking = asked_of(folder, config, _asked(what, samples), is_sampled=False)
    wanted = {**_identity(what, folder, samples), **asking}
    finished = RunFolder.look(out, RunKind.BASELINE, wanted) is not None
    checked = () if finished else check_folder("sft", folder, config)
    with RunFolder.open(out, RunKind.BASELINE, wanted) as run:
        done = run.read_done(BaselineSummary.from_json)
        if done is not None:
            display.note(f"{out} is finished already: nothing to do")
            return done
        trainee = Trainee(folder, config, checked, run, display)
        found = _from_file(what, trainee) if what.demonstrations else _from_teacher(what, out, samples, trainee)
        examples = _that_fit(found.examples, trainee, display)
        keep_trained_on(run.path, found.problem_ids)
        trainee.start_logs({"method": METHOD}, found.cost)
        if (done := trainee.finished_before()) is not None:
            return done
        with StopRequest() as stop:
            steps = trainee.tune("sft", examples, config.seed, stop)
        cap = config.sampling.max_new_tokens
        facts = TrainedFor(METHOD, config.template, cap, base=what.student, verifier=config.verifier)
        return trainee.finish(BaselineSummary(METHOD, steps, len(examples), found.judged), facts)


def _identity(what: DistillConfig, folder: Path, samples: Path | None) -> JsonObject:
    settings = {key: value for key, value in identifying(what.config).items() if key not in ("model", "task")}
    content = what.demonstrations.read_bytes() if what.demonstrations and what.demonstrations.is_file() else None
    return {
        "method": METHOD,
        "model": what.student,
        "teacher": what.teacher,
        "task": what.config.task,
        **settings,
        "learning_rate": what.config.tuning.learning_rate,
        "n": what.config.sampling.n,
        "model_sha256": weights_digest(folder),
        "demonstrations_sha256": hashlib.sha256(content).hexdigest() if content is not None else None,
        "samples_seed": read_samples(samples).identity.seed if samples else what.config.seed,
    }


def _asked(what: DistillConfig, samples: Path | None) -> list[Problem] | None:
    """The problems that the student will be taught, as far as they are known; None: those of the task."""
    if what.demonstrations is not None:
        return [problem for problem, _ in _read(what.demonstrations, what.config)]
    return None if samples is None else [group.problem for group in read_samples(samples).groups]


def _read(path: Path, config: BaselineConfig) -> list[tuple[Problem, str]]:
    return read_demonstrations(path, config.template, verified=config.verifier is not None)


def _from_teacher(what: DistillConfig, out: Path, samples: Path | None, trainee: Trainee) -> Demonstrations:
    if samples is None:
        samples = out / OWN_SAMPLES
        draw_samples(SamplesConfig(**what.config.model_dump(exclude={"tuning"})), samples, trainee.display)
    kept = read_samples(samples)
    if kept.identity.model != what.teacher:
        raise UserError(f"the samples in {samples} are of {kept.identity.model}, not of the teacher {what.teacher}")
    teacher = load_tokenizer(locate_model(kept.identity.model, kept.identity.revision))
    same = teacher.get_vocab() == trainee.tokenizer.get_vocab()
    if not same:
        trainee.display.note("teacher and student have different vocabularies: the teacher's text is encoded anew")
    learnt = _Learnt(trainee, what.config.template)
    reading = ResponseText(teacher)
    for group in kept.groups:
        for rollout in every_correct(group):
            begun = opening(reading, rollout.prompt_tokens)
            learnt.add(group.problem, begun + rollout.text, (begun, rollout.tokens) if same else None)
    ids = [group.problem.id for group in kept.groups]
    return Demonstrations(learnt.examples(), ids, sum(len(group.rollouts) for group in kept.groups), kept.cost)


class _Learnt:
    """Collects what the student is taught."""

    def __init__(self, trainee: Trainee, template: str) -> None:
        self._ends = end_tokens_of(trainee.folder, trainee.tokenizer)
        self._written = Written(trainee.tokenizer, template, self._ends)
        self._reading, self._display = ResponseText(trainee.tokenizer), trainee.display
        self._found: list[Example] = []
        self._left_out = 0

    def add(self, problem: Problem, text: str, sampled: tuple[str, tuple[int, ...]] | None = None) -> None:
        """A response as text, or ``sampled`` by a teacher of the same vocabulary (what its prompt opened, ids): its ids
        are kept where the student's prompt opens the same."""
        prompt = self._written.prompt(problem)
        if sampled is not None and bool(sampled[0]) == self._reading.opens_thinking(prompt):
            *said, end = sampled[1]
            self._found.append(Example(prompt, (*said, end if end in self._ends else self._written.end)))
        elif (answer := self._written.response(problem, text)) is not None:
            self._found.append(Example(prompt, answer))
        else:
            self._left_out += 1

    def examples(self) -> list[Example]:
        """All that was added, but for what the student must not write, which is counted in a note."""
        if self._left_out:
            self._display.note(
                f"{self._left_out} demonstrations are left out: they hold control tokens of the student, or never end "
                "the thinking that its prompt begins"
            )
        return self._found


def _from_file(what: DistillConfig, trainee: Trainee) -> Demonstrations:
    assert what.demonstrations is not None
    config = what.config
    pairs = _read(what.demonstrations, config)
    with Judge(workers=config.run.judge_workers, verifier=config.verifier) as judge:
        verdicts = judge.grade(pairs)
    right = [pair for pair, v in zip(pairs, verdicts, strict=True) if v.status is Status.CORRECT]
    learnt = _Learnt(trainee, config.template)
    for problem, response in right:
        learnt.add(problem, response)
    return Demonstrations(learnt.examples(), sorted({p.id for p, _ in right}), len(pairs), NO_COST)


def read_demonstrations(path: Path, template: str = "question", verified: bool = False) -> list[tuple[Problem, str]]:
    """(problem, response) a line; the fields of a task file and ``response``. UserError with the line number.

    ``template`` and ``verified`` (a verifier decides) as for a task (``tasks.load_task``).
    """
    reading = Reading(find_template(template).columns, verified)
    found = []
    for number, row in read_jsonl(path):
        response = row.pop("response", None)
        if not isinstance(response, str) or not response.strip():
            raise UserError(f"{display_name(path)}, line {number}: the field 'response' must hold the demonstration")
        try:
            found.append((problem_from_row(row, path.stem, "train", reading), response))
        except UserError as error:
            raise UserError(f"{display_name(path)}, line {number}: {error}") from error
    return found


def _that_fit(examples: Sequence[Example], trainee: Trainee, display: Display) -> list[Example]:
    """Those that the student has positions for; UserError where none is left."""
    config = read_json(trainee.folder / "config.json", "the configuration of a model", "download the model again")
    # Beyond the switch of a rotary embedding a row's log-probabilities would depend on which rows stand beside it.
    positions = Room.of(config).left(0)
    fitting = [e for e in examples if positions is None or e.width <= positions]
    if len(fitting) < len(examples):
        display.note(f"{len(examples) - len(fitting)} demonstrations exceed {positions} positions and are left out")
    if not fitting:
        raise UserError(
            "there is nothing to learn from: no demonstration is judged correct and fits the student's positions; "
            "look at the answers and at the boxed form that the judge reads"
        )
    return fitting
