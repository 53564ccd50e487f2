"""Where everything stands: tokens and accuracy on each data set, ratios to the base, and their mean over the sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tersely.analysis.aggregate import Aggregate, aggregate_sets, pair
from tersely.analysis.clusters import accuracy_clusters, token_clusters
from tersely.compare.records import Comparison, Contender, Plane, Role, Spot
from tersely.compare.subset import shared
from tersely.records import Estimate
from tersely.report.measure import Entry, Result, over_seeds

TOLERATED = 0.98
"""Share of the base's accuracy that the best of a method must keep."""
RULE = (
    f"The best of a method is the one that saves most tokens among those that keep at least {TOLERATED * 100:g} % of "
    "the base's accuracy by the estimate; if none does, the one that keeps most."
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A contender against the base: ratios on every data set and their unweighted mean.

    Example: ``Standing("α 0.2", Role.FAMILY, "family", 0.2, accuracy=Estimate(1.01, ...), tokens=Estimate(0.42, ...),
    aes=Estimate(0.6, ...), sets={"arithmetic": (accuracy, tokens)})``
    """

    label: str
    role: Role
    series: str
    alpha: float | None
    accuracy: Estimate
    tokens: Estimate
    aes: Estimate | None
    sets: Mapping[str, tuple[Estimate, Estimate]]

    @property
    def method(self) -> str:
        """What it competes as: the whole family is one method."""
        return "RL with the length penalty" if self.role is Role.FAMILY else self.series


def standings(comparison: Comparison) -> tuple[Standing, ...]:
    """Everything that was evaluated on every data set of the comparison; marked contenders have no ratios."""
    found = []
    for contender in comparison.contenders:
        if contender.role is Role.BASE or contender.mark:
            continue
        standing = stand(contender.label, contender, contender.entries, comparison)
        found += [standing] if standing is not None else []
    return tuple(found)


def stand(label: str, contender: Contender, entries: Mapping[str, Entry], comparison: Comparison) -> Standing | None:
    """Ratios of ``entries`` to the base of each seed, then the mean over seeds; None where a data set is missing."""
    if comparison.base is None or not set(comparison.datasets) <= set(entries):
        return None
    runs = {r.run.path: r.run for r in entries[comparison.datasets[0]].results}
    bases = _bases(comparison.base, entries)
    sums = [_aggregate(path, bases[path], entries, comparison) for path in runs if path in bases]
    known: list[Aggregate] = [each for each in sums if each is not None]
    if not known:
        return None
    sets = {}
    for place, dataset in enumerate(comparison.datasets):
        pairs = [(each.sets[place].accuracy, each.sets[place].tokens) for each in known]
        accuracy, tokens = over_seeds([a for a, _ in pairs]), over_seeds([t for _, t in pairs])
        assert accuracy is not None
        assert tokens is not None
        sets[dataset] = (accuracy, tokens)
    whole_accuracy, whole_tokens = over_seeds([s.accuracy for s in known]), over_seeds([s.tokens for s in known])
    assert whole_accuracy is not None
    assert whole_tokens is not None
    score = over_seeds([s.aes for s in known])
    return Standing(label, contender.role, contender.series, contender.alpha, whole_accuracy, whole_tokens, score, sets)


def _bases(base: Contender, entries: Mapping[str, Entry]) -> dict[Path, dict[str, Result]]:
    """Run path -> data set -> the base's result that its own result was compared with."""
    found: dict[Path, dict[str, Result]] = {}
    for dataset, entry in entries.items():
        known = {} if dataset not in base.entries else {r.run.path: r for r in base.entries[dataset].results}
        for result in entry.results:
            mine = result.base_path
            if mine in known:
                found.setdefault(result.run.path, {})[dataset] = known[mine]
    return found


def _aggregate(
    path: Path, bases: Mapping[str, Result], entries: Mapping[str, Entry], comparison: Comparison
) -> Aggregate | None:
    sets = []
    for dataset in comparison.datasets:
        mine = next((r for r in entries[dataset].results if r.run.path == path), None)
        if mine is None or dataset not in bases:
            return None
        other = mine.evaluation.responses()
        one = shared(bases[dataset].evaluation.responses(), other)
        sets.append(
            pair(dataset, accuracy_clusters(one), accuracy_clusters(other), token_clusters(one), token_clusters(other))
        )
    try:
        return aggregate_sets(sets)
    except ValueError:
        # A base that solves nothing of a set, or spends nothing, has no ratio: the set tells nothing.
        return None


def best_of(candidates: Sequence[Standing]) -> Standing | None:
    """The best of a method by ``RULE``."""
    kept = [c for c in candidates if c.accuracy.value >= TOLERATED]
    if kept:
        return min(kept, key=lambda c: c.tokens.value)
    return max(candidates, key=lambda c: c.accuracy.value, default=None)


def apart(comparison: Comparison) -> bool:
    """Whether departures from the family stay off the frontier: unless asked for, or where no family stands there."""
    return not comparison.with_ablations and any(c.role is Role.FAMILY for c in comparison.contenders)


def plane_of(comparison: Comparison, dataset: str) -> Plane:
    """Contenders on one data set, in tokens and accuracy as they are; departures only where ``apart`` lets them in."""
    spots = []
    hidden = apart(comparison)
    for contender in comparison.contenders:
        if hidden and contender.role is Role.ABLATION:
            continue
        entry = contender.entries.get(dataset)
        tokens, accuracy = (None, None) if entry is None else (entry.overall("tokens"), entry.overall("accuracy"))
        if entry is None or tokens is None or accuracy is None:
            continue
        blocks = [r.evaluation.summary.overall for r in entry.results]
        seeds = [(b.tokens.value, b.accuracy.value) for b in blocks if b.accuracy is not None]
        spots.append(
            Spot(contender.label, contender.role, contender.series, contender.alpha, tokens, accuracy,
                 tuple(seeds) if len(seeds) > 1 else ())
        )  # fmt: skip
    return Plane(dataset, f"Accuracy against tokens on {dataset}", tuple(spots))


ONE = Estimate(1.0, None, None, 0, "the base by definition")


def aggregate_plane(found: Sequence[Standing], count: int, base: str = "base", intervals: bool = True) -> Plane:
    """The mean over data sets of the ratios to the base, which stands at (1, 1) by definition."""
    spots = [Spot(base, Role.BASE, "base", None, ONE, ONE)]
    spots += [Spot(s.label, s.role, s.series, s.alpha, s.tokens, s.accuracy) for s in found]
    title = f"All {count} data sets, normalised by the base" if count > 1 else "Normalised by the base"
    return Plane("aggregate", title, tuple(spots), normalised=True, intervals=intervals)
