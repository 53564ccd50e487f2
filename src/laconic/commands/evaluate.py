"""`laconic evaluate` and `laconic report`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from laconic.commands.verb import add_verb, command_line, label


def add_evaluate(verbs: Any) -> None:
    p = add_verb(
        verbs, "evaluate", run_evaluate, "measure accuracy and tokens with intervals; the first model is the base"
    )
    p.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="run folder or model folder")
    p.add_argument(
        "--task", default="arithmetic", help="'arithmetic', a named task, or a JSONL file (default arithmetic)"
    )
    p.add_argument("--size", type=int, default=None, help="problems (default: all of a file, 600 of the embedded task)")
    p.add_argument("--k", type=int, default=1, help="responses a problem (default 1)")
    p.add_argument("--temperature", type=float, default=0.6, help="default 0.6, the paper's")
    p.add_argument("--top-p", type=float, default=1.0, help="default 1, the paper's")
    p.add_argument("--max-new-tokens", type=int, default=None, help="default: what the model was trained with")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--template", default=None, help="default: what the model was trained with")
    p.add_argument(
        "--instruction", default=None, metavar="NAME", help="ask for brevity: limit:512, tale:512 or concise"
    )
    p.add_argument("--other-template", action="store_true", help="allow another template than trained with")
    p.add_argument("--allow-overlap", action="store_true", help="allow problems that the model was trained on")
    p.add_argument("--out", type=Path, default=None, help="folder for the evaluations (needed for foreign models)")
    p.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's choice)")
    p.add_argument("--engine", choices=("transformers", "vllm"), default="transformers", help="default transformers")


def run_evaluate(args: argparse.Namespace) -> int:
    from laconic.display import make_display
    from laconic.evaluate.protocol import EvalProtocol
    from laconic.evaluate.run import evaluate
    from laconic.evaluate.table import print_table
    from laconic.hub import locate_model
    from laconic.learn.models import read_trained_for

    folders = []
    for model in args.models:
        cap = args.max_new_tokens or read_trained_for(locate_model(str(model))).get("max_new_tokens", 32768)
        protocol = EvalProtocol(
            task=args.task,
            size=args.size,
            k=args.k,
            max_new_tokens=cap,
            temperature=args.temperature,
            top_p=args.top_p,
            seed=args.seed,
            template=args.template,
            instruction=args.instruction,
        )
        out = args.out / label(model) if args.out else None
        with make_display(f"evaluate {label(model)}") as display:
            folder = evaluate(
                model,
                protocol,
                out,
                display,
                command=command_line(),
                other_template=args.other_template,
                allow_overlap=args.allow_overlap,
                threads=args.threads,
                engine=args.engine,
            )
        folders.append((label(model), folder))
    print_table(folders)
    return 0


def add_report(verbs: Any) -> None:
    p = add_verb(verbs, "report", run_report, "draw one page, Markdown and figures from evaluated runs")
    p.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="evaluated run folders")
    p.add_argument("--base", type=Path, default=None, help="base (default: the model that the runs were trained from)")
    p.add_argument("--out", type=Path, default=Path("report"), help="folder of the report")
    p.add_argument("--command", action="append", default=[], help="a command to print as what made the runs")


def run_report(args: argparse.Namespace) -> int:
    from laconic.report import write_report

    page = write_report(args.runs, args.base, args.out, [*args.command, command_line()])
    print(f"report: {page}")
    return 0
