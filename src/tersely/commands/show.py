"""`tersely show`: base and family answering the same question side by side."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.behaviours import pick_task
from tersely.commands.endpoint import add_endpoint, endpoint_of
from tersely.commands.verb import add_verb, efforts_of, label
from tersely.errors import UserError

if TYPE_CHECKING:
    from tersely.records import EvalRecord
    from tersely.samplers.endpoint import Endpoint

MOST = 2400
"""Characters of a response that are shown without --full."""
ASK_TOKENS = 4096


def add_show(verbs: Any) -> None:
    p = add_verb(verbs, "show", run_show, "what several models answer to the same question, side by side")
    p.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="evaluated run folders; with --ask any models")
    p.add_argument("--problem", default=None, metavar="ID", help="content id, or enough of its beginning")
    p.add_argument("--task", default=None, help="default: the one task that all of them were evaluated on")
    p.add_argument("--sample", type=int, default=0, help="which of the k responses, from 0 (default 0)")
    p.add_argument("--base", type=Path, default=None, help="shown first (default: what the first run was trained from)")
    p.add_argument("--effort", default=None, metavar="LEVEL", help="of models that were trained for levels of effort")
    p.add_argument("--full", action="store_true", help="do not shorten long responses")
    p.add_argument("--ask", default=None, metavar="QUESTION", help='answer this now, such as "What is 1+1?"')
    p.add_argument("--temperature", type=float, default=0.6, help="of --ask (default 0.6)")
    p.add_argument("--max-new-tokens", type=int, default=None, help="of --ask (default: as trained, at most 4096)")
    p.add_argument("--template", default=None, help="of --ask (default: as trained; the base is asked as its runs are)")
    p.add_argument("--seed", type=int, default=0, help="of --ask")
    add_endpoint(p)


def run_show(args: argparse.Namespace) -> int:
    if (args.problem is None) == (args.ask is None):
        raise UserError("say what to show: --problem ID of an evaluated problem, or --ask QUESTION to answer now")
    if args.ask is not None and not args.ask.strip():
        raise UserError("--ask is empty: give the question")
    served = endpoint_of(args, ())
    if served is not None and args.ask is None:
        raise UserError("--endpoint answers now, which goes with --ask QUESTION: what was evaluated is in folders")
    if served is None and not args.runs:
        raise UserError("nothing to show: name a RUN, or with --ask a server, --endpoint URL --model NAME")
    most = None if args.full else MOST
    if args.ask is not None:
        models = [args.base, *args.runs] if args.base else args.runs
        template, efforts = args.template or _template_of_all(models), efforts_of(models, args.effort)
        answers = [_answer_now(m, args, template, effort) for m, effort in zip(models, efforts, strict=True)]
        answers += [] if served is None else [_ask_server(served, args, template)]
        _print(args.ask, None, answers, most)
        return 0
    print_responses(find_responses(args.runs, args.base, args.task, args.problem, args.sample, args.effort), most)
    return 0


def print_responses(found: Sequence[tuple[str, EvalRecord]], most: int | None = MOST) -> None:
    """(name, response) of several models to one problem, side by side; ``most`` characters of each, None for all."""
    first = found[0][1]
    shown = [(name, _facts(record), record.text) for name, record in found]
    _print(first.question, f"{first.problem_id}, answer {first.answer}", shown, most)


def find_responses(
    runs: Sequence[Path], base: Path | None, task: str | None, problem: str, sample: int, effort: str | None = None
) -> list[tuple[str, EvalRecord]]:
    """(name, response) of the base, where there is one, and of each run, ``effort`` of those that were evaluated by
    levels. UserError names what is not there."""
    from tersely.evaluation.runs import at_effort, base_of, read_run, require_tasks

    read = [read_run(path) for path in runs]
    place = base if base is not None else base_of(read[0], runs)
    if place is not None and place.resolve() not in {run.path.resolve() for run in read}:
        first = read_run(place)
        # A base that was found and not named is shown only where it was evaluated.
        read = [first, *read] if base is not None or first.evaluations else read
    read = at_effort(read, effort)
    name = pick_task(require_tasks(read), task)
    found = []
    for run in read:
        records = run.evaluations[name].responses()
        ident = _whole_id(problem, [record.problem_id for record in records], run.path)
        of_problem = {record.sample: record for record in records if record.problem_id == ident}
        if sample not in of_problem:
            raise UserError(f"{run.path} has {len(of_problem)} responses to {ident}, none of them number {sample}: "
                            f"--sample takes 0 to {max(of_problem)}")  # fmt: skip
        found.append((run.name, of_problem[sample]))
    return found


def _whole_id(asked: str, known: Sequence[str], where: Path) -> str:
    """The one id that begins with ``asked``; UserError with the nearest ids otherwise."""
    ids = list(dict.fromkeys(known))
    matching = [ident for ident in ids if ident.startswith(asked)]
    if asked in matching or len(matching) == 1:
        return asked if asked in matching else matching[0]
    close = matching[:3] or difflib.get_close_matches(asked, ids, n=3, cutoff=0.0)
    what = f"{len(matching)} problems begin with {asked!r}" if matching else f"no problem {asked!r}"
    raise UserError(f"{what} in {where}: the nearest ids are {', '.join(close)}")


def _facts(record: EvalRecord) -> str:
    extracted = "no answer" if record.extracted is None else f"answer {record.extracted}"
    return f"{record.tokens} tokens, {record.status.value}, {record.finish.value}, {extracted}"


def _template_of_all(models: Sequence[Path]) -> str | None:
    """The one that those of them were trained with which tell of one; None where they differ."""
    from tersely.models.locate import locate_model
    from tersely.models.trained_for import read_trained_for

    known = {read_trained_for(locate_model(str(model))).template for model in models} - {None}
    return known.pop() if len(known) == 1 else None


def _answer_now(
    model: Path, args: argparse.Namespace, template: str | None, effort: str | None
) -> tuple[str, str, str]:
    """(name, facts, text) of one response sampled here; ``template``: the one it was trained with where None."""
    from tersely.display import make_display
    from tersely.evaluation.terms import effort_line, pick_template
    from tersely.facts import Facts
    from tersely.models.locate import locate_model
    from tersely.models.trained_for import read_trained_for
    from tersely.opened import open_model, sampling_alone
    from tersely.records import Kind, Problem
    from tersely.samplers import Prompt, Sampling
    from tersely.tasks.prompts import render

    weights = locate_model(str(model))
    trained = read_trained_for(weights).max_new_tokens or ASK_TOKENS
    opened = open_model(weights, Facts.of("transformers"))
    problem = Problem("asked", args.ask, "", Kind.EXACT, "asked")
    line = effort_line(weights, effort, args.template is not None)
    tokens = render(problem, opened.tokenizer, pick_template(weights, template, True), line)
    left = opened.room_left([tokens])
    cap = args.max_new_tokens or min(trained, ASK_TOKENS, *([left] if left and left > 0 else []))
    opened.require_room([tokens], cap, "--max-new-tokens ")
    sampling = Sampling(n=1, max_new_tokens=cap, temperature=args.temperature, seed=args.seed)
    sampler, check = opened.make_sampler(sampling_alone(cap, 1), [tokens])
    check.record(None, make_display("show").note)
    rollout = sampler.generate([Prompt("asked", tokens)], sampling)[0]
    return label(model), f"{rollout.length} tokens, {rollout.finish.value}", rollout.text


def _ask_server(served: Endpoint, args: argparse.Namespace, template: str | None) -> tuple[str, str, str]:
    """(name, facts, text) of one response of a server."""
    from tersely.evaluation.protocol import EvalProtocol
    from tersely.evaluation.served_work import Tokenizers
    from tersely.evaluation.terms import BOXED
    from tersely.records import Kind, Problem
    from tersely.samplers import Prompt, Sampling
    from tersely.tasks.prompts import render

    problem, cap = Problem("asked", args.ask, "", Kind.EXACT, "asked"), args.max_new_tokens or ASK_TOKENS
    tokenizers = Tokenizers.of(served, template or BOXED)
    prompt = render(problem, tokenizers.writes, template or BOXED)
    protocol = EvalProtocol("asked", None, 1, cap, temperature=args.temperature, seed=args.seed)
    source = tokenizers.source(served, {"asked": prompt}, protocol)
    sampling = Sampling(n=1, max_new_tokens=cap, temperature=args.temperature, seed=args.seed)
    rollout = source.sampler().generate([Prompt("asked", prompt)], sampling)[0]
    return served.label, f"{rollout.length} tokens, {rollout.finish.value}", rollout.text


def _print(question: str, about: str | None, shown: Sequence[tuple[str, str, str]], most: int | None) -> None:
    """Columns side by side; every text goes through ``visible``, and none is read as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from tersely.terminal import make_console, visible
    from tersely.text import shorten

    console = make_console(60 * len(shown))
    console.print(Text(visible(question)))
    if about is not None:
        console.print(Text(visible(about), style="dim"))
    table = Table(box=box.SIMPLE, show_header=True, expand=True)
    for name, facts, _ in shown:
        table.add_column(Text(visible(f"{name}\n{facts}"), style="bold"), overflow="fold", ratio=1)
    table.add_row(*(Text(visible(text if most is None else shorten(text, most))) for _, _, text in shown))
    console.print(table)
    if most is not None and any(len(text) > most for _, _, text in shown):
        console.print("(long responses are shortened: --full shows all of them)")
