"""The folder of samples that were drawn once: how a group is written there, and how all of it is read again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from tersely.baselines.records import SamplingCost
from tersely.baselines.settings import SamplesConfig
from tersely.errors import UserError, plainly
from tersely.learn.group_codec import decode, encode
from tersely.models.prompt_identity import ASKED
from tersely.records import Group, Json, JsonObject, Problem
from tersely.runs.folder import read_done
from tersely.runs.identity import CONFIG, read_run_config
from tersely.runs.kinds import Log, RunKind
from tersely.runs.logs import read_log

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SamplesIdentity:
    """Which responses a samples folder holds, by its config.json."""

    settings: Json
    """Those of ``SamplesConfig``."""
    model: str
    revision: str | None
    seed: int
    model_sha256: str
    asked: JsonObject
    """Digests of prompts and chat template, and the end tokens (``models.prompt_identity``)."""
    is_part: bool
    """They may be of a part of the problems; ``asked`` is of all of them."""

    @classmethod
    def from_json(cls, config: Json) -> SamplesIdentity:
        settings = {key: value for key, value in config.items() if key in SamplesConfig.model_fields}
        asked = {key: config.get(key) for key in ASKED}
        model, weights = config["model"], config["model_sha256"]
        return cls(settings, model, config["revision"], config["seed"], weights, asked, "part" in config)


@dataclass(frozen=True, slots=True)
class SamplesSummary:
    """done.json of a samples folder."""

    problems: int
    responses: int
    response_tokens: int
    correct: int
    problems_solved: int
    """Those with a correct response at least."""
    unjudged: int

    def to_json(self) -> JsonObject:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Samples:
    """Finished samples, and what drawing them cost."""

    path: Path
    identity: SamplesIdentity
    groups: list[Group]
    cost: SamplingCost
    """Summed over the folder's clock.jsonl."""


def read_samples_identity(folder: Path) -> SamplesIdentity:
    """Of a samples folder, finished or not; UserError for anything else."""
    found = read_run_config(folder)
    if found is None or found.kind != RunKind.SAMPLES:
        raise UserError(
            f"{folder} holds no samples: make some with `tersely baseline samples --out {shlex.quote(str(folder))} ...`"
        )
    try:
        return SamplesIdentity.from_json(found.config)
    except KeyError as error:
        raise UserError(f"{folder / CONFIG} does not say {error} of its samples: draw them again") from error


def read_samples(folder: Path) -> Samples:
    """A finished samples folder; UserError for anything else."""
    identity = read_samples_identity(folder)
    if read_done(folder) is None:
        raise UserError(f"the samples in {folder} are not finished: run their command again, it goes on where it was")
    return Samples(folder, identity, list(read_groups(folder)), _read_cost(folder / f"{Log.CLOCK}.jsonl"))


def _read_cost(clock: Path) -> SamplingCost:
    lines = read_log(clock, allow_torn=True) if clock.is_file() else []

    def total(key: str) -> float:
        return sum(line.get(key, 0) for line in lines)

    return SamplingCost(total("sample_s"), total("judge_s"), total("step_s"), total("tokens_sampled"))


def read_groups(folder: Path) -> Iterator[Group]:
    """The groups drawn so far, each as it was judged last; UserError for a line that is none."""
    return _each(folder, group_from_json)


def count_responses(folder: Path) -> dict[str, int]:
    """Problem id -> how many responses were drawn so far, in a folder that need not be there."""
    if not (folder / f"{Log.GROUPS}.jsonl").is_file():
        return {}
    return dict(_each(folder, lambda line: (str(line["problem"]["id"]), len(line["responses"]))))


def _each(folder: Path, parse: Callable[[Json], T]) -> Iterator[T]:
    path = folder / f"{Log.GROUPS}.jsonl"
    for number, line in latest_lines(path):
        try:
            yield parse(line)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}, line {number}: not a group of responses ({plainly(error)}); draw the samples again"
            ) from error


def latest_lines(path: Path) -> list[tuple[int, Json]]:
    """(number, line) of every problem in groups.jsonl: the last one, where its first one stood."""
    found: dict[Any, tuple[int, Json]] = {}
    for number, line in enumerate(read_log(path, allow_torn=True), start=1):
        problem = line.get("problem")
        found[problem.get("id") if isinstance(problem, dict) else number] = number, line
    return list(found.values())


def group_to_json(group: Group) -> JsonObject:
    """A line of groups.jsonl: token ids and log-probabilities exactly as they were sampled."""
    prompt = list(group.rollouts[0].prompt_tokens)
    return {"problem": group.problem.to_json(), "prompt": prompt, "responses": encode(group)}


def group_from_json(line: Json) -> Group:
    return decode(Problem(**line["problem"]), tuple(line["prompt"]), line["responses"])
