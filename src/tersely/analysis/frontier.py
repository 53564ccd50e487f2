"""What a family of models shows: which of them are dominated, and whether tokens and accuracy move with alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tersely.analysis.intervals import difference_of_estimates
from tersely.records import Estimate


@dataclass(frozen=True, slots=True)
class Point:
    """One model in the tokens-accuracy plane.

    Example: ``Point("alpha 0.2", tokens=Estimate(38.7, ...), accuracy=Estimate(0.96, ...))``
    """

    name: str
    tokens: Estimate
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class Dominance:
    """By whom a model is beaten on both axes."""

    name: str
    by: tuple[str, ...]
    """Names with no more tokens and no less accuracy, and better in one of the two (values alone)."""
    clearly_by: tuple[str, ...]
    """The same beyond the intervals: both of the other's intervals lie wholly on the better side."""

    @property
    def dominated(self) -> bool:
        return bool(self.by)


@dataclass(frozen=True, slots=True)
class Trend:
    """How a quantity moves as alpha grows, in neighbouring steps and from end to end."""

    alphas: tuple[float, ...]
    values: tuple[float, ...]
    steps: tuple[Estimate, ...]
    """Change from each alpha to the next, ``len(alphas) - 1`` of them."""
    ends: Estimate
    """Change from the smallest alpha to the largest."""
    words: str
    """The finding as a sentence without its full stop."""

    @property
    def falls(self) -> bool:
        """Every value is below the one before it."""
        return all(step.value < 0 for step in self.steps)

    @property
    def falls_within_intervals(self) -> bool:
        """No step rises beyond its interval (a rise without an interval counts as a rise)."""
        return not any(step.value > 0 and (step.low is None or step.low > 0) for step in self.steps)


def dominance(points: Sequence[Point]) -> list[Dominance]:
    """For every point, by whom it is dominated, in the order given. Equal points do not dominate one another."""
    return [
        Dominance(
            point.name,
            tuple(other.name for other in points if other is not point and _beats(other, point)),
            tuple(other.name for other in points if other is not point and _clearly_beats(other, point)),
        )
        for point in points
    ]


def trend(
    what: str,
    alphas: Sequence[float],
    values: Sequence[Estimate],
    steps: Sequence[Estimate] | None = None,
    ends: Estimate | None = None,
    percent: bool = False,
) -> Trend:
    """Test and say whether ``what`` falls with alpha.

    ``alphas`` rise strictly and ``values`` belong to them. ``steps`` are the changes between neighbours and ``ends``
    the change over all, from ``seeds.family_steps`` where the responses are at hand; without them they are made from
    the two intervals as if independent, which is wider. The sentence speaks of all steps and the whole at once, so
    their intervals are to hold together in 95 %: ``seeds.family_steps`` makes such, and what is made here is widened
    to.

    ``what`` takes a plural verb where it ends in s ("tokens fall", "accuracy falls"). ``percent`` prints values as
    percentages. Fewer than two alphas, or lengths that do not fit, are a ValueError.
    """
    if len(alphas) < 2 or len(alphas) != len(values) or any(b <= a for a, b in pairwise(alphas)):
        raise ValueError("a trend needs at least two strictly rising alphas, each with a value")
    comparisons = 1 if len(alphas) == 2 else len(alphas)
    if steps is None:
        steps = [difference_of_estimates(a, b, comparisons=comparisons) for a, b in pairwise(values)]
    if len(steps) != len(alphas) - 1:
        raise ValueError(f"{len(alphas)} alphas have {len(alphas) - 1} steps, not {len(steps)}")
    if ends is None:
        ends = difference_of_estimates(values[0], values[-1], comparisons=comparisons)
    numbers = tuple(value.value for value in values)
    draft = Trend(tuple(alphas), numbers, tuple(steps), ends, "")
    return Trend(draft.alphas, numbers, draft.steps, ends, _words(what, draft, percent))


