"""`tersely behaviours`: phrases, overthinking and loops in responses that are kept; nothing is sampled again."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.verb import add_verb
from tersely.errors import UserError
from tersely.terminal import make_console, say

if TYPE_CHECKING:
    from tersely.analysis import PairedBlock, PairedComparison, Summary, SummaryBlock
    from tersely.records import Estimate

FILE = "behaviours"


def add_behaviours(verbs: Any) -> None:
    p = add_verb(verbs, "behaviours", run_behaviours, "checks, doubts and loops in kept responses, by difficulty")
    p.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="evaluated run folders; the first is the base")
    p.add_argument("--phrases", type=Path, default=None, metavar="FILE.toml", help='lists such as doubt = ["hmm"]')
    p.add_argument("--task", default=None, help="default: the one task that all of them were evaluated on")
    p.add_argument("--effort", default=None, metavar="LEVEL", help="of runs that were evaluated by levels of effort")
    p.add_argument("--out", type=Path, default=None, help="folder for behaviours.json and behaviours.csv")


def run_behaviours(args: argparse.Namespace) -> int:
    from tersely.analysis import PHRASES, compare_paired, summarise
    from tersely.evaluation.runs import at_effort, read_run, require_tasks
    from tersely.runs import disk

    phrases = PHRASES if args.phrases is None else read_phrases(args.phrases)
    runs = at_effort([read_run(path) for path in args.runs], args.effort)
    task = pick_task(require_tasks(runs), args.task)
    found: dict[Path, tuple[Summary, PairedComparison | None]] = {}
    base = runs[0].evaluations[task]
    for run in runs:
        evaluation = run.evaluations[task]
        records = evaluation.responses()
        paired = None
        if run is not runs[0]:
            paired = compare_paired(base.responses(), records, base.protocol, evaluation.protocol)
        found[run.path] = (summarise(records, evaluation.protocol, phrases), paired)
    table = _table(found, tuple(phrases))
    _print(table, task)
    if args.out is not None:
        disk.make_dir(args.out)
        content = {
            "task": task,
            "phrases": {name: list(words) for name, words in phrases.items()},
            "runs": {
                str(path): {"summary": summary.to_json(), "versus_first": paired and paired.to_json()}
                for path, (summary, paired) in found.items()
            },
        }
        disk.write_json_atomic(args.out / f"{FILE}.json", content)
        disk.replace_file(args.out / f"{FILE}.csv", table.to_csv().encode(errors="backslashreplace"))
        say(f"written: {args.out / FILE}.json and .csv")
    return 0


def read_phrases(path: Path) -> dict[str, tuple[str, ...]]:
    """Behaviour -> phrases, from a TOML file of lists of text; UserError where it is not one."""
    from tersely.analysis import count_behaviours
    from tersely.toml_file import read_toml

    content = read_toml(path, "list of phrases")
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


def _table(found: Mapping[Path, tuple[Summary, PairedComparison | None]], names: tuple[str, ...]) -> Any:
    """A row for each run and difficulty, and for each run's whole."""
    from tersely.table import Column, Table

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

    rows = []
    for path, (summary, paired) in found.items():
        for label, block in summary.by_difficulty.items():
            rows.append((path.name, label, *_cells(block, names, paired.by_difficulty[label] if paired else None)))
        rows.append((path.name, "all", *_cells(summary.overall, names, paired.overall if paired else None)))
    return Table(FILE, "Behaviours", columns, tuple(rows))


def _cells(block: SummaryBlock, names: tuple[str, ...], paired: PairedBlock | None) -> list[Estimate | None]:
    thought, spread = block.overthinking, block.spread
    return [
        *(block.behaviours[name] for name in names),
        block.tokens,
        paired.token_saving if paired else None,
        thought.share_after_answer if thought else None,
        thought.stated_by_chance if thought else None,
        thought.loops if thought else None,
        spread.std_over_mean if spread else None,
        spread.shortest_below_mean if spread else None,
    ]


def _print(table: Any, task: str) -> None:
    from rich.table import Table

    shown = Table(title=f"{task}: phrases a response; 95 % intervals, clustered by problem", title_justify="left")
    for i, column in enumerate(table.columns):
        shown.add_column(column.title, justify="left" if i < 2 else "right")
    for row in table.shown():
        # The interval on a line of its own: a dozen columns would not fit side by side.
        shown.add_row(*(cell.replace(" [", "\n[") for cell in row))
    make_console(200).print(shown)
