"""What a profile's numbers say, as sentences."""

from __future__ import annotations

from tersely.analysis.profile_blocks import Cap, ProfileBlock
from tersely.analysis.records import LengthSpread
from tersely.records import Estimate


def reading(block: ProfileBlock, k: int, asked: int | None) -> list[str]:
    """What the numbers say of k responses a problem under the cap ``asked``. What they do not say (which alpha is
    right) is left open."""
    sentences = [
        _pass_words(block, k),
        _signal_words(block),
        _cap_words(block.cap, block.truncated, asked),
        _spread_words(block.spread),
        "Which alpha is right does not follow from these numbers: train several and look at accuracy against tokens.",
    ]
    return [sentence for sentence in sentences if sentence]


def _pass_words(block: ProfileBlock, k: int) -> str:
    wrong, correct = block.groups.all_wrong, block.groups.all_correct
    if block.accuracy is None or wrong is None or correct is None:
        return "No response could be judged, so nothing is known about accuracy."
    return (
        f"The model answers {_percent(block.accuracy)} of the responses correctly; of the problems "
        f"{_percent(wrong)} are wrong in all of their {k} responses and {_percent(correct)} correct in all."
    )


def _signal_words(block: ProfileBlock) -> str:
    parts = [
        f"{_percent_number(found.mixed.value)} with {n} responses per problem "
        f"({_percent_number(1 - found.all_wrong.value)} with alpha > 0)"
        for n, found in block.signal.items()
        if found is not None
    ]
    if not parts:
        return ""
    return (
        f"Groups with both correct and wrong responses, which carry signal under any alpha: {', '.join(parts)}; with "
        "alpha > 0 all-correct groups carry signal about length as well, all-wrong groups never carry any."
    )


def _cap_words(cap: Cap | None, truncated: Estimate, asked: int | None) -> str:
    cut = (
        f" {_percent(truncated)} of the responses were cut at the cap of {asked}: whether they would have "
        "become correct is not known, and a higher cap than that cannot be judged from here."
        if truncated.value > 0
        else ""
    )
    if cap is None:
        return f"No response is correct, so no cap can be derived.{cut}"
    high = cap.quantile.high
    reach = "" if high is None else f"; the 99th percentile could lie as high as {high:.0f}"
    return (
        f"A cap of {cap.cap} tokens loses less than 1 % of the {cap.correct} correct responses seen "
        f"({_percent_number(cap.lost)}){reach}.{cut}"
    )


def _spread_words(spread: LengthSpread | None) -> str:
    if spread is None:
        return "No problem has two correct responses, so a length penalty has nothing to choose among."
    return (
        f"Among correct responses to one problem the standard deviation of length is "
        f"{_percent(spread.std_over_mean)} of the mean, and the shortest lies "
        f"{_percent(spread.shortest_below_mean)} below it: what a length penalty can choose among."
    )


def _percent(estimate: Estimate) -> str:
    value = _percent_number(estimate.value)
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def _percent_number(value: float) -> str:
    return f"{100 * value:.1f} %"
