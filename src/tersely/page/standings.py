"""Where everything stands: ratios to a reference on each data set, their mean over the sets, and the one rule for best.

The rule is the same for the headline, for matched budgets and for what is looked at by difficulty.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tersely.analysis import Point, compare_paired, dominance
from tersely.analysis.aggregate import Aggregate, aggregate_sets, pair_records
from tersely.analysis.paired import shared
from tersely.errors import UserError
from tersely.page.records import GAINS, Comparison, Contender, Entry, Result, Role, SeedMean, Who, floor, over_seeds
from tersely.records import Estimate

KEPT = 0.98
"""Share of the reference's accuracy that the best of a method must keep."""
RULE = (
    f"The best is the one that saves most tokens among those that surely keep {KEPT * 100:g} % of the reference's "
    "accuracy: by the lower end of the interval, or in the worst seed where they are too few for one. If none does, "
    "among those that keep it by the estimate; if none does either, the one that keeps most."
)
CLAUSES = (
    "",
    f"None surely keeps {KEPT * 100:g} % of the reference's accuracy, so the first clause of the rule was given up: "
    "this one keeps it by the estimate alone.",
    f"None keeps {KEPT * 100:g} % of the reference's accuracy, so the rule was given up: this one keeps most.",
)


@dataclass(frozen=True, slots=True)
class Standing(Who):
    """A contender against a reference: ratios on every data set and their unweighted mean.

    Example: ``Standing("α 0.2", Role.FAMILY, "family", 0.2, "", accuracy=Estimate(1.01, ...),
    tokens=Estimate(0.42, ...), aes=Estimate(0.6, ...), sets={"arithmetic": (accuracy, tokens)})``
    """

    accuracy: Estimate
    tokens: Estimate
    aes: Estimate | None
    sets: Mapping[str, tuple[Estimate, Estimate]]


@dataclass(frozen=True, slots=True)
class Spot(Who):
    """One model in one plane of tokens and accuracy."""

    tokens: Estimate
    accuracy: Estimate
    seeds: tuple[tuple[float, float], ...] = ()
    """(tokens, accuracy) of every seed, where there are several."""


@dataclass(frozen=True, slots=True)
class Plane:
    """All models on one data set, or on all of them normalised by the base."""

    name: str
    title: str
    spots: tuple[Spot, ...]
    normalised: bool = False
    """Ratios to the base; else tokens, and accuracy in [0, 1]."""
    intervals: bool = True
    """False where the source prints none."""


def standings(comparison: Comparison, reference: Contender | None = None) -> tuple[Standing, ...]:
    """All that was evaluated on every data set of the comparison, against the base or another reference.

    Marked contenders have no ratios.
    """
    against = reference or comparison.base
    found = []
    for contender in comparison.contenders:
        if contender.role is not Role.BASE and contender.label != (against and against.label) and not contender.mark:
            standing = stand(contender, contender.entries, comparison, against)
            found += [standing] if standing is not None else []
    return tuple(found)


def stand(
    who: Who, entries: Mapping[str, Entry], comparison: Comparison, reference: Contender | None = None
) -> Standing | None:
    """Ratios of ``entries`` to the reference of each seed, then the mean over seeds; None where a set is missing."""
    against = reference or comparison.base
    if against is None or not set(comparison.datasets) <= set(entries):
        return None
    runs = {r.run.path for r in entries[comparison.datasets[0]].results}
    sums = [_aggregate(path, entries, comparison, against) for path in sorted(runs)]
    known: list[Aggregate] = [each for each in sums if each is not None]
    accuracy, tokens = over_seeds([s.accuracy for s in known]), over_seeds([s.tokens for s in known])
    if accuracy is None or tokens is None:
        return None
    sets = {}
    for place, dataset in enumerate(comparison.datasets):
        one, other = (over_seeds([getattr(each.sets[place], key) for each in known]) for key in ("accuracy", "tokens"))
        if one is not None and other is not None:
            sets[dataset] = (one, other)
    return Standing(*who.who, accuracy, tokens, over_seeds([s.aes for s in known]), sets)


def partner(result: Result, reference: Entry) -> Result | None:
    """The reference's result that a result is paired with: its base, or the same seed from the same base."""
    if reference.is_base:
        return next((r for r in reference.results if r.run.path == result.base_path), None)
    mates = (r for r in reference.results if (r.seed, r.base_path) == (result.seed, result.base_path))
    return next(mates, None)


def _aggregate(
    path: Path, entries: Mapping[str, Entry], comparison: Comparison, against: Contender
) -> Aggregate | None:
    sets = []
    for dataset in comparison.datasets:
        mine = next((r for r in entries[dataset].results if r.run.path == path), None)
        other = None if mine is None or dataset not in against.entries else partner(mine, against.entries[dataset])
        if mine is None or other is None:
            return None
        records = mine.evaluation.responses()
        sets.append((dataset, shared(other.evaluation.responses(), records), records))
    try:
        return aggregate_sets([pair_records(*one) for one in sets])
    except ValueError:
        # A reference that solves nothing of a set, or spends nothing, has no ratio: the set tells nothing.
        return None


