"""`tersely profile`: an evaluation at training temperature, and what its lengths and groups say about training."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tersely.analysis.profile import profile_records
from tersely.analysis.profile_blocks import Histogram, Profile, ProfileBlock, Signal
from tersely.config import Engine, SamplingConfig
from tersely.display import Display, speaks
from tersely.errors import UserError
from tersely.evaluation.protocol import EvalProtocol
from tersely.evaluation.records import AGAIN, read_evaluation
from tersely.evaluation.served_work import require_out
from tersely.evaluation.source import Model
from tersely.evaluation.table import cell
from tersely.facts import NO_OPTIONS
from tersely.runs import disk
from tersely.runs.identity import is_run_folder
from tersely.runs.json_file import read_json
from tersely.samplers.endpoint import Endpoint
from tersely.terminal import make_console

PROFILE = "profile.json"

BAR = 40
"""Characters of the longest bar of the histogram."""


def profile(
    model: Model,
    protocol_under: Callable[[int], EvalProtocol],
    out: Path | None,
    display: Display,
    *,
    command: str,
    other_template: bool = False,
    other_verifier: bool = False,
    verifier: str | None = None,
    drop_unjudgeable: bool = False,
    threads: int = 0,
    engine: Engine = "auto",
    engine_options: Mapping[str, Any] = NO_OPTIONS,
    max_rows: int = 256,
) -> Path:
    """Evaluate (or go on evaluating) and write profile.json beside responses.jsonl; returns its path.

    ``protocol_under`` gets the cap that the model was trained with, or the default of training. ``out`` None puts the
    profile into a run folder. Training problems may be profiled: nothing is claimed about held-out ones.
    """
    from tersely.evaluation.run import evaluate
    from tersely.models.locate import locate_model
    from tersely.models.trained_for import read_trained_for

    if isinstance(model, Endpoint):
        place, cap = require_out(model, out), None
    elif out is None and not is_run_folder(model):
        raise UserError(
            f"{model} is not a run folder of tersely, so nothing is written there: say where with --out DIR"
        )
    else:
        place = model / "profile" if out is None else out
        cap = read_trained_for(locate_model(str(model))).max_new_tokens
    folder = evaluate(
        model,
        protocol_under(cap or SamplingConfig().max_new_tokens),
        place,
        display,
        command=command,
        other_template=other_template,
        other_verifier=other_verifier,
        verifier=verifier,
        drop_unjudgeable=drop_unjudgeable,
        allow_overlap=True,
        threads=threads,
        engine=engine,
        engine_options=engine_options,
        max_rows=max_rows,
    )
    if speaks():  # of the processes that torchrun starts the first alone writes
        found = read_evaluation(folder)
        made = profile_records(found.responses(), found.protocol)
        disk.write_json_atomic(folder / PROFILE, {**made.to_json(), "command": command})
    return folder / PROFILE


def read_profile(path: Path) -> Profile:
    """The profile.json of a finished profile."""
    return Profile.from_json(read_json(path, "a profile", AGAIN))


def print_profile(profile: Profile, console: Console | None = None) -> None:
    """Rates and lengths by difficulty, signal by group size, a histogram, and the reading."""
    console = console or make_console(140)
    blocks = {**profile.by_difficulty, "all": profile.overall}
    if len(blocks) == 2:
        del blocks[next(iter(blocks))]
    console.print(_rates(blocks, profile.k))
    console.print(_lengths(blocks))
    console.print(_signal(blocks))
    console.print(histogram(profile.overall.lengths.histogram))
    for sentence in profile.reading:
        console.print(f"- {sentence}")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    return table


def _rates(blocks: Mapping[str, ProfileBlock], k: int) -> Table:
    table = _table(
        f"rates in %, k = {k}; 95 % intervals, clustered by problem",
        *("difficulty", "problems", "correct", f"pass@{k}", "all wrong", "all correct", "truncated", "no answer"),
    )
    for name, block in blocks.items():
        shares = [block.accuracy, block.pass_at_k.get(k), block.groups.all_wrong, block.groups.all_correct]
        shares += [block.truncated, block.no_answer]
        table.add_row(name, str(block.problems), *(cell(share, 100) for share in shares))
    return table


def _lengths(blocks: Mapping[str, ProfileBlock]) -> Table:
    table = _table(
        "length in tokens; spread in % of the mean, over correct responses to one problem",
        *("difficulty", "mean", "median", "p90", "p99", "max", "std", "shortest below mean", "cap for 99 %"),
    )
    for name, block in blocks.items():
        lengths, spread, cap = block.lengths, block.spread, block.cap
        middle = [cell(length) for length in (lengths.mean, lengths.median, lengths.p90, lengths.p99)]
        spreads = (spread.std_over_mean, spread.shortest_below_mean) if spread else (None, None)
        cells = [*middle, f"{lengths.max:.0f}", *(cell(part, 100) for part in spreads)]
        table.add_row(name, *cells, str(cap.cap) if cap else "-")
    return table


def _signal(blocks: Mapping[str, ProfileBlock]) -> Table:
    sizes = list(next(iter(blocks.values())).signal)
    table = _table(
        "groups expected, in %: mixed (signal) / all correct (signal if alpha > 0) / all wrong (none)",
        *("difficulty", *(f"{n} responses per problem" for n in sizes)),
    )
    for name, block in blocks.items():
        table.add_row(name, *(_shares(block.signal[n]) for n in sizes))
    return table


def _shares(found: Signal | None) -> str:
    if found is None:
        return "-"
    return " / ".join(f"{100 * share.value:.1f}" for share in (found.mixed, found.all_correct, found.all_wrong))


def histogram(bins: Histogram) -> str:
    """Bars of text, one a bin: lengths above the first edge and up to the second."""
    edges, counts = bins.edges, bins.counts
    most, width = max(counts), len(str(edges[-1]))
    lines = [
        f"{a + 1:>{width}} - {b:>{width}}  {'#' * round(BAR * count / most):<{BAR}} {count}"
        for (a, b), count in zip(itertools.pairwise(edges), counts, strict=True)
    ]
    return "\n".join(["responses by length in tokens:", *lines])
