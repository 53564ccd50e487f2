"""Responses drawn once from the reference model, judged, and kept: all methods and learning rates learn from the same.

A samples folder is a run folder of kind "samples" with ``groups.jsonl``, a problem with all its responses a line.
Token ids and log-probabilities are kept as sampled, exactly. Drawing stops and goes on between blocks of problems; a
response is a function of (seed, problem, sample), so it does not matter where it was cut, nor whether more problems or
responses were asked for later (log-probabilities of later responses may then be rounded otherwise).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tersely.baselines.kept import SamplesSummary, count_responses, group_to_json, read_groups
from tersely.baselines.served import Served
from tersely.baselines.settings import SamplesConfig
from tersely.display import Display
from tersely.errors import RunError
from tersely.evaluation.growth import more_samples
from tersely.facts import Facts
from tersely.learn.clock import Clock
from tersely.learn.parallel import World, require_teams
from tersely.learn.run_setup import RESOURCE_KEYS
from tersely.models.agreement import ModelCheck
from tersely.models.digest import weights_digest
from tersely.models.load import load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.memory import explain_out_of_memory
from tersely.models.prompt_identity import prompt_identity_of
from tersely.models.text import ResponseText
from tersely.opened import open_model
from tersely.records import Group, Json, JsonObject, Problem, Status, Verdict
from tersely.rollouts import Grader, judge_for, load_problems, respond, unjudged_words
from tersely.runs.folder import RunFolder
from tersely.runs.identity import never
from tersely.runs.kinds import Log, RunKind
from tersely.samplers import Sampler, Sampling
from tersely.samplers.base import close_after
from tersely.samplers.endpoint import Endpoint
from tersely.samplers.endpoint.kept import keep_replies
from tersely.samplers.engines import require_engine
from tersely.samplers.memory import row_cure
from tersely.stop import Stopped, StopRequest
from tersely.tasks import task_digest
from tersely.tasks.overlap import keep_trained_on
from tersely.tasks.prompts import PromptIds, render_all

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


Opened = tuple[Any, Sampler, ModelCheck, PromptIds]
"""What samples: tokenizer, sampler, what was compared, the prompts by problem."""


def draw_samples(
    config: SamplesConfig,
    out: Path,
    display: Display,
    judge: Grader | None = None,
    part: Part | None = None,
    endpoint: Endpoint | None = None,
) -> None:
    """Draw and judge what is missing in the folder ``out``: responses to all problems, or to a ``part`` of them; from
    the server at ``endpoint``, where one is given that serves the very model.

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
        served = None if endpoint is None else Served.at(endpoint, config, next(iter(prompts.values())))
        wanted |= {} if served is None else {"endpoint": served.identity}
        grows = more_samples(wanted, problems, lambda problem: {problem.id: prompts[problem.id]})
        if part is not None:  # which problems are reached depends on how many are drawn at once
            wanted["part"], grows = {**asdict(part), "rows": config.sampling.max_rows}, never
        finished = RunFolder.look(out, RunKind.SAMPLES, wanted, grows) is not None
        if finished and not any(map(_from_outside, read_groups(out))):
            return
        lacks = _lacks(out, config, problems, part)
        ready = _open_sampler(config, folder, tokenizer, prompts, served) if lacks else None
        with RunFolder.open(out, RunKind.SAMPLES, wanted, grows=grows) as run:
            keep_trained_on(run.path, [p.id for p in problems])
            _judge_again(run, grader)
            if ready is not None:
                _draw(config, problems, ready, grader, run, display, part)
            run.empty(Log.REPLIES)
            run.mark_done(_summary(read_groups(out)).to_json())


def _lacks(out: Path, config: SamplesConfig, problems: Sequence[Problem], part: Part | None) -> bool:
    have = count_responses(out)
    if part is not None and _tokens_drawn(out, have) >= part.tokens:
        return False
    return any(have.get(problem.id, 0) < config.sampling.n for problem in problems)


def _tokens_drawn(out: Path, have: Mapping[str, int]) -> int:
    """Response tokens in a samples folder; nothing where it holds no problem yet."""
    return sum(r.length for group in (read_groups(out) if have else ()) for r in group.rollouts)


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


TUNING_OFF = {"positive": "shortest", "optimizer": "adam", "lora": None}
"""Settings that leave no key where they are as they were before there was a choice."""


