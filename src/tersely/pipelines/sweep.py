"""`tersely sweep`: objectives x alphas x seeds x ingredients from one base, as one resumable command.

What a sweep makes is what ``pipelines.variants`` makes of the runs that its selection names; here it is looked at as a
whole, said what it costs, and, where the runs are adapters, how one server holds all of them.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tersely.errors import UserError
from tersely.pipelines.chain import refuse_foreign, require_own
from tersely.pipelines.cost import cost_words, slots_for
from tersely.pipelines.selection import Selection
from tersely.pipelines.variants import RunPlan, Variant, make_all
from tersely.runs import disk
from tersely.terminal import make_console

MARK = "sweep.json"
"""In the folder of a sweep: what was asked for last."""
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes for --max-lora-rank."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep made."""

    runs: tuple[Path, ...]
    page: Path
    serve: str | None
    """The command that serves all runs as adapters of their base; None where they are none."""


def sweep(selection: Selection, plan: RunPlan, *, jobs: int | None = None, command: str = "") -> SweepResult:
    """Train and measure every run of the selection under ``plan.out``, and compare them; goes on with what is there.

    UserError for whatever cannot work, before anything is written.
    """
    selection.refuse(plan.settings)
    refuse_foreign(plan.out, "tersely sweep", MARK)
    objective = plan.common_config.objective
    variants = selection.variants({objective.method: objective.alpha})
    finished = plan.look(variants)
    slots = slots_for(plan, variants, jobs)
    _begin(plan.out, variants, command)
    console = make_console(stderr=True)
    for sentence in cost_words(plan, variants, finished, slots):
        console.print(f"sweep: {sentence}")
    page = make_all(variants, plan, finished, slots, "--with-ablations")
    return SweepResult(tuple(plan.out / v.name for v in variants), page, serve_line(plan, variants))


def _begin(out: Path, variants: Sequence[Variant], command: str) -> None:
    """The folder, known by its mark before anything else is in it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; choose another folder with --out") from error
    disk.write_json_atomic(out / MARK, {"command": command, "runs": {v.name: list(v.settings) for v in variants}})
    require_own(out, "tersely sweep", MARK)


def serve_line(plan: RunPlan, variants: Sequence[Variant]) -> str | None:
    """``vllm serve`` with every finished run's adapter under the run's name; None where no run has one, or one of a
    rank beyond what vLLM takes."""
    from tersely.learn.lora_files import adapter_of
    from tersely.models.locate import locate_model

    ranks = [lora.rank for v in variants if (lora := plan.config(v).learner.lora) is not None]
    most = next((rank for rank in LORA_RANKS if rank >= max(ranks)), None) if ranks else None
    adapters = {v.name: adapter_of(plan.out / v.name) for v in variants}
    modules = [f"{name}={folder}" for name, folder in adapters.items() if folder is not None]
    if most is None or not modules:
        return None
    base = locate_model(plan.model, plan.common_config.revision) if Path(plan.model).exists() else plan.model
    words = ["vllm", "serve", str(base), "--enable-lora", "--lora-modules", *modules, "--max-lora-rank", str(most)]
    return shlex.join(words)
