"""Responses drawn once from the reference model, judged, and kept: all methods and learning rates learn from the same.

A samples folder is a run folder of kind "samples" with ``groups.jsonl``, a problem with all its responses a line.
Token ids and log-probabilities are kept as sampled, exactly. Drawing stops and goes on between blocks of problems; a
response is a function of (seed, problem, sample), so it does not matter where it was cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tersely.baselines.kept import SamplesSummary, group_to_json, latest_lines, read_groups
from tersely.baselines.settings import SamplesConfig
from tersely.display import Display
from tersely.errors import RunError
from tersely.evaluation.growth import more_problems
from tersely.facts import Facts
from tersely.learn.clock import Clock
from tersely.learn.run_setup import RESOURCE_KEYS
from tersely.models.digest import weights_digest
from tersely.models.load import load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.memory import explain_out_of_memory
from tersely.models.prompt_identity import prompt_identity_of
from tersely.models.text import ResponseText
from tersely.opened import OpenedModel, open_model
from tersely.records import Group, Json, JsonObject, Problem, Status, Verdict
from tersely.rollouts import Grader, PromptIds, judge_for, load_problems, respond, unjudged_words
from tersely.runs import disk
from tersely.runs.folder import RunFolder
from tersely.runs.kinds import Log, RunKind
from tersely.samplers import Sampler, Sampling
from tersely.samplers.base import close_after
from tersely.samplers.engines import require_engine
from tersely.samplers.memory import row_cure
from tersely.stop import Stopped, StopRequest
from tersely.tasks import task_digest
from tersely.tasks.overlap import TRAINED_ON
from tersely.tasks.prompts import render_all

OPERATIONAL = ("threads", "judge_workers")
"""Settings of the run section that don't identify the work: a resume may change them."""
UNJUDGED_STOP = 0.05
"""Share of answers that could not be judged above which the samples cannot be trusted."""


@dataclass(frozen=True, slots=True)
class Part:
    """Not all problems: from one of them on, round and round, until enough tokens are sampled or all have had a turn.

    Example: ``Part(start=320, tokens=100_000)``
    """

    start: int
    """How many problems were taken before; the first of a task follows its last."""
    tokens: int
    """Sampling ends with the block of problems that reaches this many response tokens."""

    def of(self, problems: Sequence[Problem]) -> list[Problem]:
        first = self.start % len(problems)
        return [*problems[first:], *problems[:first]]


Opened = tuple[OpenedModel, Sampler, PromptIds]
"""What samples: a model, its sampler, the prompts by problem."""


def draw_samples(
    config: SamplesConfig, out: Path, display: Display, judge: Grader | None = None, part: Part | None = None
) -> None:
    """Draw and judge what is missing in the folder ``out``: responses to all problems, or to a ``part`` of them.

    Raises UserError where model, task or folder cannot be used, Stopped after a stop was asked for, RunError when too
    many answers cannot be judged.
    """
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    require_engine(config.sampling.engine)
    folder = locate_model(config.model, config.revision)
    with judge_for(judge, config.run.judge_workers, config.verifier) as grader:
        drop = config.drop_unjudgeable
        loaded = load_problems(config.task, "train", config.train_size, grader, config.template, drop=drop)
        problems = part.of(loaded.problems) if part else loaded.problems
        if said := loaded.words():
            display.note(said)
        tokenizer = load_tokenizer(folder)
        prompts = render_all(problems, tokenizer, config.template)
        asking = prompt_identity_of(folder, tokenizer, prompts)
        wanted = {**samples_identity(config, folder, problems), **loaded.identity, **asking}
        if part is not None:  # which problems are reached depends on how many are drawn at once
            wanted["part"] = {**asdict(part), "block": _block_size(config)}
        grows = more_problems(wanted, problems, lambda problem: {problem.id: prompts[problem.id]})
        finished = RunFolder.look(out, RunKind.SAMPLES, wanted, grows) is not None
        if finished and not any(map(_from_outside, read_groups(out))):
            return
        missing = _drawn(out) < len(problems) and (part is None or _tokens_drawn(out) < part.tokens)
        ready = _open_sampler(config, folder, tokenizer, prompts) if missing else None
        with RunFolder.open(out, RunKind.SAMPLES, wanted, grows=grows) as run:
            keep_problem_ids(run, [p.id for p in problems])
            _judge_again(run, grader)
            if ready is not None:
                _draw(config, problems, ready, grader, run, display, part)
            run.mark_done(_summary(read_groups(out)).to_json())


def _drawn(out: Path) -> int:
    """Problems that are answered in a samples folder, which need not be there."""
    path = out / f"{Log.GROUPS}.jsonl"
    return len(latest_lines(path)) if path.is_file() else 0


def _tokens_drawn(out: Path) -> int:
    """Response tokens in a samples folder, which need not be there."""
    there = (out / f"{Log.GROUPS}.jsonl").is_file()
    return sum(r.length for group in (read_groups(out) if there else ()) for r in group.rollouts)


