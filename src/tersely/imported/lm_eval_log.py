"""Logs of lm-eval (``--log_samples``): ``samples_TASK_DATE.jsonl`` with the ``results_DATE.json`` beside it.

Read is what ``lm_eval.loggers.EvaluationTracker`` (0.4.13) writes: a line for each problem and filter, with the
responses before the filter. It counts no tokens and does not say why a response ended.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping, Sequence
from glob import escape
from pathlib import Path
from typing import Any

from tersely.errors import UserError
from tersely.imported.content import cap, digest, is_number, problem, require_once
from tersely.imported.reading import read_bytes, read_object
from tersely.imported.record import Answered, Asked, ForeignLog, Scored, number
from tersely.jsonl import parse_lines
from tersely.records import Finish, Problem
from tersely.verify.visible import last_mark, opens

QUESTIONS = ("question", "problem", "query", "prompt", "input")
"""Columns of a task that may hold the question; one of them does where it is another one in every problem."""
CAPS = ("max_gen_toks", "max_new_tokens", "max_tokens")
PROMPT = ("doc_to_text", "description", "gen_prefix", "target_delimiter", "fewshot_delimiter", "fewshot_config")
"""Settings of a task that make the prompt."""


def knows(head: bytes) -> bool:
    return head.startswith(b'{"doc_id"')


def read(path: Path) -> ForeignLog:
    """UserError where the results are not beside it, and for a task that only looks at likelihoods."""
    date = path.stem.rpartition("_")[2]
    results = read_object(_results(path, date))
    task = next((name for name in results["configs"] if path.stem == f"samples_{name}_{date}"), None)
    if task is None:
        raise UserError(
            f"{path} is of no task in its results: give it the name that lm-eval gave it, samples_TASK_DATE"
        )
    config = results["configs"][task]
    if config.get("output_type") != "generate_until":
        raise UserError(f"{path} holds likelihoods of given answers and no response, so that nothing can be shorter")
    if "think_end_token" in str((results.get("config") or {}).get("model_args")):
        raise UserError(
            f"{path} is without the thinking, which lm-eval cut off (think_end_token): evaluate without that"
        )
    lines = [row for _, row in parse_lines(read_bytes(path).decode("utf-8").split("\n"), str(path))]
    require_once((f"problem {line['doc_id']} under the filter {line['filter']!r}" for line in lines), str(path))
    by_doc: dict[int, list[Mapping[str, Any]]] = {}
    for line in lines:
        by_doc.setdefault(int(line["doc_id"]), []).append(line)
    of_task = results["results"][task]
    return ForeignLog(
        made_by=f"lm_eval {results.get('lm_eval_version', '')}".strip(),
        task=task,
        version=str((results.get("versions") or {}).get(task, "")),
        model=str(results.get("model_name") or results["config"]["model"]),
        answers=tuple(_answers(by_doc, task, path, _worse(results, task))),
        asked=_asked(results, config, lines[0]["arguments"]["gen_args_0"]["arg_1"]),
        accuracies={name: float(value) for name, value in of_task.items() if "," in name and is_number(value)},
        missing=max(0, int(((results.get("n-samples") or {}).get(task) or {}).get("effective") or 0) - len(by_doc)),
        says_finish=False,
    )


def _results(path: Path, date: str) -> Path:
    """Of the same date; lm-eval takes another name for them than results, where one was asked for."""
    named = path.parent / f"results_{date}.json"
    found = [named] if named.is_file() else sorted(path.parent.glob(f"*_{escape(date)}.json"))
    if len(found) != 1:
        raise UserError(f"{path} needs the file of its results beside it, results_{date}.json: put it there")
    return found[0]


def _worse(results: Mapping[str, Any], task: str) -> set[str]:
    """Metrics of which more is worse: they are no share of right."""
    better = (results.get("higher_is_better") or {}).get(task) or {}
    return {name for name, is_better in better.items() if is_better is False}


def _answers(
    by_doc: Mapping[int, Sequence[Mapping[str, Any]]], task: str, path: Path, worse: Container[str]
) -> Iterator[Answered]:
    """The first response to every problem, then the second, ..."""
    column = _column([lines[0]["doc"] for lines in by_doc.values()])
    asked = [(name, lines, _problem(lines[0], column, task, path)) for name, lines in by_doc.items()]
    for sample in range(max(len(lines[0]["resps"][0]) for _, lines, _ in asked)):
        for name, lines, of_doc in asked:
            responses = lines[0]["resps"][0]
            if sample < len(responses):
                # Several responses have one score together, which is none of each.
                scores = dict(_scores(lines, worse)) if len(responses) == 1 else {}
                yield Answered(
                    log_id=str(name),
                    problem=of_doc,
                    text=responses[sample],
                    finish=Finish.EOS,
                    tokens=None,
                    thinking_tokens=None,
                    scores=scores,
                    opened=_opens(lines[0]["arguments"]["gen_args_0"]["arg_0"]),
                )


def _opens(prompt: str) -> bool:
    """Whether a thought begins at its end."""
    last = last_mark(prompt)
    return last is not None and opens(last)


def _scores(lines: Sequence[Mapping[str, Any]], worse: Container[str]) -> Iterator[tuple[str, Scored]]:
    """By METRIC,FILTER, as lm-eval itself names them."""
    for line in lines:
        said = line["filtered_resps"][0] if line.get("filtered_resps") else None
        for metric in line["metrics"]:
            if metric not in worse and is_number(line.get(metric)):
                yield (
                    f"{metric},{line['filter']}",
                    Scored(number(line[metric]), said if isinstance(said, str) else None),
                )


def _column(docs: Sequence[Mapping[str, Any]]) -> str | None:
    """Which column says by itself what is asked; None where none does."""
    different = len({_as_text(doc) for doc in docs})
    for name in QUESTIONS:
        said = [doc.get(name) for doc in docs]
        if all(isinstance(one, str) and one.strip() for one in said) and len(set(said)) == different:
            return name
    return None


def _problem(line: Mapping[str, Any], column: str | None, task: str, path: Path) -> Problem:
    doc = line["doc"]
    question = _as_text(doc) if column is None else doc[column]
    return problem(question, str(line["target"]), doc, task, f"{path}, problem {line['doc_id']}")


def _as_text(doc: Mapping[str, Any]) -> str:
    return json.dumps(doc, sort_keys=True, ensure_ascii=False)


def _asked(results: Mapping[str, Any], config: Mapping[str, Any], sampling: Mapping[str, Any]) -> Asked:
    shots, system = (results.get("n-shot") or {}).get(config["task"], 0), results.get("system_instruction")
    made = {name: config.get(name) for name in PROMPT} | {"until": sampling.get("until")}
    chat = ", chat" if results.get("chat_template") else ""
    return Asked(
        template=f"{shots}-shot:{digest(made)}{chat}",
        temperature=0.0 if sampling.get("do_sample") is False else sampling.get("temperature"),
        top_p=sampling.get("top_p"),
        max_new_tokens=cap(*(sampling.get(name) for name in CAPS)),
        request=f"system={digest(system)}" if system else None,
    )
