"""`tersely tune --choose-among`: the choice among models that are there, such as two ends of a family; nothing trains.

The ladder fills gaps by weights between them, so that two runs are enough: a careful end and a terse one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tersely.config import TrainConfig, merge, resolve
from tersely.display import Display
from tersely.errors import UserError
from tersely.models.locate import locate_model
from tersely.models.trained_for import read_trained_for
from tersely.rollouts import Grader, judge_for
from tersely.runs.places import require_free
from tersely.tasks.overlap import refuse_trained_on
from tersely.tune.certificate import Certificate
from tersely.tune.choice import Shelf
from tersely.tune.found import CERTIFICATES, MEASURED, MIXES, RUN
from tersely.tune.measured import BASE, Measured
from tersely.tune.measuring import K, Measuring
from tersely.tune.members import Models
from tersely.tune.mixing import Mixture, require_mixable
from tersely.tune.run import Wish, certify, guards_of, require_reachable
from tersely.tune.split import Sets, fewest_held_out, make_sets, require_guards

OWN = frozenset({RUN, MIXES, MEASURED, CERTIFICATES, "page"})
"""What a folder of `tersely tune` holds."""


def choose_among(
    config: TrainConfig,
    wish: Wish,
    members: Sequence[Path],
    out: Path,
    display: Display,
    *,
    judge: Grader | None = None,
) -> Certificate:
    """The shortest of the members, and of weights between them, that keeps what is asked for; ``config`` says the base,
    the task and who judges (``judge`` in its place). UserError for whatever cannot work, before anything is written."""
    given = named_members(members)
    require_free(out)
    if out.exists() and not (out.is_dir() and {entry.name for entry in out.iterdir()} <= OWN):
        raise UserError(f"{out} is there and was not made by tersely tune: choose another folder with --out")
    base = locate_model(config.model, config.revision)
    for member in given.values():
        require_mixable(Mixture(base, member, ()))
    config = asked_as_trained(config, list(given.values()))
    least = fewest_held_out(wish.target.loss, wish.confidence)
    require_reachable(wish.target, config.sampling.max_new_tokens)
    with judge_for(judge, config.run.judge_workers, config.verifier) as grader:
        sets = make_sets(config, wish.held_out, grader, wish.guards, least)
        require_unknown(sets, wish, [Path(config.model), *given.values()])
        for sentence in (sets.words(), _cost(sets, len(given))):
            display.note(sentence)
        models = Models(base, out / RUN, out / MIXES, {name: locate_model(str(one)) for name, one in given.items()})
        measuring = Measuring(config, models, out / MEASURED, grader, display, wish.command, guards_of(wish))
        shelf = Shelf(measuring, sets, [_screened(measuring, sets, *one) for one in enumerate((BASE, *given))])
        return certify(config, wish, shelf, out, display)


def named_members(members: Sequence[Path]) -> dict[str, Path]:
    """The members by the names of their folders. UserError for two of one name, and for one that is the base's."""
    names = [member.resolve().name for member in members]
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None or BASE in names:
        raise UserError(
            f"--choose-among: {'two models are' if twice else 'a model is'} called {twice or BASE}, "
            f"{'' if twice else 'as what --model names is, '}so that they could not be told apart: rename one's folder"
        )
    return dict(zip(names, members, strict=True))


def asked_as_trained(config: TrainConfig, members: Sequence[Path]) -> TrainConfig:
    """The configuration with template and cap of the members. UserError where these differ, and for models that are
    asked for a level of effort each time."""
    terms = [read_trained_for(locate_model(str(member))) for member in members]
    for member, one in zip(members, terms, strict=True):
        if one.efforts:
            raise UserError(
                f"{member} is asked for a level of effort each time: choose among models of one length each"
            )
    own: dict[str, object] = {}
    for name in ("template", "max_new_tokens", "verifier"):
        known = {getattr(one, name) for one in terms} - {None}
        if len(known) > 1:
            raise UserError(f"the models were trained with another {name} each ({', '.join(map(str, known))})")
        if known:
            own[name] = known.pop()
    cap = own.pop("max_new_tokens", config.sampling.max_new_tokens)
    return resolve(merge(config.model_dump(), {**own, "sampling": {"max_new_tokens": cap}}))


def require_unknown(sets: Sets, wish: Wish, models: Sequence[Path]) -> None:
    """UserError for problems to choose by that any of the models was trained on, and for guards that are too small."""
    if wish.target.loss is not None:
        require_guards(sets, wish.target.loss, wish.confidence)
    for model in models:
        for problems in (sets.screen, sets.test, sets.last_word, *sets.guards.values()):
            refuse_trained_on(model, problems, allow=False)


def _cost(sets: Sets, members: int) -> str:
    screen, test, last = (K * len(problems) for problems in (sets.screen, sets.test, sets.last_word))
    return (
        f"responses: {(members + 1) * screen} to screen base and members, at most {test} of base and of each candidate "
        f"to test, {last} each for the last word; nothing is trained"
    )


def _screened(measuring: Measuring, sets: Sets, place: int, name: str) -> Measured:
    """A model's answers to the screening problems; ``place`` stands where a run has its step."""
    records = measuring.responses(name, sets.screen, "screen")
    return Measured.of_records(name, place, records, [problem.id for problem in sets.screen])