def _block_size(config: SamplesConfig) -> int:
    """Problems drawn at once."""
    return max(1, config.sampling.max_rows // config.sampling.n)


def _from_outside(group: Group) -> bool:
    """Whether a verdict is missing by no fault of the answer."""
    return any(verdict.outside for verdict in group.verdicts)


def _judge_again(run: RunFolder, judge: Grader) -> None:
    """What an earlier try could not judge by no fault of the answer; a later line replaces an earlier one."""
    there = (run.path / f"{Log.GROUPS}.jsonl").is_file()
    for group in filter(_from_outside, read_groups(run.path) if there else ()):
        places = [i for i, verdict in enumerate(group.verdicts) if verdict.outside]
        found = judge.grade([(group.problem, group.rollouts[i].text) for i in places])
        new = dict(zip(places, found, strict=True))
        verdicts = tuple(new.get(i, verdict) for i, verdict in enumerate(group.verdicts))
        run.append(Log.GROUPS, [group_to_json(replace(group, verdicts=verdicts))])


def identifying(config: SamplesConfig) -> Json:
    """The settings that identify the work. A verifier is named only where there is one, as in folders made before."""
    settings = config.model_dump(mode="json")
    for key in OPERATIONAL:
        settings["run"].pop(key)
    if config.verifier is None:
        del settings["verifier"]
    del settings["drop_unjudgeable"]  # what it dropped is said beside the digest of the task
    return settings


def samples_identity(config: SamplesConfig, folder: Path, problems: Sequence[Problem]) -> JsonObject:
    """Which responses are drawn, by settings, weights and problems."""
    settings = identifying(config)
    for key in RESOURCE_KEYS["sampling"]:
        settings["sampling"].pop(key)
    return {
        **settings,
        "method": RunKind.SAMPLES,
        "n": config.sampling.n,
        "model_sha256": weights_digest(folder),
        "task_sha256": task_digest(problems),
    }


def keep_problem_ids(run: RunFolder, ids: Sequence[str]) -> None:
    """What an evaluation looks at, lest it measure memory."""
    disk.write_json_atomic(run.path / TRAINED_ON, {"problem_ids": sorted(ids)})


def _draw(
    config: SamplesConfig,
    problems: Sequence[Problem],
    ready: Opened,
    judge: Grader,
    run: RunFolder,
    display: Display,
    part: Part | None,
) -> None:
    (opened, sampler, prompts), done = ready, _drawn(run.path)
    missing = part.tokens - _tokens_drawn(run.path) if part else None
    reading = ResponseText(opened.tokenizer)
    opened.record_check(run.path, display)
    size = _block_size(config)
    # From the beginning of a block that a crash cut: log-probabilities are rounded alike only in the same batch.
    starts = range(done - done % size, len(problems), size)
    with StopRequest() as stop, close_after(sampler):
        for start in starts:
            block, clock = problems[start : start + size], Clock()
            with explain_out_of_memory(
                "sampling", row_cure("--set sampling.max_rows=", config.sampling.max_rows, config.sampling.n)
            ):
                groups = _one_block(config, block, prompts, sampler, judge, reading, clock, display)
            new = groups[done - start :]
            run.append(Log.GROUPS, [group_to_json(group) for group in new])
            tokens = sum(r.length for group in groups for r in group.rollouts)
            done = start + len(block)
            run.append(Log.CLOCK, [{**clock.record(done, tokens), "tokens_sampled": tokens, "tokens_trained": 0}])
            display.step(done, len(problems), {"tokens": f"{tokens / len(block) / config.sampling.n:.0f}"})
            if missing is not None:
                missing -= sum(r.length for group in new for r in group.rollouts)
                if missing <= 0:
                    return
            if stop.requested and done < len(problems):
                raise Stopped(stop.requested, f"{done} of {len(problems)} problems are answered in {run.path}")


def _open_sampler(config: SamplesConfig, folder: Path, tokenizer: Any, prompts: PromptIds) -> Opened:
    opened = open_model(folder, Facts.of(config.sampling.engine, config.run.device, config.run.dtype), tokenizer)
    opened.require_room(prompts.values(), config.sampling.max_new_tokens, "--set sampling.max_new_tokens=")
    return opened, opened.make_sampler(config.sampling, prompts.values()), prompts


def _one_block(
    config: SamplesConfig,
    block: Sequence[Problem],
    prompts: PromptIds,
    sampler: Sampler,
    judge: Grader,
    reading: ResponseText,
    clock: Clock,
    display: Display,
) -> list[Group]:
    settings = config.sampling
    groups = respond(
        block,
        prompts,
        sampler,
        judge,
        Sampling(settings.n, settings.max_new_tokens, settings.temperature, seed=config.seed),
        reading=reading,
        on_progress=lambda done, total: display.phase("sampling", done, total),
        on_sampled=lambda: clock.lap("sample_s"),
    )
    clock.lap("judge_s")
    return groups


def _summary(groups: Iterator[Group]) -> SamplesSummary:
    """RunError where more than ``UNJUDGED_STOP`` of the answers could not be judged."""
    problems = responses = tokens = correct = solved = 0
    verdicts: list[Verdict] = []
    for group in groups:
        problems += 1
        responses += len(group.rollouts)
        tokens += sum(r.length for r in group.rollouts)
        correct += int(group.correct_G.sum())
        verdicts += group.verdicts
        solved += bool(group.correct_G.any())
    unjudged = sum(verdict.status is Status.UNJUDGED for verdict in verdicts)
    if unjudged > 2 and unjudged > UNJUDGED_STOP * responses:
        raise RunError(
            f"{unjudged_words(verdicts)}: nothing should be learnt from these samples; mend the verifier or give the "
            "judge a calmer machine, and draw them again in another folder"
        )
    return SamplesSummary(problems, responses, tokens, correct, solved, unjudged)
