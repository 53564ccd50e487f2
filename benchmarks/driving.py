"""What the drivers of benchmarks share: problems as a file, and how a run that cannot go on ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tersely.errors import TerselyError
from tersely.records import Problem
from tersely.runs import disk
from tersely.stop import Stopped


def write_task(path: Path, problems: Sequence[Problem]) -> None:
    """A JSONL file that ``--task`` takes, whole or not at all."""
    rows = [
        {"problem": p.question, "answer": p.answer, "kind": str(p.kind), "difficulty": p.difficulty} for p in problems
    ]
    disk.replace_file(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


@contextmanager
def said_plainly() -> Iterator[None]:
    """A mistake or a stop in one sentence, with its exit code."""
    try:
        yield
    except (TerselyError, Stopped) as end:
        print(end, file=sys.stderr)
        raise SystemExit(end.exit_code) from None
