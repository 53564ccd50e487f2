"""Where everything stands: ratios to a reference on each data set, their mean, and the one rule for best everywhere."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tersely.analysis import Point, compare_paired, dominance, over_seeds
from tersely.analysis.aggregate import aggregate_sets, pair_records
from tersely.analysis.frontier import Dominance
from tersely.analysis.paired import shared
from tersely.analysis.seeds import SeedMean, floor
from tersely.errors import UserError
from tersely.page.records import GAINS, Comparison, Contender, Entry, Result, Role, Who
from tersely.page.words import say
from tersely.records import Estimate
from tersely.table import show

KEPT = 0.98
"""Share of the reference's accuracy that the best of a method must keep."""
PRINTED = "published without an interval"
ONE = Estimate(1.0, None, None, 0, "the base by definition")


@dataclass(frozen=True, slots=True)
class Spot(Who):
    """One model in a plane of tokens and accuracy."""

    accuracy: Estimate
    tokens: Estimate

    @property
    def seeds(self) -> tuple[tuple[float, float], ...]:
        """(tokens, accuracy) of every seed, where there are several."""
        if not (isinstance(self.tokens, SeedMean) and isinstance(self.accuracy, SeedMean)):
            return ()
        return tuple(zip(self.tokens.seeds, self.accuracy.seeds, strict=False))


