"""Responses drawn once from the reference model, judged, and kept: all methods and learning rates learn from the same.

A samples folder is a run folder of kind "samples" with ``groups.jsonl``, a problem with all its responses a line.
Token ids and log-probabilities are kept as sampled, exactly. Drawing stops and goes on between blocks of problems; a
response is a function of (seed, problem, sample), so it does not matter where it was cut, nor whether more problems or
responses were asked for later (log-probabilities of later responses may then be rounded otherwise).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
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
from tersely.evaluation.share import progress_of
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
from tersely.runs.ended import EndedLog, drop_ended, read_ended
from tersely.runs.folder import RunFolder, read_config
from tersely.runs.identity import never
from tersely.runs.kinds import Log, RunKind
from tersely.samplers import Prompt, Sampler, Sampling
from tersely.samplers.ahead import Ahead
from tersely.samplers.base import Progress, Refilling, close_after
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
Blocks = Sequence[tuple[int, Sequence[Problem]]]
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
            drop_ended(out)
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
    # How far a part goes is seen block by block: what lies ahead of its end would be drawn for nothing.
    full = sampler if part is None and isinstance(sampler, Refilling) else None
    blocks = list(_blocks(config, problems, have, again=full is None))
    ahead = nullcontext(sampler) if full is None else closing(_ahead(config, blocks, prompts, full, run.path))
    with StopRequest() as stop, close_after(sampler), ahead as asked:
        progress = progress_of(display, stop, None if full is None else run.path)
        for first, block in blocks:
            clock = Clock()
            with explain_out_of_memory("sampling", row_cure("--set sampling.max_rows=", config.sampling.max_rows, n)):
                groups = _one_block(config, block, first, prompts, asked, judge, reading, clock, progress)
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
    config: SamplesConfig, problems: Sequence[Problem], have: Mapping[str, int], again: bool
) -> Iterator[tuple[int, Sequence[Problem]]]:
    """(number of their first new response, problems) of each block that is sampled at once; those begun come first.

    A block that a crash cut is drawn ``again`` as a whole: log-probabilities are rounded alike only in the same batch.
    """
    counts = {problem.id: have.get(problem.id, 0) for problem in problems}
    for first in sorted(set(counts.values()) - {config.sampling.n}, reverse=True):
        size = max(1, config.sampling.max_rows // (config.sampling.n - first))
        blocks = [problems[start : start + size] for start in range(0, len(problems), size)]
        missing = ([problem for problem in block if counts[problem.id] == first] for block in blocks)
        yield from ((first, whole if again else part) for whole, part in zip(blocks, missing, strict=True) if part)


def _ahead(config: SamplesConfig, blocks: Blocks, prompts: PromptIds, sampler: Refilling, folder: Path) -> Ahead:
    """The sampler, told of all blocks: its engine is full until the last of them, and what ends is on disk."""
    n, mark = config.sampling.n, str(read_config(folder)["model_sha256"])
    asked = [Prompt(p.id, prompts[p.id], i) for first, block in blocks for p in block for i in range(first, n)]
    there, log = read_ended(folder), EndedLog(folder, 0)
    return Ahead(sampler, asked, _sampling(config, 1), mark, there, log, with_logprobs=True)


def _sampling(config: SamplesConfig, n: int) -> Sampling:
    return Sampling(n, config.sampling.max_new_tokens, config.sampling.temperature, seed=config.seed)


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
    progress: Progress,
) -> list[Group]:
    groups = respond(
        block,
        prompts,
        sampler,
        judge,
        _sampling(config, config.sampling.n - first),
        first_sample=first,
        reading=reading,
        on_progress=progress,
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
