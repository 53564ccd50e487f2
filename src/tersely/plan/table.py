"""A plan on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from tersely.plan.against_run import RunComparison
from tersely.plan.run import Plan
from tersely.terminal import make_console


def print_plan(plan: Plan, console: Console | None = None) -> None:
    """Three short tables and what stands against the run, worst first."""
    console = console or make_console(120)
    shape, cap = plan.shape, plan.config.sampling.max_new_tokens
    console.print(
        f"{shape.kind}: {_count(shape.parameters)} parameters ({'tied' if shape.tied else 'untied'} head), "
        f"{shape.kv_bytes(plan.layout.element):,} cache bytes a token, {8 * plan.layout.element}-bit; prompts "
        f"{plan.prompt[0]:.0f} tokens, at most {plan.prompt[1]}",
    )
    console.print(
        f"lengths ({plan.lengths.source}): mean {plan.mean_length:,.0f} under a cap of {cap:,}, "
        f"{plan.truncated:.1%} truncated",
    )
    console.print(_memory_table(plan))
    console.print(_time_table(plan))
    for note in plan.notes:
        console.print(f"note: {note}")
    for refusal in plan.refusals:
        console.print(f"refused: {refusal}", style="bold red")
    if not plan.refusals:
        console.print("nothing stands against this run", style="green")


def _memory_table(plan: Plan) -> Table:
    memory = plan.memory
    free = f"{size(plan.available)} {plan.available_from}" if plan.available else "memory of this machine not known"
    table = Table(title=f"memory, {'each GPU' if plan.device == 'cuda' else 'this CPU'} ({free})", title_justify="left")
    table.add_column("held all the time")
    table.add_column("", justify="right")
    table.add_column("while sampling")
    table.add_column("", justify="right")
    table.add_column("while updating")
    table.add_column("", justify="right")
    held = [("weights", memory.weights), ("optimizer", memory.optimizer)]
    held += [("sampler's copy", memory.copy), ("reference", memory.reference), ("reserve", memory.reserve)]
    sampling = [("cache, expected", memory.cache), ("logits of a step", memory.sampling_logits)]
    sampling += [("(cache if none ends", memory.cache_worst)]
    if plan.layout.vllm:
        sampling = [("vLLM in all", memory.engine)]
    sampling += [("a pass under the tail", memory.tail)] if memory.tail else []
    updating = [("gradients", memory.gradients), ("activations", memory.activations), ("cast weights", memory.casts)]
    updating += [("gathered weights", memory.gathered)] if memory.gathered else []
    updating += [("their gradients", memory.reducing)] if memory.reducing else []
    updating += [("logits of a chunk", memory.chunk)]
    updating += [("vLLM asleep", memory.asleep)] if plan.layout.vllm else []
    for i in range(max(map(len, (held, sampling, updating)))):
        row: list[str] = []
        for column in (held, sampling, updating):
            row += [column[i][0], size(column[i][1])] if i < len(column) else ["", ""]
        row[3] += ")" if row[2].startswith("(") else ""
        table.add_row(*row)
    table.add_section()
    table.add_row("state", size(memory.state), "peak", size(memory.sampling), "peak", size(memory.updating))
    return table


def _time_table(plan: Plan) -> Table:
    gpus = plan.layout.gpus
    title = f"seconds an iteration on {gpus} GPU{'s' if gpus > 1 else ''}; GPU-hours of {plan.config.run.steps} steps"
    table = Table(title=title, title_justify="left")
    for column in ("machine", "sampling", "fwd + bwd", "recompute", "old", "reference", "judge", "whole", "GPU-hours"):
        table.add_column(column, justify="left" if column == "machine" else "right")
    for name, s in plan.seconds.items():
        parts = (s.sampling, s.gradients, s.recompute, s.old, s.reference, s.judge, s.total)
        table.add_row(name, *map(_short, parts), _short(plan.gpu_hours(s)))
    return table


def print_comparison(found: RunComparison, console: Console | None = None) -> None:
    """One table: each quantity as predicted for every machine, and as measured."""
    console = console or make_console(120)
    machines = dict.fromkeys(name for q in found.quantities for name in q.predicted if name != "plan")
    title = f"median of {found.steps} steps on a {found.device.upper()}, mean response {found.mean_length:,.0f} tokens"
    table = Table(title=title, title_justify="left")
    for column in ("", *machines, "measured", "smallest to largest"):
        table.add_column(column, justify="right" if column else "left")
    for q in found.quantities:
        said = [q.predicted.get(name, q.predicted.get("plan")) for name in machines]
        if "plan" in q.predicted and not machines:
            said = []
        measured = "not measured" if q.measured is None else _short(q.measured)
        spread = "" if q.low is None or q.high is None else f"{_short(q.low)} to {_short(q.high)}"
        table.add_row(f"{q.name}, {q.unit}", *("" if x is None else _short(x) for x in said), measured, spread)
    console.print(table)
    if not machines:
        console.print("note: nothing is predicted for a CPU unless --machine describes it")


def size(count: float) -> str:
    """Bytes in the unit that fits."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if count >= scale / 10:
            return f"{count / scale:,.1f} {unit}"
    return f"{count / 1e3:,.1f} kB"


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.2f} B" if parameters >= 1e8 else f"{parameters:,}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 or value == 0 else f"{value:.2f}"
