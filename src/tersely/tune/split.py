"""Problems for training, for screening checkpoints, for the test and for the last word: four sets that share nothing.

The held-out ones are dealt out in the order of their content ids, which has nothing to do with what they ask: each set
is a random draw of all, the same on every machine and however the file was sorted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tersely.analysis.bounded import fewest_problems
from tersely.config import TrainConfig
from tersely.errors import UserError
from tersely.records import JsonObject, Problem
from tersely.rollouts import Grader, load_problems
from tersely.tasks import task_digest
from tersely.tasks.overlap import refuse_shared
from tersely.tasks.sources.embedded import EMBEDDED_TASKS
from tersely.tasks.sources.hub import parse_name

SCREEN, TEST, LAST_WORD = 400, 2400, 1200
"""Problems of each set where there are enough."""
SCREEN_SHARE, LAST_SHARE = 0.15, 0.3
"""Of the held-out problems where there are fewer; the rest is for the test."""
HELD_OUT_SHARE = 0.4
"""Of a file's problems at most, where nothing else is held out."""
FEWEST = 20
"""Problems for screening: below, nothing can be told about a checkpoint."""


@dataclass(frozen=True, slots=True)
class Sets:
    """The problems of one `tersely tune`."""

    training: list[Problem]
    screen: list[Problem]
    """Every measured checkpoint answers them; they decide the path of alpha and which models are tested."""
    test: list[Problem]
    """They decide which candidate passes."""
    last_word: list[Problem]
    """They decide nothing: what is said of the chosen model is measured on them."""
    guards: Mapping[str, list[Problem]] = field(default_factory=dict)
    """Further tasks by name, on which the floor must hold too."""

    def to_json(self) -> JsonObject:
        """Of the sets that a run and its choice go by, guards apart."""
        named = {"screen": self.screen, "test": self.test, "last_word": self.last_word}
        return {name: set_json(one) for name, one in named.items()}

    def words(self) -> str:
        guards = "".join(f", {len(one)} of {name} to guard it" for name, one in self.guards.items())
        return (
            f"problems: {len(self.training)} to train on, {len(self.screen)} to screen checkpoints, {len(self.test)} "
            f"to test candidates, {len(self.last_word)} for the last word{guards}"
        )


def set_json(problems: Sequence[Problem]) -> JsonObject:
    """How many, and which."""
    return {"problems": len(problems), "task_sha256": task_digest(problems)}


def make_sets(
    config: TrainConfig, held_out: str | None, judge: Grader, guards: Sequence[str] = (), least: int | None = None
) -> Sets:
    """From ``held_out`` if given, from the task's own held-out problems if it has any, else split off the task.

    UserError where sets would share a problem, or fewer than ``least`` are held out (default: to screen anything).
    """
    source = held_out or (config.task if has_held_out(config.task) else None)
    drop = config.drop_unjudgeable
    size = None if source is None else config.train_size
    training = load_problems(config.task, "train", size, judge, config.template, drop=drop).problems
    if source is None:
        training, asked = _split_off(config, training)
    else:
        wanted = SCREEN + TEST + LAST_WORD if source in EMBEDDED_TASKS else None
        asked = load_problems(source, "held_out", wanted, judge, config.template, drop=drop).problems
        refuse_shared(config.task, training, source, asked)
    screen, test, last = deal(asked, source or config.task, least)
    guarded = {guard_name(guard): _guard(config, guard, judge, [*training, *screen]) for guard in guards}
    if len(guarded) < len(guards):
        raise UserError("two guards have one name: name each task once, and give files names of their own")
    return Sets(training, screen, test, last, guarded)


def guard_name(task: str) -> str:
    """What a guard's test is called."""
    return f"guard-{Path(task).stem}"


def _guard(config: TrainConfig, task: str, judge: Grader, known: Sequence[Problem]) -> list[Problem]:
    """Problems of a further task. UserError where some were trained on or chosen by."""
    wanted = TEST if task in EMBEDDED_TASKS else None
    drop = config.drop_unjudgeable
    asked = load_problems(task, "held_out", wanted, judge, config.template, drop=drop).problems
    refuse_shared(config.task, known, task, asked)
    return sorted(asked, key=lambda p: p.id)[:TEST]


def has_held_out(task: str) -> bool:
    """Whether problems can be had that nobody trains on, without a file that holds them."""
    return task in EMBEDDED_TASKS or parse_name(task) is not None


def deal(
    held_out: Sequence[Problem], name: str, least: int | None = None
) -> tuple[list[Problem], list[Problem], list[Problem]]:
    """(screen, test, last word) of the held-out problems. UserError where they are fewer than ``least``."""
    held = sorted(held_out, key=lambda p: p.id)
    least = fewest_held_out() if least is None else least
    if len(held) < least:
        raise UserError(
            f"{len(held)} held-out problems of {name} are too few for what is asked: {least} are the least, "
            f"{SCREEN + TEST + LAST_WORD} are put to use; give a file that holds more with --held-out FILE"
        )
    screen, test, last = _sizes(len(held))
    return held[:screen], held[screen : screen + test], held[screen + test : screen + test + last]


def _sizes(held: int) -> tuple[int, int, int]:
    """How many of so many held-out problems screen, test, and have the last word."""
    screen, last = SCREEN, LAST_WORD
    if held < SCREEN + TEST + LAST_WORD:
        screen = min(SCREEN, round(SCREEN_SHARE * held))
        last = min(LAST_WORD, round(LAST_SHARE * held))
    return screen, min(TEST, held - screen - last), last


def fewest_held_out(loss: float | None = None, confidence: float = 0.95) -> int:
    """Held-out problems that are enough to screen checkpoints, and for a test that a model which loses nothing passes.

    UserError where no number is: ``TEST`` problems at most are put to it.
    """
    needed = 0 if loss is None else fewest_problems(loss, confidence)
    if needed > TEST:
        possible = next(n for n in count(1) if fewest_problems(n / 1000, confidence) <= TEST) / 10
        raise UserError(
            f"a loss of at most {100 * (loss or 0):g} points cannot be shown on the {TEST} problems that are put to "
            f"the test at most: allow {possible:g} points or more"
        )
    fits = (n for n in count(1) if _sizes(n)[0] >= FEWEST and _sizes(n)[1] >= needed)
    return next(fits)


def require_guards(sets: Sets, loss: float, confidence: float) -> None:
    """UserError where a guard's test could not pass even a model that loses nothing."""
    needed = fewest_problems(loss, confidence)
    for name, problems in sets.guards.items():
        if len(problems) < needed:
            raise UserError(
                f"{name} holds {len(problems)} problems, but {needed} are needed to show that a model loses at most "
                f"{100 * loss:g} points there, even if it loses nothing: give more, or leave this guard out"
            )


def _split_off(config: TrainConfig, problems: Sequence[Problem]) -> tuple[list[Problem], list[Problem]]:
    """(to train on, held out) of a file that is all there is; each in the order of its ids."""
    dealt = sorted(problems, key=lambda p: p.id)
    count = min(SCREEN + TEST + LAST_WORD, int(HELD_OUT_SHARE * len(dealt)))
    training = dealt[count:]
    if config.train_size is not None and config.train_size > len(training):
        raise UserError(
            f"{config.task} holds {len(dealt)} problems, of which {count} are held out to choose by, so that "
            f"train_size = {config.train_size} cannot be met: lower it to {len(training)}, or give --held-out FILE"
        )
    return training[: config.train_size], dealt[:count]