@dataclass(frozen=True, slots=True)
class Standing(Spot):
    """A contender against a reference: ratios on every data set and their unweighted mean.

    Example: ``Standing("α 0.2", Role.FAMILY, "family", 0.2, "", accuracy=Estimate(1.01, ...),
    tokens=Estimate(0.42, ...), aes=Estimate(0.6, ...), sets={"arithmetic": (accuracy, tokens)})``
    """

    aes: Estimate | None
    sets: Mapping[str, tuple[Estimate, Estimate]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plane:
    """All models on one data set, or on all of them normalised by the base."""

    name: str
    title: str
    spots: tuple[Spot, ...]
    normalised: bool = False
    """Ratios to the base; else tokens, and accuracy in [0, 1]."""

    def dominance(self) -> list[Dominance]:
        """Of every spot; who is marked is compared with nothing."""
        found = iter(dominance([Point(s.label, s.tokens, s.accuracy) for s in self.spots if not s.mark]))
        return [Dominance(s.label, (), ()) if s.mark else next(found) for s in self.spots]

    @property
    def printed(self) -> bool:
        """Whether its numbers come from a source that prints no intervals."""
        return any(spot.tokens.method == PRINTED for spot in self.spots)

    @property
    def scale(self) -> float:
        """What accuracy is multiplied by to be drawn."""
        return 1.0 if self.normalised else 100.0


def standings(comparison: Comparison, reference: Contender | None = None) -> tuple[Standing, ...]:
    """All that was evaluated on every data set, against the base or another reference; who is marked has no ratios."""
    against = reference or comparison.base
    rest = [c for c in comparison.contenders if not c.mark and c.role is not Role.BASE]
    found = [stand(c, comparison, against) for c in rest if against is None or c.label != against.label]
    return tuple(standing for standing in found if standing is not None)


def stand(who: Contender, comparison: Comparison, reference: Contender | None = None) -> Standing | None:
    """Ratios to the reference of each seed, then the mean over seeds; None where a set is missing."""
    against, datasets = reference or comparison.base, comparison.datasets
    if against is None or not set(datasets) <= set(who.entries) & set(against.entries):
        return None
    found = [{r.run.path: (r, m) for r, m in pairs(who.entries[d], against.entries[d])} for d in datasets]
    known = []
    for path in sorted(set.intersection(*map(set, found))):
        results = [(d, *each[path]) for d, each in zip(datasets, found, strict=True)]
        records = [(d, mate.evaluation.responses(), mine.evaluation.responses()) for d, mine, mate in results]
        # A reference that solves nothing of a set, or spends nothing, has no ratio: the seed tells nothing.
        with contextlib.suppress(ValueError):
            known.append(aggregate_sets([pair_records(d, shared(mate, mine), mine) for d, mate, mine in records]))
    accuracy, tokens, aes = (over_seeds([getattr(one, key) for one in known]) for key in ("accuracy", "tokens", "aes"))
    if accuracy is None or tokens is None:
        return None
    sets = {}
    for place, dataset in enumerate(datasets):
        ratios = [over_seeds([getattr(each.sets[place], key) for each in known]) for key in ("accuracy", "tokens")]
        if ratios[0] is not None and ratios[1] is not None:
            sets[dataset] = (ratios[0], ratios[1])
    return Standing(*who.who, accuracy, tokens, aes, sets)


def pairs(entry: Entry, reference: Entry) -> list[tuple[Result, Result]]:
    """(result, what it is paired with): the reference's result of its base, or of the same seed from the same base."""
    if reference.is_base:
        bases = {base.run.path: base for base in reference.results}
        return [(result, bases[result.base_path]) for result in entry.results if result.base_path in bases]
    mates = {(mate.run.seed, mate.base_path): mate for mate in reversed(reference.results)}
    found = [(result, mates.get((result.run.seed, result.base_path))) for result in entry.results]
    return [(result, mate) for result, mate in found if mate is not None]


def rule(clause: str) -> str:
    """The rule in words ("best"), or which clause of it was given up."""
    return say(f"rule.{clause}", kept=100 * KEPT)


def choose(candidates: Sequence[Standing]) -> tuple[Standing | None, str]:
    """The best by the rule (``words.toml``), and what had to be given up of it (empty where nothing)."""
    surely = [c for c in candidates if floor(c.accuracy) >= KEPT]
    likely = [c for c in candidates if c.accuracy.value >= KEPT]
    for given_up, group in (("", surely), (rule("likely"), likely)):
        if group:
            return min(group, key=lambda c: c.tokens.value), given_up
    return max(candidates, key=lambda c: c.accuracy.value, default=None), rule("most")


def best_of(candidates: Sequence[Standing]) -> Standing | None:
    """The best by the rule (``words.toml``)."""
    return choose(candidates)[0]


def spends(standing: Standing) -> str:
    """What a standing spends and keeps, in words."""
    spent, kept = show(standing.tokens.value, "percent"), show(standing.accuracy.value, "percent")
    return say("message.spends", label=standing.label, tokens=spent, accuracy=kept)


def gains(entry: Entry, reference: Entry | None) -> tuple[Estimate | None, Estimate | None]:
    """(token saving, accuracy difference) against the reference, over pairs of one seed, base and set of problems."""
    keys = ("token_saving", "accuracy_difference")
    if reference is None or reference.is_base:
        return entry.gain(keys[0]), entry.gain(keys[1])
    blocks = []
    for result, mate in pairs(entry, reference):
        with contextlib.suppress(UserError):
            blocks.append(compare_paired(mate.evaluation.responses(), result.evaluation.responses()).overall)
    saving, change = (over_seeds([getattr(block, key) for block in blocks], GAINS[key]) for key in keys)
    return saving, change


def hidden(comparison: Comparison, with_ablations: bool) -> tuple[Role, ...]:
    """Departures stay off the frontier: unless asked for, or where no family stands there."""
    family = any(c.role is Role.FAMILY for c in comparison.contenders)
    return (Role.ABLATION,) if family and not with_ablations else ()


def plane_of(comparison: Comparison, with_ablations: bool = False) -> Plane:
    """Contenders on one data set, in tokens and accuracy as they are, but for the ``hidden`` ones."""
    spots = []
    for entry in comparison.view().entries:
        tokens, accuracy = entry.overall("tokens"), entry.overall("accuracy")
        if tokens is not None and accuracy is not None and entry.role not in hidden(comparison, with_ablations):
            spots.append(Spot(*entry.who, accuracy, tokens))
    return Plane("plane", "Accuracy against tokens", tuple(spots))


def aggregate_plane(found: Sequence[Spot], count: int) -> Plane:
    """The mean over ``count`` data sets of the ratios to the base, which stands at (1, 1) by definition."""
    spots = (Spot("base", Role.BASE, "base", None, "", ONE, ONE), *found)
    return Plane("plane_aggregate", f"All {count} data sets, normalised by the base", spots, normalised=True)


def plane_sentence(plane: Plane) -> str:
    """Dominated points by name: beyond the intervals, or by value alone where there are none."""
    found, beaten = [o for o, s in zip(plane.dominance(), plane.spots, strict=True) if not s.mark], []
    if len(found) < 2:
        return ""
    sure = any(s.tokens.low is not None and s.accuracy.low is not None for s in plane.spots)
    for one in found:
        if by := one.clearly_by if sure else one.by:
            more = f" and {len(by) - 2} more" if len(by) > 2 else ""
            beaten.append(f"{one.name} (by {', '.join(by[:2])}{more})")
    how = "beyond the intervals" if sure else "by value, without intervals"
    free = ", ".join(one.name for one in found if not one.by)
    return say("plane.worse", how=how, beaten="; ".join(beaten) or "none", free=free)
