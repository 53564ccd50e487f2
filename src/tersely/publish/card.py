"""The model card: what was done to which model, on which data, what it cost and gave, and the commands that say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tersely.models.locate import HUB_ID
from tersely.publish.found import Point, Published
from tersely.publish.private import public, public_command
from tersely.records import Estimate
from tersely.runs.manifest import STEP_NAME
from tersely.terminal import visible
from tersely.text import markdown_cell

STEPS, PROMPTS = "run.steps", "sampling.prompts"
SETTINGS = (
    ("task", "problems"), ("template", "prompt template"), ("seed", "seed"), ("objective.alpha", "alpha"),
    ("objective.advantage", "advantage"), ("objective.schedule", "schedule of alpha"),
    (PROMPTS, "prompts a step"),
    ("sampling.n", "responses a prompt"), ("sampling.temperature", "sampling temperature"),
    ("sampling.max_new_tokens", "cap of a response in tokens"), ("learner.learning_rate", "learning rate"),
    ("learner.loss", "loss"), ("tuning.learning_rate", "learning rate"), ("tuning.epochs", "epochs"),
    ("tuning.batch", "examples of an optimizer step"), (STEPS, "steps"),
)  # fmt: skip
"""Of a run's configuration, what the card says, and as what."""
OF_THE_END = ("objective.alpha", "objective.schedule", STEPS)
"""What a run that `tersely tune` steered would have come to; its certified member is from on the way."""


def card(found: Published) -> str:
    """As Markdown, with the hub's facts at its head. No path of this machine stands in it."""
    parts = [_head(found), _title(found), _settings(found), _measured(found), _certified(found), _commands(found)]
    return "\n\n".join(part for part in parts if part) + "\n"


def base_name(found: Published) -> str:
    """Hub id, or the last part of a path."""
    base = found.trained_for.base or str(found.config.get("model") or "an unnamed base")
    return base if _is_hub_id(base, found) else _in_code(public(Path(base).name))


def _in_code(text: str) -> str:
    """On one line, and without what would end a span of code."""
    return " ".join(visible(text).split()).replace("`", "'")


def _is_hub_id(name: str, found: Published) -> bool:
    """Whether it names a repository of the hub, and no folder here: from where this command runs, or from any folder
    around the run, one of which training ran in."""
    around = (Path(), *found.folder.absolute().parents)
    return HUB_ID.fullmatch(name) is not None and not any((place / name).exists() for place in around)


def method(found: Published) -> str:
    """Of a baseline its name, else that of the objective."""
    objective = found.trained_for.objective or found.config.get("objective") or {}
    return public(str(found.trained_for.method or objective.get("method", "paper")))


def _head(found: Published) -> str:
    base = base_name(found)
    named = [f"base_model: {base}"] if _is_hub_id(base, found) else []
    tags = ["tags:", "- tersely", "- efficient-reasoning"]
    return "\n".join(["---", "library_name: transformers", "pipeline_tag: text-generation", *named, *tags, "---"])


def _title(found: Published) -> str:
    base, alpha = base_name(found), (found.trained_for.objective or {}).get("alpha")
    price = "" if alpha is None or found.trained_for.method else f", alpha {alpha:g}"
    lines = [
        f"# {markdown_cell(base)}, trained to reason in fewer tokens",
        f"Made from `{base}` by tersely {found.version}: method `{method(found)}`{price}. "
        f"Weights: SHA-256 `{found.weights_sha256}` (tersely's digest of the tensors).",
    ]
    if found.trained_for.template is not None:
        template = markdown_cell(public(found.trained_for.template.replace("\n", " ")))
        lines.append(f"It was trained with the prompt template `{template}`: ask it so.")
    return "\n\n".join(lines)


def _settings(found: Published) -> str:
    left_out = () if found.certificate is None else OF_THE_END
    rows = [(words, _setting(found, key)) for key, words in SETTINGS if key not in left_out]
    told = [f"| {words} | {markdown_cell(public(str(value)))} |" for words, value in rows if value is not None]
    return "\n".join(["## Training", "", "| setting | value |", "|---|---|", *told]) if told else ""


def _setting(found: Published, key: str) -> Any:
    """As configured, None for what has no meaning; of steps those that these weights have seen, where the run went on
    or has not ended."""
    if key == PROMPTS and "tuning" in found.config:
        return None  # a baseline samples all of its problems before it learns
    value, named = _value(found.config, key), STEP_NAME.fullmatch(found.folder.name)
    if key != STEPS or value is None or named is None or int(named[1]) == value:
        return value
    return f"{int(named[1])} of {value}"


def _value(config: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.rpartition(".")
    inside = config.get(section) if section else config
    return inside.get(name) if isinstance(inside, Mapping) else None


def _measured(found: Published) -> str:
    title = "## Measured"
    if not found.points:
        return f"{title}\n\nNothing was measured with these weights."
    heads = "| problems | as | accuracy % | tokens | accuracy against the base, points | tokens saved % |"
    rows = [_row(point) for point in sorted(found.points, key=lambda point: point.evaluation.name)]
    notes = [f"- {public(line)}" for point in found.points for line in point.evaluation.sentences()]
    said = (
        "95 % intervals over problems; differences are paired with the base on the same problems, where both were "
        "measured alike. One training run: no interval says what another would give."
    )
    return "\n".join([title, "", said, "", heads, "|---|---|---|---|---|---|", *rows, *(["", *notes] if notes else [])])


def _row(point: Point) -> str:
    one, versus = point.evaluation, point.versus
    rules, overall = one.protocol, one.summary.overall
    asked = f"k {rules.k}, temperature {rules.temperature}, top-p {rules.top_p}, cap {rules.max_new_tokens}"
    cells = [
        public(one.name),
        asked,
        _cell(overall.accuracy, 100),
        _cell(overall.tokens),
        _cell(None if versus is None else versus.accuracy_difference, 100, "+"),
        _cell(None if versus is None else versus.token_saving, 100),
    ]
    return f"| {' | '.join(map(markdown_cell, cells))} |"


def _cell(estimate: Estimate | None, scale: float = 1.0, sign: str = "") -> str:
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{scale * estimate.value:{sign}.1f} (no interval)"
    return f"{scale * estimate.value:{sign}.1f} [{scale * estimate.low:{sign}.1f}, {scale * estimate.high:{sign}.1f}]"


def _certified(found: Published) -> str:
    if found.certificate is None:
        return ""
    return f"## Certificate\n\n{public(found.certificate['sentence'])}"


def _commands(found: Published) -> str:
    commands = list(dict.fromkeys(_recorded(found)))
    return "\n".join(["## Commands", "", "```bash", *commands, "```"]) if commands else ""


def _recorded(found: Published) -> Iterator[str]:
    for point in found.points:
        for one in (point.base, point.evaluation):
            if one is not None and one.command:
                yield public_command(one.command).replace("\n", " ")
