"""`tersely behaviours`: phrases, overthinking and loops in responses that are kept; nothing is sampled again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tersely.commands.verb import add_verb
from tersely.errors import UserError

FILE = "behaviours"


def add_behaviours(verbs: Any) -> None:
    p = add_verb(verbs, "behaviours", run_behaviours, "checks, doubts and loops in kept responses, by difficulty")
    p.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="evaluated run folders; the first is the base")
    p.add_argument("--phrases", type=Path, default=None, metavar="FILE.toml", help='lists such as doubt = ["hmm"]')
    p.add_argument("--task", default=None, help="default: the one task that all of them were evaluated on")
    p.add_argument("--out", type=Path, default=None, help="folder for behaviours.json and behaviours.csv")


def run_behaviours(args: argparse.Namespace) -> int:
    from tersely.analysis import PHRASES, compare, summarise
    from tersely.report.load import read_run, require_tasks
    from tersely.runs import disk

    phrases = PHRASES if args.phrases is None else read_phrases(args.phrases)
    runs = [read_run(path) for path in args.runs]
    task = pick_task(require_tasks(runs), args.task)
    found = {}
    base = runs[0].evaluations[task]
    for run in runs:
        evaluation = run.evaluations[task]
        summary = summarise(evaluation.records, evaluation.protocol, phrases)
        versus = None
        if run is not runs[0]:
            versus = compare(base.records, evaluation.records, base.protocol, evaluation.protocol)
        found[str(run.path)] = {"summary": summary, "versus_first": versus}
    table = _table(found, tuple(phrases))
    _print(table, task)
    if args.out is not None:
        disk.make_dir(args.out)
        content = {"task": task, "phrases": {name: list(words) for name, words in phrases.items()}, "runs": found}
        disk.write_json_atomic(args.out / f"{FILE}.json", content)
        disk.write_file(args.out / f"{FILE}.csv", table.to_csv().encode(errors="backslashreplace"))
        print(f"written: {args.out / FILE}.json and .csv")
    return 0


def read_phrases(path: Path) -> dict[str, tuple[str, ...]]:
    """Behaviour -> phrases, from a TOML file of lists of text; UserError where it is not one."""
    import tomllib

    from tersely.analysis import count_behaviours

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            f'{path} cannot be read as lists of phrases ({error}): write a line such as doubt = ["hmm"]'
        ) from error
    for name, words in content.items():
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise UserError(f'{path}: {name!r} must be a list of texts, such as {name} = ["hmm", "not sure"]')
    if not content:
        raise UserError(f'{path} holds no list of phrases: write a line such as doubt = ["hmm", "not sure"]')
    count_behaviours("", content)  # refuses empty lists and phrases without a letter or digit
    return {name: tuple(words) for name, words in content.items()}


def pick_task(tasks: list[str], asked: str | None) -> str:
    """The task asked for, or the only one. UserError for none of them, or for several to choose from."""
    from tersely.errors import require_known

    if asked is not None:
        return require_known("task", asked if asked in tasks else Path(asked).stem, tasks)
    if len(tasks) > 1:
        raise UserError(f"several tasks were evaluated ({', '.join(tasks)}): say which with --task")
    return tasks[0]


def _table(found: dict[str, Any], names: tuple[str, ...]) -> Any:
    """A row for each run and difficulty, and for each run's whole."""
    from tersely.records import Estimate
    from tersely.report.tables import Column, Table

    columns = (
        Column("model", "Model"),
        Column("difficulty", "Difficulty"),
        *(Column(name, name.capitalize(), "count") for name in names),
        Column("tokens", "Tokens", "tokens"),
        Column("token_saving", "Saved", "percent"),
        Column("share_after_answer", "After the answer", "percent"),
        Column("stated_by_chance", "Stated by chance", "percent"),
        Column("loops", "Loops", "percent"),
        Column("std_over_mean", "Std / mean", "percent"),
        Column("shortest_below_mean", "Shortest below mean", "percent"),
    )

    def estimate(block: dict[str, Any] | None, key: str) -> Estimate | None:
        return Estimate(**block[key]) if block and block[key] else None

    rows = []
    for path, content in found.items():
        summary, versus = content["summary"], content["versus_first"]
        blocks = [(label, block, label) for label, block in summary["by_difficulty"].items()]
        for label, block, key in [*blocks, ("all", summary["overall"], None)]:
            other = None if versus is None else versus["overall"] if key is None else versus["by_difficulty"][key]
            thought = block["overthinking"]
            rows.append(
                (
                    Path(path).name,
                    label,
                    *(estimate(block["behaviours"], name) for name in names),
                    estimate(block, "tokens"),
                    estimate(other, "token_saving"),
                    *(estimate(thought, name) for name in ("share_after_answer", "stated_by_chance", "loops")),
                    *(estimate(block["spread"], name) for name in ("std_over_mean", "shortest_below_mean")),
                )
            )
    return Table(FILE, "Behaviours", columns, tuple(rows))


def _print(table: Any, task: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=f"{task}: phrases a response; 95 % intervals, clustered by problem", title_justify="left")
    for i, column in enumerate(table.columns):
        shown.add_column(column.title, justify="left" if i < 2 else "right")
    for row in table.shown():
        # The interval on a line of its own: a dozen columns would not fit side by side.
        shown.add_row(*(Text(cell.replace(" [", "\n[")) for cell in row))
    Console(width=None if Console().is_terminal else 200).print(shown)
