"""What a sweep is asked for: objectives x alphas x values of settings x seeds, as the runs that answer it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tersely.config import ObjectiveConfig, known_keys
from tersely.errors import UserError, nearest
from tersely.objective import Method, Objective
from tersely.objective.build import find_class, setting_names
from tersely.objective.methods import METHODS
from tersely.pipelines.variants import Variant
from tersely.setting_names import meant

Number = TypeVar("Number", int, float)

ELSEWHERE = {"objective.method": "--objectives", "objective.alpha": "--alphas", "seed": "--seeds"}
"""Settings that a sweep has an option of its own for."""
SHARED = ("model", "revision", "task", "template", "verifier", "drop_unjudgeable")
"""Settings that are the same in every run: runs of other bases or problems, or asked otherwise, are not compared."""
OPEN = ("objective.settings.", "objective.schedule_settings.")
"""What begins so belongs to a method or a schedule, which says itself what it knows."""
LONGEST = 40
"""Characters of a value in the name of a run."""


@dataclass(frozen=True, slots=True)
class Vary:
    """A setting by its full name, and the values that it takes in turn, as --set takes them.

    Example: ``Vary("learner.lora.rank", ("8", "32"))``
    """

    key: str
    values: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Vary:
        """``section.key=v1,v2``; commas within brackets or quotes belong to the value."""
        key, equals, values = text.partition("=")
        if not equals or not key.strip() or not values.strip():
            raise UserError(f"--vary {text!r} is not of the form key=value,value, for example learner.lora.rank=8,32")
        return cls(key.strip(), tuple(part.strip() for part in split_values(values)))

    def __post_init__(self) -> None:
        option = f"--vary {self.key}"
        if not all(self.values):
            raise UserError(f"{option} has a value of nothing: leave the comma out")
        if self.key in ELSEWHERE:
            raise UserError(f"{option}: say it with {ELSEWHERE[self.key]}")
        if self.key in SHARED:
            raise UserError(f"{option}: all runs of a sweep share the {self.key}, or they could not be compared")
        known = known_keys()
        if self.key not in known and not self.key.startswith(OPEN):
            raise UserError(f"{option}: unknown setting {self.key!r}{meant(self.key, known)}")
        require_once(option, self.values)

    @property
    def short(self) -> str:
        return self.key.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Selection:
    """The product that is asked for. UserError where it holds what cannot be, or the same run twice."""

    objectives: tuple[str, ...]
    """Names of methods, or package.module:Name."""
    alphas: tuple[float, ...] = ()
    """For the objectives that have one; empty takes the usual one of each."""
    seeds: tuple[int, ...] = (0,)
    vary: tuple[Vary, ...] = ()
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Settings of one objective's runs alone, ``section.key=value``."""

    def __post_init__(self) -> None:
        for option, values in (
            ("--objectives", self.objectives),
            ("--alphas", self.alphas),
            ("--seeds", self.seeds),
            ("--vary", [one.key for one in self.vary]),
        ):
            require_once(option, values)
        for name in self.objectives:
            find_class("objective", name, METHODS, Method)
        for name, settings in self.own.items():
            if name not in self.objectives:
                raise UserError(f"--set-for {name}: no such objective in this sweep{nearest(name, self.objectives)}")
            refuse_settings_of_others(
                f"--set-for {name}", settings, [one.key for one in self.vary], ("objective.alpha",)
            )
        if self.alphas and not any(self._takes_alphas(name) for name in self.objectives):
            raise UserError(f"--alphas: {' and '.join(self.objectives)} has no alpha to move: leave it out")

    def refuse(self, settings: Sequence[str]) -> None:
        """UserError where settings for all runs (--set) contradict what is varied."""
        refuse_settings_of_others("--set", settings, [one.key for one in self.vary])
        for name, own in self.own.items():
            if twice := {_key(s) for s in settings} & {_key(s) for s in own}:
                raise UserError(f"{min(twice)} is set for all runs and for {name}: say it once")

    def variants(self, usual: Mapping[str, float | None]) -> list[Variant]:
        """The runs, in order. ``usual``: alpha of an objective where nothing else says it, if that is known."""
        combinations = list(itertools.product(*(one.values for one in self.vary)))
        found = []
        for name in self.objectives:
            alphas = self._alphas(name, usual.get(name))
            for alpha, values, seed in itertools.product(alphas, combinations, self.seeds):
                found.append(self._variant(name, alpha, values, seed))
        require_once("a sweep", [variant.name for variant in found])
        return found

    def _takes_alphas(self, name: str) -> bool:
        return has_alpha(name) and not any(_key(setting) == "objective.alpha" for setting in self.own.get(name, ()))

    def _alphas(self, name: str, usual: float | None) -> Sequence[float | None]:
        if not has_alpha(name):
            return [None]
        if own := [s.partition("=")[2] for s in self.own.get(name, ()) if _key(s) == "objective.alpha"]:
            return [numbers("--set-for", own[-1], float)[0]]
        return self.alphas or [usual_alpha(name) if usual is None else usual]

    def _variant(self, name: str, alpha: float | None, values: Sequence[str], seed: int) -> Variant:
        own = [setting for setting in self.own.get(name, ()) if _key(setting) != "objective.alpha"]
        priced = [] if alpha is None else [f"objective.alpha={alpha!r}"]
        varied = [f"{one.key}={value}" for one, value in zip(self.vary, values, strict=True)]
        settings = (f"objective.method={name}", *own, *priced, *varied, f"seed={seed}")
        shorts = [one.short for one in self.vary]
        said = [one.short if shorts.count(one.short) == 1 else one.key for one in self.vary]
        words = [name.rpartition(":")[2], *([] if alpha is None else [f"alpha {alpha:g}"])]
        words += [f"{short} {value[:LONGEST]}" for short, value in zip(said, values, strict=True)]
        return Variant("-".join(in_a_path(word) for word in [*words, f"seed {seed}"]), settings)