def beyond(estimate: Estimate) -> bool:
    """The interval exists and leaves 0 out."""
    return estimate.low is not None and estimate.high is not None and (estimate.low > 0 or estimate.high < 0)


def _beats(one: Point, other: Point) -> bool:
    no_worse = one.tokens.value <= other.tokens.value and one.accuracy.value >= other.accuracy.value
    return no_worse and (one.tokens.value < other.tokens.value or one.accuracy.value > other.accuracy.value)


def _clearly_beats(one: Point, other: Point) -> bool:
    if one.tokens.high is None or other.tokens.low is None:
        return False
    if one.accuracy.low is None or other.accuracy.high is None:
        return False
    return one.tokens.high < other.tokens.low and one.accuracy.low > other.accuracy.high


def _words(what: str, found: Trend, percent: bool) -> str:
    chain, plural = _chain(found, percent), what.endswith("s")
    fall, rise, do = ("fall", "rise", "do") if plural else ("falls", "rises", "does")
    if len(set(found.values)) == 1 and not any(step.value for step in found.steps):
        return f"{what} {do} not change with alpha: {_shown(found.values, percent, 0)[0]} throughout"
    if not any(beyond(step) for step in found.steps) and not beyond(found.ends):
        return f"{what} {do} not change measurably with alpha: {chain}, no change beyond its interval"
    if found.falls:
        return f"{what} {fall} with alpha: {chain}, {_step_words(found)}"
    rises = [i for i, step in enumerate(found.steps) if step.value > 0]
    if beyond(found.ends) and found.ends.value < 0 and found.falls_within_intervals:
        odd = "with no rise" if not rises else f"{_places(found, rises)} it rises, but within the interval"
        return f"{what} {fall} with alpha: {chain}, {odd}"
    if rises == list(range(len(found.steps))):
        return f"{what} {rise} with alpha: {chain}, {_step_words(found)}"
    return f"{what} {do} not fall steadily with alpha: {chain}; {_moves(found)}"


def _moves(found: Trend) -> str:
    """The single steps that are sure, by direction."""
    up = [i for i, step in enumerate(found.steps) if beyond(step) and step.value > 0]
    down = [i for i, step in enumerate(found.steps) if beyond(step) and step.value < 0]
    parts = [f"a rise {_places(found, up)}"] * bool(up) + [f"a fall {_places(found, down)}"] * bool(down)
    return f"beyond the intervals: {', '.join(parts)}" if parts else "no single step beyond its interval"


def _step_words(found: Trend) -> str:
    count, total = sum(beyond(step) for step in found.steps), len(found.steps)
    if total == 1:
        return "the step lies beyond its interval"
    if count == total:
        return "every neighbouring step beyond its interval"
    if count == 0:
        return "each neighbouring step within its interval, the whole beyond"
    return f"{count} of {total} neighbouring steps beyond their intervals"


def _places(found: Trend, indices: Sequence[int]) -> str:
    spans = [f"{found.alphas[i]:g} to {found.alphas[i + 1]:g}" for i in indices]
    return "from " + " and from ".join(spans)


def _chain(found: Trend, percent: bool) -> str:
    """The values, with as many digits as neighbours that differ need to look it."""
    texts = (_shown(found.values, percent, digits) for digits in range(7))
    moved = [step.value != 0 for step in found.steps]
    shown = next((s for s in texts if all(a != b for (a, b), m in zip(pairwise(s), moved, strict=True) if m)), None)
    shown = shown or _shown(found.values, percent, 0)
    signs = [">" if step.value < 0 else "<" if step.value > 0 else "=" for step in found.steps]
    return " ".join([shown[0], *(f"{sign} {text}" for sign, text in zip(signs, shown[1:], strict=True))])


def _shown(values: Sequence[float], percent: bool, more: int) -> list[str]:
    """Three digits, or a decimal of a percentage, and ``more``."""
    return [f"{value * 100:.{1 + more}f} %" if percent else f"{value:.{3 + more}g}" for value in values]
