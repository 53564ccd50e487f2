"""Logs of inspect-ai (``.eval`` and ``.json``, log version 2), read as they are: its library is not needed.

A ``.eval`` file is a zip of JSON: ``header.json`` and a file for each sample and epoch. What is read of it is what
``inspect_ai.log.EvalLog`` (0.3.285) declares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tersely.adapters.inspect import FINISHES
from tersely.errors import UserError
from tersely.imported.content import digest, problem, require_once
from tersely.imported.reading import read_object
from tersely.imported.record import Answered, Asked, ForeignLog, Scored, number, require_count
from tersely.imported.zipped import read_members
from tersely.records import Finish, Kind, Problem
from tersely.served import with_thinking

VERSION = 2
LENGTH_LIMITS = ("token", "context")
"""Limits of a sample that are about length; any other one (time, cost, messages) aborted it."""
GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
"""What inspect's own ``value_to_float`` makes of words; of any other word it makes 0."""
NOT_READ = ("events", "events_data", "attachments", "store", "timelines")
"""The bulk of a sample, of which only the counts are read."""


def knows(head: bytes) -> bool:
    named = all(name in head for name in (b'"version"', b'"status"', b'"eval"'))
    return head.startswith(b"PK\x03\x04") or (head.lstrip().startswith(b"{") and named)


def read(path: Path) -> ForeignLog:
    """UserError for an evaluation that did not end well, was declared invalid, or whose samples are not in the log."""
    header, samples = _content(path)
    _require_ended(header, path)
    about, results = header["eval"], header.get("results") or {}
    require_once((f"sample {sample['id']} of epoch {sample['epoch']}" for sample in samples), str(path))
    answers = [_answered(sample, about, path) for sample in sorted(samples, key=lambda sample: int(sample["epoch"]))]
    if not answers:
        raise UserError(f"{path} holds no samples: evaluate again with --log-samples")
    return ForeignLog(
        made_by=f"inspect_ai {(about.get('packages') or {}).get('inspect_ai', '')}".strip(),
        task=str(about["task"]),
        version=str(about.get("task_version", 0)),
        model=str(about["model"]),
        answers=tuple(answers),
        asked=_asked(header),
        accuracies=dict(_accuracies(results.get("scores") or [])),
        missing=max(0, int(results.get("total_samples") or 0) - len(answers)),
    )


