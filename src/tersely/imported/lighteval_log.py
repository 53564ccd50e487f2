"""Logs of lighteval (``--save-details``): ``details_TASK_DATE.parquet`` with the ``results_DATE.json`` of the same run.

Read is what ``lighteval.logging.evaluation_tracker`` (0.13.0) writes: a row for each problem, with the token ids of its
responses where the model ran here. It does not say why a response ended.
"""

from __future__ import annotations

import importlib
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tersely.errors import UserError
from tersely.extras import install_command
from tersely.imported.content import cap, digest, is_number, problem, require_once
from tersely.imported.reading import MOST, read_object
from tersely.imported.record import Answered, Asked, ForeignLog, Scored, number
from tersely.records import Finish, Problem

COLUMNS = ("doc", "model_response", "metric")


def knows(head: bytes) -> bool:
    return head.startswith(b"PAR1")


def read(path: Path) -> ForeignLog:
    """UserError where the results are not found, and for a task that only looks at likelihoods."""
    rows = _rows(path)
    results = read_object(_results(path))
    key = rows[0]["doc"]["task_name"]
    config, general = results["config_tasks"][key], results["config_general"]
    of_task, worse = results["results"][key], _worse(config)
    require_once((f"problem {name}" for row in rows if (name := row["doc"].get("id"))), str(path))
    return ForeignLog(
        made_by=f"lighteval {general.get('lighteval_sha', '')}".strip("? "),
        task=str(config["name"]),
        version=str(config.get("version", "")),
        model=str(general["model_name"]),
        answers=tuple(_answers(rows, str(config["name"]), path, worse)),
        asked=_asked(config, general["model_config"], rows[0]["doc"]),
        accuracies={name: float(value) for name, value in of_task.items() if is_number(value)},
        says_finish=False,
    )


def _rows(path: Path) -> Sequence[Mapping[str, Any]]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise UserError(f"{path} is a Parquet file, which takes a library: {install_command('logs')}") from error
    with parquet.ParquetFile(path) as file:
        about = file.metadata
        size = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
        if size > MOST:
            raise UserError(f"{path} unpacks to {size} bytes: too many for a log to be read here")
        if lacking := [name for name in COLUMNS if name not in file.schema_arrow.names]:
            raise UserError(f"{path} has no column {lacking[0]!r}: it is no file of details of lighteval 0.9 or newer")
        rows: list[Mapping[str, Any]] = file.read(columns=list(COLUMNS)).to_pylist()
    if not rows or not any(row["model_response"]["text"] for row in rows):
        raise UserError(f"{path} holds likelihoods of given answers and no response, so that nothing can be shorter")
    return rows


def _results(path: Path) -> Path:
    """Of the same run: beside the details, or in ``results/MODEL/`` for ``details/MODEL/DATE/``."""
    date = path.stem.rpartition("_")[2]
    places = [path.parent]
    for root in path.resolve().parents:
        if root.name == "details":
            places.append(root.parent / "results" / path.resolve().parent.parent.relative_to(root))
    found = [place / f"results_{date}.json" for place in places if (place / f"results_{date}.json").is_file()]
    if not found:
        raise UserError(f"{path} needs the file of its results, results_{date}.json: put it beside it")
    return found[0]


def _worse(config: Mapping[str, Any]) -> set[str]:
    """Metrics of which more is worse: they are no share of right. One that gives several numbers says it of each."""
    found: set[str] = set()
    for metric in config.get("metrics") or []:
        named, better = metric.get("metric_name"), metric.get("higher_is_better")
        of_each = better if isinstance(better, dict) else {named: better}
        found |= {str(name) for name, is_better in of_each.items() if is_better is False}
    return found


def _answers(rows: Sequence[Mapping[str, Any]], task: str, path: Path, worse: Container[str]) -> Iterator[Answered]:
    """The first response to every problem, then the second, ..."""
    asked = [(row, _problem(row["doc"], task, path)) for row in rows]
    for sample in range(max(len(row["model_response"]["text"]) for row in rows)):
        for row, of_row in asked:
            said = row["model_response"]
            if sample < len(said["text"]):
                # Several responses have one score together, which is none of each.
                scores = dict(_scores(row["metric"], worse)) if len(said["text"]) == 1 else {}
                tokens = _at(said.get("output_tokens"), sample)
                text, thought = said["text"][sample], _at(said.get("reasonings"), sample)
                yield Answered(
                    log_id=str(row["doc"].get("id")),
                    problem=of_row,
                    text=f"<think>{thought}</think>\n{text}" if thought else text,
                    finish=Finish.EOS,
                    tokens=len(tokens) if tokens else None,
                    thinking_tokens=None,
                    scores=scores,
                )


def _at(values: Sequence[Any] | None, place: int) -> Any:
    return values[place] if values and place < len(values) else None


def _scores(metric: Mapping[str, Any], worse: Container[str]) -> Iterator[tuple[str, Scored]]:
    for name, value in metric.items():
        if name not in worse and is_number(value):
            yield name, Scored(number(value))


def _problem(doc: Mapping[str, Any], task: str, path: Path) -> Problem:
    """Its query is the question as the task's prompt puts it, without examples and chat template."""
    gold, choices = doc["gold_index"], doc["choices"]
    golds = [choices[place] for place in (gold if isinstance(gold, list) else [gold])]
    where = f"{path}, problem {doc.get('id')}"
    return problem(doc["query"], " | ".join(str(one).strip() for one in golds), doc.get("specific") or {}, task, where)


def _asked(config: Mapping[str, Any], model: Mapping[str, Any], doc: Mapping[str, Any]) -> Asked:
    sampling, system = model.get("generation_parameters") or {}, model.get("system_prompt")
    stops = [*(doc.get("stop_sequences") or []), *(sampling.get("stop_tokens") or [])]
    ends = f", stops {digest(stops)}" if stops else ""
    return Asked(
        template=f"{config.get('num_fewshots', 0)}-shot, {config.get('prompt_function')}{ends}",
        temperature=sampling.get("temperature"),
        top_p=sampling.get("top_p"),
        max_new_tokens=cap(sampling.get("max_new_tokens"), doc.get("generation_size")),
        request=f"system={digest(system)}" if system else None,
    )
