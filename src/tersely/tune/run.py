"""`tersely tune`, in order: problems -> one steered run -> ladder -> test -> last word -> certificate.

Every stage is resumable by itself: the run goes on from its checkpoint, and no response is sampled twice. Another
target on a finished run is a new choice among its checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tersely.config import TrainConfig
from tersely.display import Display, speaks
from tersely.errors import UserError
from tersely.learn.caps import CONSTANT
from tersely.learn.health.asked import warned
from tersely.learn.loop import train
from tersely.models.digest import weights_digest_once
from tersely.models.load import load_config, load_tokenizer
from tersely.models.locate import locate_model
from tersely.models.positions import Room
from tersely.objective import Need, Objective
from tersely.records import EvalRecord, FloatArray, JsonObject
from tersely.rollouts import Grader, judge_for
from tersely.runs import disk
from tersely.runs.identity import is_run_folder, read_run_config
from tersely.runs.places import require_free
from tersely.tasks.overlap import refuse_trained_on
from tersely.tasks.prompts import render_all
from tersely.tune.certificate import Certificate
from tersely.tune.choice import Choice, Shelf, choose
from tersely.tune.found import CERTIFICATES, LAST_WORD, MEASURED, MIXES, RUN, read_screen
from tersely.tune.gate import smallest_loss, spread_by_chance
from tersely.tune.last_word import LastWord, last_word
from tersely.tune.measured import BASE, Measured, most_accurate
from tersely.tune.measuring import K, Measuring, protocol_of
from tersely.tune.members import Models
from tersely.tune.path import PathSettings
from tersely.tune.split import Sets, fewest_held_out, guard_name, make_sets, require_guards, set_json
from tersely.tune.steering import ScreenedRamp
from tersely.tune.target import Target


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a `tersely tune`."""

    target: Target
    confidence: float = 0.95
    against_best: bool = False
    """Changes are counted from the run's most accurate checkpoint instead of the base."""
    held_out: str | None = None
    """A file of problems to choose by."""
    guards: tuple[str, ...] = ()
    """Further tasks on which no more may be lost either."""
    command: str = ""
    """As it was given, for the record."""

    def __post_init__(self) -> None:
        if not 0.5 < self.confidence < 1:
            raise UserError(
                f"--confidence {self.confidence:g} cannot be: give a number between 0.5 and 1, such as 0.95"
            )
        if self.guards and self.target.loss is None:
            raise UserError("--guard keeps the floor of --lose-at-most on further tasks: give that, or leave it out")


def tune(
    config: TrainConfig, wish: Wish, out: Path, display: Display, *, judge: Grader | None = None
) -> Certificate | None:
    """Train once, choose, and say what was found; None in processes that another speaks for.

    ``judge`` takes the place of the one that the problems ask for. UserError for whatever cannot work, before anything
    is written.
    """
    require_tunable(config, out)
    least = fewest_held_out(wish.target.loss, wish.confidence)
    require_reachable(wish.target, config.sampling.max_new_tokens)
    with judge_for(judge, config.run.judge_workers, config.verifier) as grader:
        sets = make_sets(config, wish.held_out, grader, wish.guards, least)
        steering = look_before_tuning(config, wish, sets, out)
        for sentence in what_it_takes(config, wish, sets, steering.settings):
            display.note(sentence)
        train(_unhurried(config), out / RUN, display, problems=sets.training, judge=grader, steering=steering)
        if not speaks():
            return None
        models = Models(locate_model(config.model, config.revision), out / RUN, out / MIXES)
        measuring = Measuring(config, models, out / MEASURED, grader, display, wish.command, guards_of(wish))
        return certify(config, wish, Shelf(measuring, sets, read_screen(out / RUN)), out, display)


def guards_of(wish: Wish) -> dict[str, str]:
    """Which task each guard's test is of, by its name."""
    return {guard_name(guard): guard for guard in wish.guards}


def certify(config: TrainConfig, wish: Wish, shelf: Shelf, out: Path, display: Display) -> Certificate:
    """Choose among what is on the shelf, and say what was found, in a file of ``out`` too."""
    display.note(power_words(shelf.measured[0], shelf.sets, wish.confidence))
    choice = choose(shelf, wish.target, wish.against_best, wish.confidence)
    certificate = _certified(config, wish, shelf, choice)
    path = out / CERTIFICATES / f"{wish.target.name}{'-of-best' if wish.against_best else ''}.json"
    disk.make_dir(path.parent)
    disk.write_json_atomic(path, certificate.to_json())
    return certificate


# ---- before anything starts


def require_tunable(config: TrainConfig, out: Path) -> None:
    """UserError for an objective whose alpha is no price of length that could be moved, and for a folder of others."""
    asked = config.objective
    if asked.levels:
        raise UserError(
            "objective.levels trains one model for several alphas, and tune moves one: leave the levels out, or train "
            "with them and choose a level yourself (`tersely evaluate`)"
        )
    if asked.normalize != "none":
        raise UserError(
            f"objective.normalize = {asked.normalize!r} divides advantages by their own spread, so that alpha would no "
            "longer be the price of length (where all responses are right it cancels out): tune needs "
            "objective.normalize=none"
        )
    if asked.schedule != "constant":
        raise UserError(
            f"objective.schedule = {asked.schedule!r} moves alpha, and so does tune: leave the schedule out"
        )
    if config.run.cap_schedule != CONSTANT:
        raise UserError(
            f"run.cap_schedule = {config.run.cap_schedule!r} moves the cap, by which tune measures every checkpoint: "
            "leave the schedule out"
        )
    objective = Objective(**asked.model_dump())
    if Need.BUDGET in objective.needs:
        raise UserError(
            f"method {asked.method!r} goes by a budget in each prompt, and tune by alpha: choose another method"
        )
    if objective.alpha is None:
        raise UserError(f"method {asked.method!r} has no alpha, which is what tune moves: choose another method")
    require_free(out)
    if out.exists() and not is_run_folder(out / RUN) and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there and was not made by tersely tune: choose another folder with --out")


