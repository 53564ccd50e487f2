"""What training took: tokens and seconds of every setting, and where the seconds of every run went."""

from __future__ import annotations

from tersely.page.block import Block, Options
from tersely.page.cost import TRAINED, contender_cost, total
from tersely.page.records import Comparison
from tersely.page.table import MODEL, Cell, Column, Table

PHASES = {"sample_s": "Sampling", "judge_s": "Judging", "reference_s": "Reference", "update_s": "Updates",
          "save_s": "Saving", "step_s": "All steps"}  # fmt: skip


def block(comparison: Comparison, options: Options) -> Block | None:
    tables = tuple(table for table in (cost_table(comparison), _phase_table(comparison)) if table.rows)
    words = tuple(prompts_sentence(comparison))
    return Block("training_cost", "What training took", words, tables=tables) if tables else None


def prompts_sentence(comparison: Comparison) -> list[str]:
    """Whose training tokens are overstated, because an older clock counted the prompts among them."""
    trained = [c for c in comparison.contenders if c.role in TRAINED]
    named = [c.label for c in trained if contender_cost(c).with_prompts]
    if not named:
        return []
    return [
        "Tokens trained on are response tokens under a loss, once a pass. The clocks of "
        f"{', '.join(named)} are older and counted prompts too, so their tokens trained on are overstated."
    ]


def cost_table(comparison: Comparison) -> Table:
    """Training of every contender, mean over seeds."""
    rows: list[tuple[Cell, ...]] = []
    for contender in comparison.contenders:
        if contender.role in TRAINED:
            cost = contender_cost(contender)
            counted = "prompts too" if cost.with_prompts else "responses"
            rows.append((contender.label, len(contender.runs), cost.sampled, cost.trained, cost.wall, counted))
    columns = (
        MODEL,
        Column("runs", "Seeds", "whole"),
        Column("sampled_tokens", "Tokens sampled", "whole"),
        Column("trained_tokens", "Tokens trained on", "whole"),
        Column("wall_s", "Wall time", "seconds"),
        Column("counted", "Trained on, counted over"),
    )
    return Table("training_cost", "What training took, mean over seeds", columns, tuple(rows))


def _phase_table(comparison: Comparison) -> Table:
    """Seconds by phase and sampled tokens of each training run, summed over its clock and journal."""
    runs = [(c.label, run) for c in comparison.contenders if c.role in TRAINED for run in c.runs if run.journal]
    rows = tuple(
        (label, run.name, len(run.journal), *(total(run.clock, phase) for phase in PHASES),
         sum(step.response_tokens or 0 for step in run.journal))
        for label, run in runs
    )  # fmt: skip
    columns = (
        MODEL,
        Column("run", "Run"),
        Column("steps", "Steps", "whole"),
        *(Column(phase, title, "seconds") for phase, title in PHASES.items()),
        Column("response_tokens", "Tokens sampled", "whole"),
    )
    return Table("cost", "Where the time of every run went", columns, rows)
