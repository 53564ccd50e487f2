"""What training cost: of a setting over its seeds, and of a family of which one member was chosen."""

from statistics import fmean

from tersely.evaluation.cost import Cost, cost_of, joined
from tersely.page.records import TRAINED, Comparison, Contender, Role


def contender_cost(contender: Contender) -> Cost:
    """Of training, of a checkpoint up to its step; cutoffs and prompts cost nothing, another model's is not known."""
    if contender.role is Role.OTHER:
        return Cost()
    costs = [cost_of(run, contender.step) for run in contender.runs]
    return joined(costs, fmean) if contender.role in TRAINED else Cost(0.0, 0.0, 0.0)


def search_cost(comparison: Comparison, chosen: Contender) -> tuple[int, Cost]:
    """(members trained to choose this one, their cost together): who picks alpha from a family has paid for all."""
    family = [c for c in comparison.contenders if c.is_member] if chosen.is_member else [chosen]
    return len(family), joined([contender_cost(c) for c in family], sum)