def best_of(candidates: Sequence[Standing]) -> Standing | None:
    """The best by ``RULE``."""
    return choose(candidates)[0]


def choose(candidates: Sequence[Standing]) -> tuple[Standing | None, str]:
    """The best by ``RULE``, and what had to be given up of it (empty where nothing)."""
    surely = [c for c in candidates if floor(c.accuracy) >= KEPT]
    likely = [c for c in candidates if c.accuracy.value >= KEPT]
    for clause, group in zip(CLAUSES, (surely, likely), strict=False):
        if group:
            return min(group, key=lambda c: c.tokens.value), clause
    return max(candidates, key=lambda c: c.accuracy.value, default=None), CLAUSES[2]


def apart(comparison: Comparison, with_ablations: bool) -> bool:
    """Whether departures from the family stay off the frontier: unless asked for, or where no family stands there."""
    return not with_ablations and any(c.role is Role.FAMILY for c in comparison.contenders)


def plane_of(comparison: Comparison, with_ablations: bool = False) -> Plane:
    """Contenders on one data set, in tokens and accuracy as they are; departures only where ``apart`` lets them in."""
    dataset, spots = comparison.datasets[0], []
    hidden = (Role.ABLATION,) if apart(comparison, with_ablations) else ()
    for entry in comparison.view().entries:
        tokens, accuracy = entry.overall("tokens"), entry.overall("accuracy")
        if tokens is None or accuracy is None or entry.role in hidden:
            continue
        blocks = [r.evaluation.summary.overall for r in entry.results]
        seeds = tuple((b.tokens.value, b.accuracy.value) for b in blocks if b.accuracy is not None)
        spots.append(Spot(*entry.who, tokens, accuracy, seeds if len(seeds) > 1 else ()))
    return Plane(dataset, f"Accuracy against tokens on {dataset}", tuple(spots))


ONE = Estimate(1.0, None, None, 0, "the base by definition")


def aggregate_plane(found: Sequence[Standing], count: int, base: str = "base", intervals: bool = True) -> Plane:
    """The mean over data sets of the ratios to the base, which stands at (1, 1) by definition."""
    spots = [Spot(base, Role.BASE, "base", None, "", ONE, ONE)]
    spots += [Spot(*s.who, s.tokens, s.accuracy, _seeds(s.tokens, s.accuracy)) for s in found]
    title = f"All {count} data sets, normalised by the base" if count > 1 else "Normalised by the base"
    return Plane("aggregate", title, tuple(spots), normalised=True, intervals=intervals)


def _seeds(tokens: Estimate, accuracy: Estimate) -> tuple[tuple[float, float], ...]:
    if not (isinstance(tokens, SeedMean) and isinstance(accuracy, SeedMean)):
        return ()
    return tuple(zip(tokens.seeds, accuracy.seeds, strict=True))


def set_plane(found: Sequence[Standing], dataset: str, whole: Plane) -> Plane:
    """The ratios on one data set alone, as a plane beside the ``whole``."""
    spots = [Spot(*s.who, s.sets[dataset][1], s.sets[dataset][0]) for s in found if dataset in s.sets]
    return replace(whole, name=dataset, title=dataset, spots=(whole.spots[0], *spots))


def plane_sentence(plane: Plane) -> str:
    """Dominated points by name: beyond the intervals, or by value alone where there are none."""
    found = dominance([Point(s.label, s.tokens, s.accuracy) for s in plane.spots])
    if len(found) < 2:
        return ""
    several = all(s.tokens.low is None or s.accuracy.low is None for s in plane.spots)
    sure = plane.intervals and not several
    pairs = [(d.name, d.clearly_by if sure else d.by) for d in found]
    beaten = [f"{name} (by {_first(by)})" for name, by in pairs if by]
    how = "beyond the intervals" if sure else "by value, without intervals"
    free = ", ".join(d.name for d in found if not d.by)
    return f"Worse on both axes {how}: {'; '.join(beaten) or 'none'}. On values alone the frontier is {free}."


def _first(names: Sequence[str], most: int = 2) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def gains(entry: Entry, reference: Entry | None) -> tuple[Estimate | None, Estimate | None]:
    """(token saving, accuracy difference) against the reference, over the pairs of one seed and base.

    Pairs that answered other problems tell nothing and are left out.
    """
    if reference is None or reference.is_base:
        return entry.gain("token_saving"), entry.gain("accuracy_difference")
    blocks = []
    for result in entry.results:
        mate = partner(result, reference)
        if mate is not None:
            with contextlib.suppress(UserError):
                blocks.append(compare_paired(mate.evaluation.responses(), result.evaluation.responses()).overall)
    savings = over_seeds([block.token_saving for block in blocks], GAINS["token_saving"])
    return savings, over_seeds([block.accuracy_difference for block in blocks], GAINS["accuracy_difference"])