def identifying(config: SamplesConfig) -> Json:
    """The settings that identify the work. A verifier is named only where there is one, as in folders made before."""
    settings = config.model_dump(mode="json")
    for key in OPERATIONAL:
        settings["run"].pop(key)
    if config.verifier is None:
        del settings["verifier"]
    for name, off in TUNING_OFF.items():
        if settings.get("tuning", {}).get(name, ...) == off:
            del settings["tuning"][name]
    settings["sampling"] = config.sampling.record()
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


def _draw(
    config: SamplesConfig,
    problems: Sequence[Problem],
    ready: Opened,
    judge: Grader,
    run: RunFolder,
    display: Display,
    part: Part | None,
) -> None:
    (tokenizer, sampler, check, prompts), have, n = ready, count_responses(run.path), config.sampling.n
    begun = {g.problem.id: g for g in read_groups(run.path) if len(g.rollouts) < n} if have else {}
    missing = part.tokens - _tokens_drawn(run.path, have) if part else None
    reading = ResponseText(tokenizer)
    check.record(run.path, display.note)
    keep_replies(sampler, run)
    with StopRequest() as stop, close_after(sampler):
        for first, block in _blocks(config, problems, have):
            clock = Clock()
            with explain_out_of_memory("sampling", row_cure("--set sampling.max_rows=", config.sampling.max_rows, n)):
                groups = _one_block(config, block, first, prompts, sampler, judge, reading, clock, display)
            fresh = [group for group in groups if have.get(group.problem.id, 0) == first]
            whole = [_joined(begun.pop(group.problem.id, None), group) for group in fresh]
            run.append(Log.GROUPS, [group_to_json(group) for group in whole])
            have |= {group.problem.id: n for group in whole}
            tokens = sum(r.length for group in groups for r in group.rollouts)
            done = sum(have.get(problem.id, 0) == n for problem in problems)
            run.append(Log.CLOCK, [{**clock.record(done, tokens), "tokens_sampled": tokens, "tokens_trained": 0}])
            display.step(done, len(problems), {"tokens": f"{tokens / len(block) / (n - first):.0f}"})
            if missing is not None:
                missing -= sum(r.length for group in whole for r in group.rollouts)
                if missing <= 0:
                    return
            if stop.requested and done < len(problems):
                raise Stopped(stop.requested, f"{done} of {len(problems)} problems are answered in {run.path}")


def _blocks(
    config: SamplesConfig, problems: Sequence[Problem], have: Mapping[str, int]
) -> Iterator[tuple[int, Sequence[Problem]]]:
    """(number of their first new response, problems) of each block that is sampled at once; those begun come first.

    A block that a crash cut is drawn again as a whole: log-probabilities are rounded alike only in the same batch.
    """
    counts = {problem.id: have.get(problem.id, 0) for problem in problems}
    for first in sorted(set(counts.values()) - {config.sampling.n}, reverse=True):
        size = max(1, config.sampling.max_rows // (config.sampling.n - first))
        blocks = [problems[start : start + size] for start in range(0, len(problems), size)]
        yield from ((first, block) for block in blocks if any(counts[problem.id] == first for problem in block))


def _joined(old: Group | None, new: Group) -> Group:
    """A problem's first responses and those that were drawn later."""
    if old is None:
        return new
    return Group(old.problem, (*old.rollouts, *new.rollouts), (*old.verdicts, *new.verdicts))


def _open_sampler(
    config: SamplesConfig, folder: Path, tokenizer: Any, prompts: PromptIds, served: Served | None
) -> Opened:
    facts = Facts.asked(config.sampling, config.run.device, config.run.dtype)
    require_teams(World(), facts.traits.processes)
    opened = open_model(folder, facts, tokenizer)
    opened.require_room(
        prompts.values(), config.sampling.max_new_tokens, "--set sampling.max_new_tokens=", config.template
    )
    if served is not None:
        return opened.tokenizer, *served.sampler(opened), prompts
    sampler, check = opened.make_sampler(config.sampling, prompts.values())
    return opened.tokenizer, sampler, check, prompts


def _one_block(
    config: SamplesConfig,
    block: Sequence[Problem],
    first: int,
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
        Sampling(settings.n - first, settings.max_new_tokens, settings.temperature, seed=config.seed),
        first_sample=first,
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
