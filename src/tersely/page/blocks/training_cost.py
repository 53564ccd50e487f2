"""What training took: tokens and seconds of every setting, and where the seconds of every run went."""

from __future__ import annotations

from tersely.page.block import Block, Options
from tersely.page.columns import MODEL
from tersely.page.cost import contender_cost, total
from tersely.page.records import TRAINED, Comparison
from tersely.page.words import say
from tersely.table import Column, Table, tabulate

PHASES = {"sample_s": "Sampling", "judge_s": "Judging", "reference_s": "Reference", "update_s": "Updates",
          "save_s": "Saving", "step_s": "All steps"}  # fmt: skip
COSTS = (
    MODEL,
    Column("runs", "Seeds", "whole", lambda c: len(c.runs)),
    Column("sampled_tokens", "Tokens sampled", "whole", lambda c: contender_cost(c).sampled),
    Column("trained_tokens", "Tokens trained on", "whole", lambda c: contender_cost(c).trained),
    Column("wall_s", "Wall time", "seconds", lambda c: contender_cost(c).wall),
    Column("counted", "Trained on, counted over",
           get=lambda c: "prompts too" if contender_cost(c).with_prompts else "responses"),
)  # fmt: skip


def block(comparison: Comparison, options: Options) -> Block | None:
    tables = tuple(table for table in (cost_table(comparison), _phase_table(comparison)) if table.rows)
    words = tuple(prompts_sentence(comparison))
    return Block("training_cost", "What training took", words, tables=tables) if tables else None


def prompts_sentence(comparison: Comparison) -> list[str]:
    """Whose training tokens are overstated, because an older clock counted the prompts among them."""
    trained = [c for c in comparison.contenders if c.role in TRAINED]
    named = [c.label for c in trained if contender_cost(c).with_prompts]
    return [say("costs.old_clock", labels=", ".join(named))] if named else []


def cost_table(comparison: Comparison) -> Table:
    """Training of every contender, mean over seeds."""
    trained = [c for c in comparison.contenders if c.role in TRAINED]
    return tabulate("training_cost", "What training took, mean over seeds", COSTS, trained)


def _phase_table(comparison: Comparison) -> Table:
    """Seconds by phase and sampled tokens of each training run, summed over its clock and journal."""
    runs = [(c.label, run) for c in comparison.contenders if c.role in TRAINED for run in c.runs if run.journal]
    rows = tuple(
        (label, run.name, len(run.journal), *(total(run.clock, phase) for phase in PHASES),
         sum(step.response_tokens or 0 for step in run.journal))
        for label, run in runs
    )  # fmt: skip
    seconds = (Column(phase, title, "seconds") for phase, title in PHASES.items())
    columns = (MODEL, Column("run", "Run"), Column("steps", "Steps", "whole"), *seconds,
               Column("response_tokens", "Tokens sampled", "whole"))  # fmt: skip
    return Table("cost", "Where the time of every run went", columns, rows)