def has_alpha(objective: str) -> bool:
    return "alpha" in setting_names(find_class("objective", objective, METHODS, Method))


def usual_alpha(objective: str) -> float:
    """The alpha of an objective that has one, where nothing says another. UserError where there is none."""
    try:
        alpha = Objective(ObjectiveConfig(method=objective).alpha, objective).alpha
    except UserError as error:
        raise UserError(f"objective {objective!r} has no usual alpha: say which with --alphas") from error
    assert alpha is not None
    return alpha


def in_a_path(text: str) -> str:
    """The text with nothing in it that a path or a shell would take for something else."""
    return re.sub(r"[^\w.+-]+", "-", text).strip("-.")


def split_values(text: str) -> list[str]:
    """At the commas that stand within no brackets and no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote or letter in "\"'":
            quote = ("" if letter == quote else quote) if quote else letter
        depth += 0 if quote else (letter in "[{(") - (letter in ")}]")
        if letter == "," and not quote and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def numbers(option: str, text: str, kind: Callable[[str], Number]) -> list[Number]:
    """A list of numbers with commas between. UserError for anything else."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        like = "0,0.1,0.2" if kind is float else "0,1,2"
        raise UserError(f"{option} {text!r} is not a comma-separated list of numbers such as {like}") from error


def refuse_settings_of_others(
    option: str, settings: Sequence[str], varied: Sequence[str], free: Sequence[str] = ()
) -> None:
    """UserError for a setting that another option of a sweep says, the ``free`` ones apart."""
    for setting in settings:
        key = _key(setting)
        if key in free:
            continue
        if key in varied:
            raise UserError(f"{option} {key} and --vary {key} contradict each other: leave one of them out")
        if key in ELSEWHERE:
            raise UserError(f"{option} {setting}: in a sweep say it with {ELSEWHERE[key]}")
        if key in ("model", "task") or (option != "--set" and key in SHARED):
            raise UserError(f"{option} {setting}: all runs of a sweep share the {key}, which is said once for all")


def require_once(option: str, values: Sequence[Hashable]) -> None:
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise UserError(f"{option} names {twice} twice: name each once")


def by_objective(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Objective -> its settings, from ``OBJECTIVE:section.key=value``."""
    found: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        name, colon, setting = key.rpartition(":")
        if not (equals and colon and name and setting):
            raise UserError(
                f"--set-for {text!r} is not of the form OBJECTIVE:KEY=VALUE, for example "
                "laser:objective.settings.target=160"
            )
        found.setdefault(name, []).append(f"{setting}={value}")
    return {name: tuple(settings) for name, settings in found.items()}


def _key(setting: str) -> str:
    return setting.partition("=")[0].strip()
