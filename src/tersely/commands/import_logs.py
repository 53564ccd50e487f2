"""`tersely import`: evaluations that people already have, as ours."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tersely.commands.verb import add_verb, command_line
from tersely.errors import UserError
from tersely.terminal import say


def add_import(verbs: Any) -> None:
    p = add_verb(verbs, "import", run_import, "logs of inspect-ai, lm-eval and lighteval as evaluations")
    p.add_argument("logs", nargs="+", type=Path, metavar="LOG", help="a file of one model on one task")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="evaluations go to DIR/MODEL/TASK")
    p.add_argument("--scorer", default=None, metavar="NAME", help="whose scores count, where the log has several")
    p.add_argument("--judge", action="store_true", help="judge every response here, in place of the log's own scores")
    counts = "counts tokens where the log does not: approximate, and marked so"
    p.add_argument("--tokenizer", metavar="DIR", default=None, help=counts)
    p.add_argument("--name", default=None, metavar="NAME", help="what the model is called (default: as in the log)")
    p.add_argument("--workers", type=int, default=2, help="worker processes of the judge (default 2)")


def run_import(args: argparse.Namespace) -> int:
    """All logs are read before the first is written."""
    from contextlib import nullcontext

    from tersely.commands.waste import counter_of
    from tersely.imported.as_ours import as_ours
    from tersely.imported.formats import read_log
    from tersely.imported.write import folders_of, write
    from tersely.verify import Judge

    logs = [read_log(path) for path in args.logs]
    count = counter_of(args.tokenizer)
    with Judge(workers=args.workers) if args.judge else nullcontext() as judge:
        found = [as_ours(log, args.scorer, judge, count) for log in logs]
    folders = folders_of(found, args.out, args.name)
    for one, folder in zip(found, folders, strict=True):
        write(one, folder, command_line())
    _show(folders)
    return 0


def _show(folders: Sequence[Path]) -> None:
    """A table a task, paired with the first log of it; what cannot be paired stands in one of its own."""
    from tersely.evaluation.table import print_table

    by_task: dict[str, list[Path]] = {}
    for folder in folders:
        by_task.setdefault(folder.name, []).append(folder)
    for task, (first, *others) in by_task.items():
        reasons = {other: why for other in others if (why := _unlike(first, other))}
        tables = [[first, *(other for other in others if other not in reasons)], *([other] for other in reasons)]
        for table in tables:
            if why := reasons.get(table[0]):
                say(f"{table[0]} is compared with nothing: {why}")
            print_table([(folder.parent.name, folder) for folder in table], task)
    for folder in folders:
        say(f"evaluation: {folder}")


def _unlike(first: Path, other: Path) -> str | None:
    """Why two evaluations cannot be paired."""
    from tersely.analysis.paired import require_comparable
    from tersely.evaluation.records import read_evaluation

    one, two = read_evaluation(first), read_evaluation(other)
    try:
        require_comparable(one.responses(), two.responses(), one.protocol, two.protocol)
    except UserError as error:
        return str(error)
    return None
