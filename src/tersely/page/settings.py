"""What each run is called: the settings in which it differs from the others of its kind."""

import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tersely.config import TrainConfig, merge
from tersely.evaluation.runs import Run, parent_of
from tersely.page.records import Role
from tersely.terminal import visible
from tersely.text import shorten_line

DECLARED = tomllib.loads(Path(__file__).with_name("settings.toml").read_text(encoding="utf-8"))


def describe(runs: Sequence[Run]) -> dict[Path, tuple[Role, str, str]]:
    """Run folder -> (role, series, label); with a price of length a run is of the family, or a departure from it."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.kind, "" if run.alpha is not None else _method(run)), []).append(run)
    words = {run.path: said for group in groups.values() for run, said in zip(group, variants(group), strict=True)}
    named = {}
    for run in runs:
        if run.kind == "model":
            named[run.path] = Role.OTHER, "other models", run.name
        elif run.is_by_level:
            series = f"{_method(run)} efforts".removeprefix("paper ")
            named[run.path] = Role.EFFORT, series, series + (f" ({words[run.path]})" if words[run.path] else "")
        elif run.alpha is None:
            named[run.path] = Role.BASELINE, _method(run), _tuned(run, words[run.path])
        else:
            parent = parent_of(run, [other.path for other in runs])
            after = f"after {parent.name}" if parent is not None and parent.kind == "train" else ""
            variant = ", ".join(filter(None, [words[run.path], after]))
            role, label = (Role.ABLATION, f" ({variant})") if variant else (Role.FAMILY, "")
            named[run.path] = role, variant or "family", f"α {run.alpha:g}{label}"
    return named


def variants(runs: Sequence[Run]) -> list[str]:
    """For each run the settings in which it differs from most of the others, as words; usually empty."""
    # A setting that an earlier version did not know was what it is now by default.
    defaults = TrainConfig.model_validate({"model": "", "task": ""}).model_dump(mode="json")
    flat = [_flatten(merge(defaults, dict(run.config))) for run in runs]
    words: list[list[str]] = [[] for _ in runs]
    for name in sorted({name for settings in flat for name in settings}):
        values = [settings.get(name, "unset") for settings in flat]
        usual = Counter(values).most_common(1)[0][0]
        for place, value in zip(words, values, strict=True):
            if value != usual:
                place.append(shorten_line(f"{name.rpartition('.')[2]} {value}", 60))
    return [", ".join(place) for place in words]


def _tuned(run: Run, words: str) -> str:
    """The method with its learning rate, where that was searched over, and whatever else differs among its runs."""
    label, others = _method(run), words.split(", ") if words else []
    rate = None if run.kind == "train" else run.learning_rate
    if rate is not None:
        # One notation for all of a sweep: 1e-05 and 1e-04, not 0.0001.
        label += f" lr {rate:.0e}" if float(f"{rate:.0e}") == rate else f" lr {rate:g}"
        others = [word for word in others if "learning_rate " not in word]
    return label + (f" ({', '.join(others)})" if others else "")


def _method(run: Run) -> str:
    if run.kind == "train":
        return visible(str(run.config["objective"].get("method", "RL")).rpartition(":")[2])
    method = visible(str(run.config.get("method", run.kind)))
    return str(DECLARED["methods"].get(method, method))


def _flatten(value: Any, key: str = "") -> dict[str, str]:
    if key.rpartition(".")[2] in DECLARED["not_a_setting"]:
        return {}
    if isinstance(value, dict):
        return {name: v for k, part in value.items() for name, v in _flatten(part, f"{key}.{k}".strip(".")).items()}
    return {key: str(value)}