def _content(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The log without its samples, and these."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"
    if not zipped:
        whole = read_object(path)
        return whole, [_without_bulk(sample, whole["eval"]["model"]) for sample in whole.pop("samples", None) or []]
    header = next((json.loads(content) for _, content in read_members(path, "header.json".__eq__)), None)
    if header is None:
        raise UserError(f"{path} is of an evaluation that has not ended: finish it with inspect eval-retry first")
    parts = read_members(path, lambda name: name.startswith("samples/") and name.endswith(".json"))
    return header, [_without_bulk(json.loads(content), header["eval"]["model"]) for _, content in parts]


def _require_ended(header: Mapping[str, Any], path: Path) -> None:
    if header.get("version", VERSION) != VERSION:
        raise UserError(f"{path} is of version {header['version']} of inspect's logs: here {VERSION} is known")
    if header["status"] != "success":
        raise UserError(
            f"{path} is of an evaluation with the status {header['status']!r}: finish it with inspect eval-retry first"
        )
    if header.get("invalidated"):
        raise UserError(f"{path} was declared invalid: finish it with inspect eval-retry first")


def _without_bulk(sample: dict[str, Any], model: str) -> dict[str, Any]:
    usage = _usage(sample, model)
    return {name: value for name, value in sample.items() if name not in NOT_READ} | {"usage": usage}


def _usage(sample: Mapping[str, Any], model: str) -> tuple[int | None, int | None]:
    """(tokens, thinking tokens) that the model wrote for its answer, over all of its calls; None where not counted.

    Calls of scorers, which may ask the same model, are none of them.
    """
    calls = [event["output"].get("usage") for event in _solving(sample) if _is_call(event, model)]
    if not calls:
        several = len(_spoken(sample)) > 1
        of_all, of_last = (sample.get("model_usage") or {}).get(model), (sample.get("output") or {}).get("usage")
        calls = [of_all if several or not of_last else of_last]
    counted = [_written(call or {}) for call in calls]
    thought = [call["reasoning_tokens"] for call in calls if call and call.get("reasoning_tokens") is not None]
    return sum(counted) if all(counted) else None, sum(thought) if thought else None


def _written(call: Mapping[str, Any]) -> int:
    """Tokens of a call with its thinking; 0 where they are not counted. Older versions count cached tokens among the
    others of a prompt."""
    prompt = call.get("input_tokens") or 0
    cached = sum(call.get(f"input_tokens_cache_{name}") or 0 for name in ("read", "write"))
    written, thought = call.get("output_tokens") or 0, call.get("reasoning_tokens")
    require_count("tokens", written)
    return with_thinking(written, thought, call.get("total_tokens"), prompt + cached, prompt)


def _solving(sample: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The events before scoring begins, which is a span; versions before 0.3.9x write a step for each scorer."""
    inside = 0
    for event in sample.get("events") or []:
        what, of = event.get("event"), event.get("type")
        if what == "span_begin" and "scorers" in (of, event.get("name")):
            return
        if (what, of) == ("step", "scorer"):
            inside += 1 if event.get("action") == "begin" else -1
        elif not inside:
            yield event


def _is_call(event: Mapping[str, Any], model: str) -> bool:
    ours = event.get("event") == "model" and event.get("model") == model
    return ours and not event.get("role") and not event.get("error")


def _spoken(sample: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the model said, turn by turn; turns of the prompt are not among them."""
    said = [m for m in sample.get("messages") or [] if m.get("role") == "assistant" and m.get("source") != "input"]
    choices = (sample.get("output") or {}).get("choices") or []
    last = choices[0]["message"] if choices else None
    return said if last is None or any(m["content"] == last["content"] for m in said) else [*said, last]


def _answered(sample: Mapping[str, Any], about: Mapping[str, Any], path: Path) -> Answered:
    tokens, thought = sample["usage"]
    return Answered(
        log_id=str(sample["id"]),
        problem=_problem(sample, str(about["task"]), path),
        text="\n\n".join(filter(None, (_text(message["content"]) for message in _spoken(sample)))),
        finish=_finish(sample),
        tokens=tokens,
        thinking_tokens=thought,
        scores=dict(_scores(sample.get("scores") or {})),
        failed=bool(sample.get("error")),
    )


def _finish(sample: Mapping[str, Any]) -> Finish:
    choices, limit = sample["output"].get("choices"), sample.get("limit")
    if sample.get("error") or not choices:
        return Finish.ABORTED
    if limit:
        return Finish.LENGTH if limit["type"] in LENGTH_LIMITS else Finish.ABORTED
    return FINISHES.get(choices[0].get("stop_reason", "unknown"), Finish.ABORTED)


def _scores(given: Mapping[str, Any]) -> Iterator[tuple[str, Scored]]:
    """By scorer; of one that gives several numbers, by SCORER.NAME."""
    for scorer, score in given.items():
        value, answer = score["value"], score.get("answer")
        named = {f"{scorer}.{name}": one for name, one in value.items()} if isinstance(value, dict) else {scorer: value}
        for name, one in named.items():
            if not isinstance(one, list):
                yield name, Scored(_number(one), None if answer is None else str(answer))


def _number(value: Any) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, str) and (known := GRADES.get(value, WORDS.get(value.lower()))) is not None:
        return known
    try:
        return number(value)
    except ValueError:
        return 0.0


def _accuracies(scores: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    """Of the scorers whose epochs are reduced by their mean."""
    for one in scores:
        metrics = one.get("metrics") or {}
        found = metrics.get("accuracy") or metrics.get("mean")
        if found is not None and one.get("reducer") in (None, "mean"):
            named = one["name"] if one["name"] == one["scorer"] else f"{one['scorer']}.{one['name']}"
            yield named, float(found["value"])


def _asked(header: Mapping[str, Any]) -> Asked:
    plan, about = header.get("plan") or {}, header["eval"]
    steps = [*(plan.get("steps") or []), *filter(None, [plan.get("finish")])]
    of_model, of_plan = about.get("model_generate_config") or {}, plan.get("config") or {}
    config = {name: value for part in (of_model, of_plan) for name, value in part.items() if value is not None}
    args = about.get("task_args_passed", about.get("task_args"))
    return Asked(
        template=" > ".join(_named(step["solver"], step.get("params_passed", step.get("params"))) for step in steps),
        temperature=config.get("temperature"),
        top_p=config.get("top_p"),
        max_new_tokens=config.get("max_tokens"),
        request=",".join(_requests(config)) or None,
        further={"task_args": json.dumps(args, sort_keys=True)} if args else {},
    )


def _requests(config: Mapping[str, Any]) -> Iterator[str]:
    """What a server would be asked for, in the words of ``evaluate --request``."""
    for name in ("reasoning_effort", "reasoning_tokens"):
        if name in config:
            yield f"{name}={config[name]}"
    for name, called in (("system_message", "system"), ("extra_body", "extra_body")):
        if config.get(name):
            yield f"{called}={digest(config[name])}"


def _named(name: str, params: Any) -> str:
    return f"{name}:{digest(params)}" if params else name


def _text(content: Any) -> str:
    """Thinking first, in tags, as a model that is sampled here writes it."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = [part for part in content if part["type"] == "reasoning"]
    thought = "".join(part.get("summary") or "" if part.get("redacted") else part["reasoning"] for part in parts)
    said = "".join(part["text"] for part in content if part["type"] == "text")
    return f"<think>{thought}</think>\n{said}" if thought else said


def _problem(sample: Mapping[str, Any], task: str, path: Path) -> Problem:
    target, choices = sample["target"], sample.get("choices") or []
    answer = target if isinstance(target, str) else " | ".join(map(str, target))
    letters = [_letter(place) for place in range(len(choices))]
    options = [f"({letter}) {text}" for letter, text in zip(letters, choices, strict=True)]
    question = "\n".join([_question(sample["input"]), *options])
    kind = Kind.CHOICE if answer.isalpha() and answer in letters else Kind.MATH
    return problem(question, answer, sample.get("metadata") or {}, task, f"{path}, sample {sample['id']}", kind)


def _letter(place: int) -> str:
    """As inspect names choices: A to Z, then 1, 2, ..."""
    return chr(ord("A") + place) if place < 26 else str(place - 25)


def _question(asked: Any) -> str:
    """The one message of the user, or all messages with who says them."""
    if isinstance(asked, str):
        return asked
    said = [(message["role"], _shown(message["content"])) for message in asked]
    return said[0][1] if [role for role, _ in said] == ["user"] else "\n".join(f"{role}: {text}" for role, text in said)


def _shown(content: Any) -> str:
    """Text, and what is none by a digest: another picture is another problem."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] if part["type"] == "text" else f"[{part['type']} {digest(part)}]" for part in content)