def _unhurried(config: TrainConfig) -> TrainConfig:
    """The same, but health rules that were not asked to stop the run leave that to the ramp, which heals."""
    return config.model_copy(update={"health": warned(config.health)})


def require_reachable(target: Target, cap: int) -> None:
    """UserError for a length that every response keeps to."""
    if target.tokens is not None and target.tokens >= cap:
        raise UserError(
            f"--tokens {target.tokens:g} is no less than sampling.max_new_tokens = {cap}, where every response is cut "
            "off: ask for fewer, or raise the cap"
        )


def look_before_tuning(config: TrainConfig, wish: Wish, sets: Sets, out: Path) -> ScreenedRamp:
    """What steers the run, once everything that could be refused later was looked at (UserError)."""
    if wish.target.loss is not None:
        require_guards(sets, wish.target.loss, wish.confidence)
    folder = locate_model(config.model, config.revision)
    asked = [*sets.screen, *sets.test, *sets.last_word, *(p for one in sets.guards.values() for p in one)]
    refuse_trained_on(Path(config.model), asked, allow=False)
    prompts = render_all(asked, load_tokenizer(folder), config.template)
    longest = max(map(len, prompts.values()))
    cap = config.sampling.max_new_tokens
    Room.of(load_config(folder).to_dict()).require(longest, cap, "--set sampling.max_new_tokens=")
    begun = begun_for(out / RUN) or wish
    settings = PathSettings(config.run.steps, begun.target.loss, len(sets.test))
    protocol = protocol_of(config, len(sets.screen))
    steered_by: JsonObject = {
        "tune": {
            "target": begun.target.to_json(),
            "against_best": begun.against_best,
            "path": settings.to_json(),
            "sets": sets.to_json(),
            "k": K,
            "temperature": protocol.temperature,
            "top_p": protocol.top_p,
        }
    }
    shown = {problem.id: prompts[problem.id] for problem in sets.screen}
    return ScreenedRamp(settings, begun.target, begun.against_best, sets.screen, shown, protocol.sampling, steered_by)


def begun_for(run: Path) -> Wish | None:
    """What a finished run was steered by: any other target chooses among its checkpoints. None where there is none."""
    found = read_run_config(run)
    if found is None or not (run / "done.json").is_file() or "tune" not in found.config:
        return None
    steered = found.config["tune"]
    return Wish(Target.from_json(steered["target"]), against_best=steered["against_best"])


def what_it_takes(config: TrainConfig, wish: Wish, sets: Sets, path: PathSettings) -> Iterator[str]:
    """Sizes, what they can show, and what it costs, in sentences."""
    yield sets.words()
    if wish.target.loss is not None:
        sure = 100 * smallest_loss(len(sets.test), confidence=wish.confidence)
        yield (
            f"{len(sets.test)} problems to test with can show a loss of at most {sure:.2f} points if not one is lost "
            f"({100 * wish.confidence:g} % confidence); what chance alone costs is said once the base is measured"
        )
    per_step = config.sampling.prompts * config.sampling.n
    screened = (path.steps // path.every + 1) * len(sets.screen) * K
    per_test, per_word = len(sets.test) * K, len(sets.last_word) * K
    yield (
        f"responses: at most {path.steps * per_step} to train on, {screened} to screen, {per_test} of base and of each "
        f"candidate to test, {per_word} each for the last word; {path.steps // path.every} sets of weights are kept"
    )


def power_words(base: Measured, sets: Sets, confidence: float) -> str:
    """What the sets can show of this base."""
    spread = spread_by_chance(*(_floats(one) for one in (base.right_P, base.judged_P)))
    least = 100 * smallest_loss(len(sets.test), spread, confidence)
    return (
        f"the base is right in {base.accuracy:.1%} of the screening problems; a model as good as it would be shown to "
        f"lose at most {least:.2f} points on {len(sets.test)} problems, in four of five cases"
    )


# ---- the end


def _certified(config: TrainConfig, wish: Wish, shelf: Shelf, choice: Choice) -> Certificate:
    models, protocol = shelf.measuring.models, protocol_of(config, len(shelf.sets.last_word))
    folder = models.folder(choice.member)
    return Certificate(
        target=wish.target,
        confidence=wish.confidence,
        choice=choice,
        model=folder,
        weights_sha256=weights_digest_once(folder),
        base=config.model,
        base_sha256=weights_digest_once(models.base),
        word=_last_word(wish, shelf, choice),
        sets={**shelf.sets.to_json(), **{name: set_json(one) for name, one in shelf.sets.guards.items()}},
        protocol={
            "k": protocol.k,
            "temperature": protocol.temperature,
            "top_p": protocol.top_p,
            "max_new_tokens": protocol.max_new_tokens,
            "template": config.template,
        },
    )


def _last_word(wish: Wish, shelf: Shelf, choice: Choice) -> LastWord:
    """On the third set, against reference, base and the run's most accurate."""
    problems = shelf.sets.last_word
    best = most_accurate(shelf.measured).member
    others = [name for name in dict.fromkeys((choice.reference, BASE, best)) if name != choice.member]

    def of(name: str) -> list[EvalRecord]:
        return shelf.measuring.responses(name, problems, LAST_WORD)

    return last_word(of(choice.member), {name: of(name) for name in others}, problems, wish.confidence)


def _floats(counts: tuple[int, ...]) -> FloatArray:
    return np.array(counts, dtype=np.float64)
