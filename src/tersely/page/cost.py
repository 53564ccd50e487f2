"""What training cost: of a setting over its seeds, and of a family of which one member was chosen."""

from collections.abc import Callable, Sequence
from statistics import fmean

from tersely.evaluation.cost import Cost, cost_of
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


def joined(costs: Sequence[Cost], join: Callable[[Sequence[float]], float]) -> Cost:
    """Part by part, the pace always as the mean; None for a part that any of the costs lacks."""

    def part(key: str, how: Callable[[Sequence[float]], float] = join) -> float | None:
        known = [value for cost in costs if (value := getattr(cost, key)) is not None]
        return how(known) if known and len(known) == len(costs) else None

    prompts = any(cost.with_prompts for cost in costs)
    return Cost(part("sampled"), part("trained"), part("wall"), part("seconds_per_token", fmean), prompts)
