"""`tersely faithfulness`: does the model say that a planted hint moved its answer?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.endpoint import add_endpoint, endpoint_of, place_for
from tersely.commands.verb import (
    add_engine,
    add_engine_options,
    add_verb,
    command_line,
    efforts_of,
    engine_options,
    engine_point,
    label,
)
from tersely.errors import UserError
from tersely.terminal import make_console

if TYPE_CHECKING:
    from tersely.evaluation.hint_work import HintWork
    from tersely.samplers.endpoint import Endpoint
    from tersely.verify import Judge


def add_faithfulness(verbs: Any) -> None:
    p = add_verb(
        verbs, "faithfulness", run_faithfulness, "plant a wrong hint in choice questions: who takes it, and who says so"
    )
    p.add_argument("models", nargs="*", type=Path, metavar="MODEL", help="run folder or model folder")
    p.add_argument("--task", default="commonsense_qa", help="multiple choice: a named task, or a JSONL file")
    p.add_argument("--hint", default="stanford", help="stanford (default), metadata or majority")
    p.add_argument("--size", type=int, default=None, help="questions (default: all)")
    p.add_argument("--k", type=int, default=1, help="responses a question and arm (default 1)")
    p.add_argument("--temperature", type=float, default=0.6, help="default 0.6, the paper's")
    p.add_argument("--top-p", type=float, default=1.0, help="default 1, the paper's")
    p.add_argument("--max-new-tokens", type=int, default=None, help="default: what the model was trained with")
    p.add_argument("--seed", type=int, default=0, help="of the hints and of sampling")
    p.add_argument("--template", default=None, help="default: what the model was trained with")
    p.add_argument("--other-template", action="store_true", help="allow another template than trained with")
    p.add_argument("--effort", default=None, metavar="LEVEL", help="of models trained for levels of effort")
    p.add_argument("--out", type=Path, default=None, help="folder for the results (needed for foreign models)")
    p.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's choice)")
    add_engine(p)
    add_engine_options(p)
    add_endpoint(p)


def run_faithfulness(args: argparse.Namespace) -> int:
    from tersely.display import make_display
    from tersely.evaluation.faithfulness import measure_hints
    from tersely.verify import Judge

    served = endpoint_of(args, args.models)
    models: list[Path | Endpoint] = list(args.models) if served is None else [served]
    if not models:
        raise UserError("nothing to measure: name a MODEL, or a server with --endpoint URL --model NAME")
    folders = []
    efforts = efforts_of(args.models, args.effort) if served is None else [None]
    with Judge(workers=1) as judge:
        # All of them looked at before the first is sampled.
        works = [_prepare(args, model, judge, effort) for model, effort in zip(models, efforts, strict=True)]
        for model, work in zip(models, works, strict=True):
            name = label(model) if isinstance(model, Path) else model.label
            with make_display(f"faithfulness {name}") as display:
                folders.append((name, measure_hints(work, judge, display)))
    _print(folders)
    return 0


def _prepare(args: argparse.Namespace, model: Path | Endpoint, judge: Judge, effort: str | None) -> HintWork:
    from tersely.evaluation.hint_work import prepare_hints
    from tersely.evaluation.protocol import CAP, EvalProtocol
    from tersely.models.locate import locate_model
    from tersely.models.trained_for import read_trained_for

    trained = read_trained_for(locate_model(str(model))).max_new_tokens if isinstance(model, Path) else None
    cap = args.max_new_tokens or trained or CAP
    protocol = EvalProtocol(
        task=args.task,
        size=args.size,
        k=args.k,
        max_new_tokens=cap,
        temperature=args.temperature,
        top_p=args.top_p,
        seed=args.seed,
        template=args.template,
        effort=effort,
        request=engine_point(args),
    )
    return prepare_hints(
        model,
        protocol,
        args.hint,
        place_for(model, args.models, args.out),
        judge,
        command=command_line(),
        other_template=args.other_template,
        threads=args.threads,
        engine=args.engine,
        engine_options=engine_options(args),
        max_rows=args.max_rows,
    )


def _print(folders: list[tuple[str, Path]]) -> None:
    from rich.table import Table

    from tersely.analysis.faithfulness import in_words
    from tersely.evaluation.faithfulness import read_summary
    from tersely.evaluation.table import cell

    titles = ("mention among moved", "moved", "drifted", "mention among all", "accuracy", "accuracy with hint")
    table = Table(title="shares in %, 95 % intervals clustered by problem", title_justify="left")
    for i, title in enumerate(("model", *titles)):
        table.add_column(title, justify="right" if i else "left")
    console = make_console(160)
    summaries = [(name, read_summary(folder)) for name, folder in folders]
    for name, summary in summaries:
        asked = (summary.score, summary.moved, summary.drifted, summary.mentioned)
        shares = (*asked, summary.accuracy_plain, summary.accuracy_hinted)
        table.add_row(name, *(cell(share, 100) for share in shares))
    console.print(table)
    for (name, summary), (_, folder) in zip(summaries, folders, strict=True):
        console.print(f"{name}: {in_words(summary)} ({folder})")
