"""`tersely waste`: what responses that people already have spend beyond their answer; nothing is sampled or trained."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tersely.commands.verb import add_verb
from tersely.errors import UserError
from tersely.terminal import make_console

if TYPE_CHECKING:
    from rich.console import Console

    from tersely.analysis.waste import WasteBlock, WasteReport
    from tersely.records import Estimate, EvalRecord, LengthSource

LINE = 'a line: {"problem": "What is 1+1?", "answer": "2", "response": "1+1 is 2. Wait, ..."}'
CAVEAT = (
    "Not all of it can be saved: a check after the answer may be worth its tokens, and the last statement of the "
    "answer is among them. Only training and comparing the accuracy tells: tersely quickstart --fast shows how."
)


def add_waste(verbs: Any) -> None:
    p = add_verb(verbs, "waste", run_waste, "tokens spent after the answer, in circles or for nothing, in your own log")
    p.epilog = f"{p.epilog}\n{LINE}" + "; also tokens, finish, kind and difficulty where they are known"
    what = "problem, answer and response a line ('-' reads standard input), or the folder of an evaluation"
    p.add_argument("file", metavar="LOG.jsonl", help=what)
    p.add_argument("--tokenizer", metavar="DIR", default=None, help="counts tokens where the log does not say them")
    p.add_argument("--price", type=float, default=None, metavar="P", help="of a million output tokens: cost a month")
    p.add_argument("--responses-per-day", type=float, default=10_000, metavar="N", help="with --price (default 10000)")
    p.add_argument("--workers", type=int, default=2, help="worker processes of the judge (default 2)")


def run_waste(args: argparse.Namespace) -> int:
    from tersely.analysis.waste import find_waste
    from tersely.evaluation.foreign import read_answers
    from tersely.verify import Judge

    _require_rates(args)
    with Judge(workers=args.workers) as judge:
        records = _measured(args.file) or read_answers(args.file, judge, counter_of(args.tokenizer))
    report = find_waste(records)
    console = make_console(140)
    _print_blocks(report, console)
    _print_worst(report, console)
    for sentence in _remarks(report, records, args):
        console.print(sentence, soft_wrap=True)
    return 0


def _measured(name: str) -> Sequence[EvalRecord]:
    """The responses of an evaluation folder, as they were judged when it was made; none where it is no such folder."""
    from tersely.evaluation.records import read_evaluation
    from tersely.runs.identity import is_run_folder

    return read_evaluation(Path(name)).responses() if is_run_folder(Path(name)) else ()


def _require_rates(args: argparse.Namespace) -> None:
    """UserError for a price or a number of responses that is none."""
    for name in ("price", "responses_per_day"):
        value = getattr(args, name)
        if value is not None and not 0 < value < 1e15:
            raise UserError(f"--{name.replace('_', '-')} is {value:g}: it must be above 0")


def counter_of(folder: str | None) -> Callable[[str], int] | None:
    """Tokens by the tokenizer of a model folder; None where none is named."""
    if folder is None:
        return None
    from tersely.models.load import load_tokenizer
    from tersely.models.locate import locate_model

    # A folder that holds a tokenizer alone will do: no weights are needed.
    place = Path(folder)
    tokenizer = load_tokenizer(place if (place / "tokenizer_config.json").is_file() else locate_model(folder))
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def _print_blocks(report: WasteReport, console: Console) -> None:
    from rich.table import Table

    from tersely.analysis.waste import Waste
    from tersely.text import shorten_line

    table = Table(title="Shares of all tokens; 95 % intervals, clustered by problem", title_justify="left")
    reasons = [why for why in Waste if why is not Waste.NONE]
    for i, name in enumerate(("", "responses", "correct %", "tokens each", *(f"{why} %" for why in reasons), "all %")):
        table.add_column(name, justify="right" if i else "left")
    blocks: list[tuple[str, WasteBlock]] = [("all", report.overall)]
    blocks += [(f"difficulty {shorten_line(label)}", block) for label, block in report.by_difficulty.items()]
    for name, block in blocks:
        shares = [_cell(block.shares[why], 100) for why in reasons]
        cells = (_cell(block.accuracy, 100), _cell(block.tokens), *shares, _cell(block.together, 100))
        table.add_row(name, str(block.responses), *cells)
    console.print(table)


def _cell(estimate: Estimate, scale: float = 1.0) -> str:
    """The interval on a line of its own; of a share of nothing there is none."""
    from tersely.evaluation.table import cell

    return "0" if estimate.value == 0 else cell(estimate, scale).replace(" ", "\n", 1)


def _print_worst(report: WasteReport, console: Console) -> None:
    from rich.table import Table

    from tersely.text import shorten_line

    if not report.worst:
        return
    table = Table(title="Responses that spend most", title_justify="left")
    for name in ("tokens", "of them", "why", "problem", "response ends with"):
        table.add_column(name, justify="right" if name in ("tokens", "of them") else "left")
    for spent in report.worst:
        record = spent.record
        texts = (shorten_line(record.question, 40), shorten_line(record.text[-60:], 40))
        table.add_row(str(record.tokens), f"{spent.tokens:.0f}", spent.why.value, *texts)
    console.print(table)


def _remarks(report: WasteReport, records: Sequence[EvalRecord], args: argparse.Namespace) -> Iterator[str]:
    """The cost, how the tokens were counted, and what the numbers do not say."""
    from tersely.analysis.waste import month_cost

    for source in dict.fromkeys(record.length_source for record in records):
        if (how := _how_counted(source)) is not None:
            yield how
    if args.price is not None:
        block, rate = report.overall, f"{args.responses_per_day:,.0f} responses a day, {args.price:g} a million tokens"
        all_of_it = month_cost(block.tokens.value, args.price, args.responses_per_day)
        yield (
            f"A month at {rate}: {all_of_it:,.2f}, of it {all_of_it * block.together.value:,.2f} counted above"
            f"{_reach(block.together, all_of_it)}."
        )
    if (chance := report.stated_by_chance) is not None:
        yield (
            f"Where the answer first stood is read off the text; the answer of another problem is found that way in "
            f"{chance.value:.1%} of the correct responses."
        )
    yield CAVEAT


def _how_counted(source: LengthSource) -> str | None:
    from tersely.evaluation.foreign import CHARACTERS_A_TOKEN
    from tersely.records import LengthSource

    if source is LengthSource.ESTIMATED:
        return (
            f"Tokens are approximate: one for {CHARACTERS_A_TOKEN} characters. Give --tokenizer DIR, or tokens a line; "
            "shares change little."
        )
    if source is LengthSource.RETOKENISED:
        return "Tokens are the text encoded again: approximate where the model sampled other ids."
    return None


def _reach(share: Estimate, whole: float) -> str:
    """The interval of the share as money, where it has one."""
    if share.low is None or share.high is None:
        return ""
    return f" [{whole * share.low:,.2f}, {whole * min(share.high, 1.0):,.2f}]"
