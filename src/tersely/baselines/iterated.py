"""Iterated SFT: sample from the current model, learn the shortest correct responses, sample again from the result.

The fair opponent of reinforcement learning, which also learns from what it samples anew: both are given the same number
of sampled tokens (Dong et al. 2023, RAFT, arXiv 2304.06767; each round starts from the weights of the one before).

::

    RUN/round-1-samples, RUN/round-1   samples and SFT of the first round: folders as `tersely baseline` makes them
    RUN/checkpoints                    the weights of the last round
    RUN/journal.jsonl, clock.jsonl     all rounds, one after the other

What is finished of a round is kept; a run that was stopped goes on in the round where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import torch

from tersely.baselines.kept import read_samples
from tersely.baselines.records import BaselineSummary
from tersely.baselines.run import asked_of, identity_of, run_baseline
from tersely.baselines.samples import Part, draw_samples
from tersely.baselines.settings import ITERATED, BaselineConfig, SamplesConfig
from tersely.baselines.trainee import Trainee
from tersely.baselines.trainee_check import check_folder
from tersely.baselines.trainers import require_trl
from tersely.display import Display
from tersely.errors import UserError
from tersely.models.locate import locate_model
from tersely.models.trained_for import TrainedFor
from tersely.records import Json
from tersely.runs.folder import RunFolder, read_log
from tersely.runs.kinds import Log, RunKind
from tersely.tasks.overlap import keep_trained_on


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often it is sampled and learnt, and how many response tokens may be sampled in all.

    Each round has an equal share of the tokens that are left, and ends with the block of problems that reaches it:
    the whole exceeds ``tokens`` by less than one block (``sampling.max_rows`` responses).
    """

    count: int
    tokens: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UserError(f"--rounds {self.count}: give 1 or more")
        if self.tokens < self.count:
            raise UserError(f"{self.tokens} tokens are not one for each of {self.count} rounds: give more")


@dataclass(slots=True)
class _Sofar:
    """Where the rounds are."""

    model: str
    """What the next round starts from."""
    tokens: int = 0
    groups: int = 0
    problems: set[str] = field(default_factory=set)
    """Ids, fewer than ``groups`` where some were taken again."""
    steps: int = 0
    learnt: int = 0


def tokens_sampled_by(run: Path) -> int:
    """Response tokens that a finished training run learnt from; UserError where its logs do not say."""
    if not run.is_dir():
        raise UserError(f"there is no run folder of tersely at {run}")
    lines = {log: _lines(run, log) for log in (Log.CLOCK, Log.JOURNAL)}
    found = sum(line.get("tokens_sampled", 0) for line in lines[Log.CLOCK])
    found = found or sum(line.get("response_tokens", 0) for line in lines[Log.JOURNAL])
    if not found:
        raise UserError(f"the logs of {run} tell of no sampled tokens: name a run folder of tersely train or baseline")
    if not (run / "done.json").is_file():
        raise UserError(f"{run} is not finished, so what it will sample is not known: finish it, or give --tokens")
    return int(found)


def _lines(run: Path, log: Log) -> list[Json]:
    path = run / f"{log}.jsonl"
    return read_log(path, allow_torn=True) if path.is_file() else []


def run_iterated(config: BaselineConfig, rounds: Rounds, out: Path, display: Display) -> BaselineSummary:
    """Train in the run folder ``out``; returns the summary kept in done.json.

    Raises UserError, RunError and Stopped as the parts do.
    """
    require_trl()
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    folder = locate_model(config.model, config.revision)
    times = {"rounds": rounds.count, "tokens_to_sample": rounds.tokens}
    wanted = {
        **identity_of(ITERATED, config, folder, config.seed),
        **times,
        **asked_of(folder, config, None, is_sampled=True),
    }
    finished = RunFolder.look(out, RunKind.BASELINE, wanted) is not None
    checked = () if finished else check_folder("sft", folder, config)
    with RunFolder.open(out, RunKind.BASELINE, wanted) as run:
        done = run.read_done(BaselineSummary.from_json)
        if done is not None:
            display.note(f"{out} is finished already: nothing to do")
            return done
        trainee = Trainee(folder, config, checked, run, display)
        trainee.rewind()
        if (done := trainee.finished_before()) is not None:
            return done
        sofar = _Sofar(config.model)
        for number in range(1, rounds.count + 1):
            if sofar.tokens < rounds.tokens:
                _round(number, config, rounds, sofar, run, display)
        keep_trained_on(run.path, list(sofar.problems))
        if sofar.tokens < rounds.tokens:
            display.note(f"{sofar.tokens} of {rounds.tokens} tokens were sampled: more --rounds would use all of them")
        trainee.folder = locate_model(sofar.model)
        trainee.load()
        cap = config.sampling.max_new_tokens
        facts = TrainedFor(ITERATED, config.template, cap, base=config.model, verifier=config.verifier)
        return trainee.finish(BaselineSummary(ITERATED, sofar.steps, sofar.learnt), facts)


def _round(
    number: int, config: BaselineConfig, rounds: Rounds, sofar: _Sofar, run: RunFolder, display: Display
) -> None:
    """Sample and learn once, and note it in ``sofar`` and in the run's logs."""
    samples, place = run.path / f"round-{number}-samples", run.path / f"round-{number}"
    own = config.model_copy(update={"model": sofar.model, "revision": config.revision if number == 1 else None})
    share = ceil((rounds.tokens - sofar.tokens) / (rounds.count - number + 1))
    display.note(f"round {number} of {rounds.count}")
    drawn = SamplesConfig(**own.model_dump(exclude={"tuning"}))
    draw_samples(drawn, samples, display, part=Part(sofar.groups, share))
    done = run_baseline("sft", own, place, samples, display)
    for log in (Log.JOURNAL, Log.CLOCK):
        run.append(log, _of_all_rounds(_lines(place, log), number, sofar.steps))
    kept = read_samples(samples)
    sofar.model = str(place)
    sofar.tokens += int(kept.cost.tokens_sampled)
    sofar.groups += len(kept.groups)
    sofar.problems.update(group.problem.id for group in kept.groups)
    sofar.steps += done.optimizer_steps
    sofar.learnt += done.learnt_from


def _of_all_rounds(lines: Sequence[Json], number: int, before: int) -> list[Json]:
    """A round's lines as lines of the whole run, whose steps go on counting."""
    kept = [{name: value for name, value in line.items() if name != "of"} for line in lines]
    return [{**line, "step": line["step"] + before, "round": number} for line in kept]
