"""Say in words what the numbers show, and what they do not. Every sentence is computed; none is assumed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from tersely.analysis import Point, count_behaviours, dominance, paired_difference, paired_ratio, trend
from tersely.analysis.clusters import accuracy_clusters, clusters_of, label_of, token_clusters
from tersely.analysis.frontier import Trend, beyond
from tersely.records import Estimate, EvalRecord, Unit
from tersely.report.measure import CHECKS, Entry, View
from tersely.report.tables import show
from tersely.runs.json_file import is_checked

TOLERATED_LOSS = 0.02
"""Accuracy that the headline model may at worst have lost (lower end of its interval), as a share."""

RULE = (
    "The headline names the member that saves most among those that lost at most "
    f"{TOLERATED_LOSS * 100:g} points of accuracy at the lower end of the interval; if there is none, among those that "
    "lost at most as much by the estimate itself; if there is none either, the member that lost least."
)


SEVERAL_SEEDS = (
    f"Where a model has several {Unit.SEEDS}, values are means and intervals are over {Unit.SEEDS}; trends pair "
    f"{Unit.PROBLEMS}."
)


@dataclass(frozen=True, slots=True)
class Findings:
    """The headline in one sentence, what follows from the numbers, and what a reader must be warned of."""

    headline: str
    figures: tuple[tuple[str, str, str], ...]
    """(large number, its interval, what it is) for the top of the page."""
    found: tuple[str, ...]
    warnings: tuple[str, ...]


def make_findings(view: View) -> Findings:
    chosen = choose(view)
    found = [
        trend_sentence(view, "tokens"),
        trend_sentence(view, "accuracy"),
        seed_sentence(view),
        _checks_sentence(view, chosen),
        _phrases_sentence(view, chosen),
        _dominance_sentence(view),
        *_variant_sentences(view),
    ]
    warnings = [
        cap_warning(view),
        unjudged_warning(view),
        *judge_warnings(view),
        _base_warning(view),
        _single_seed_warning(view),
        unchecked_warning(view),
    ]
    return Findings(
        _headline(view, chosen), _figures(view, chosen), tuple(s for s in found if s), tuple(s for s in warnings if s)
    )


def choose(view: View) -> Entry | None:
    """The member that the headline names (``RULE``), or None without a base."""
    known = [entry for entry in view.line or view.trained if entry.gain("token_saving") is not None]
    change = {entry.label: entry.gain("accuracy_difference") for entry in known}
    surely = [entry for entry in known if _floor(change[entry.label]) >= -TOLERATED_LOSS]
    likely = [entry for entry in known if _value(change[entry.label]) >= -TOLERATED_LOSS]
    if not surely and not likely:
        return max(known, key=lambda entry: _value(change[entry.label]), default=None)
    return max(surely or likely, key=lambda entry: _value(entry.gain("token_saving")))


def family_trend(view: View, what: str) -> Trend | None:
    """Tokens or accuracy along the family, steps paired by problem with the seeds of a member taken together."""
    line = view.line
    if len(line) < 2:
        return None
    clusters = [entry.clusters(token_clusters if what == "tokens" else accuracy_clusters) for entry in line]
    values = [entry.overall(what) for entry in line]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    alphas = [entry.alpha or 0.0 for entry in line]
    steps = [paired_step(a, b, what) for a, b in itertools.pairwise(clusters)]
    return trend(what, alphas, known, steps, paired_step(clusters[0], clusters[-1], what), percent=what == "accuracy")


def _headline(view: View, chosen: Entry | None) -> str:
    """The headline; its intervals stand right below it (``_figures``)."""
    if chosen is None:
        return "No base was given, so tokens and accuracy are shown, but no saving"
    return f"At {chosen.label} the model {_saved(chosen)}, and {_accuracy_plain(chosen.gain('accuracy_difference'))}"


def _saved(chosen: Entry) -> str:
    saving = chosen.gain("token_saving")
    assert saving is not None
    if saving.low is not None and not beyond(saving):
        return "spends measurably neither more nor fewer tokens than its base"
    return (
        f"spends {show(abs(saving.value), 'percent')} {'fewer' if saving.value >= 0 else 'more'} tokens than its base"
    )


def _accuracy_plain(change: Estimate | None) -> str:
    if change is None:
        return "its accuracy could not be judged"
    if not beyond(change):
        return "no change of accuracy can be measured"
    return (
        f"its accuracy {'rises' if change.value > 0 else 'falls'} by {show(abs(change.value) * 100, 'tokens')} points"
    )


def _accuracy_words(change: Estimate | None) -> str:
    if change is None:
        return "its accuracy could not be judged"
    shown = show(change, "points")
    if not beyond(change):
        return f"no change of accuracy can be measured ({shown})"
    return f"accuracy {'rises' if change.value > 0 else 'falls'} ({shown})"


def _figures(view: View, chosen: Entry | None) -> tuple[tuple[str, str, str], ...]:
    if chosen is None:
        return ()
    parts = [
        (chosen.gain("token_saving"), "percent", f"tokens saved at {chosen.label}"),
        (chosen.gain("accuracy_difference"), "points", "accuracy against the base"),
    ]
    shown = [(show(e, k, interval=False), _interval(e, k), words) for e, k, words in parts if e is not None]
    before = None if view.base is None else view.base.overall("tokens")
    after = chosen.overall("tokens")
    if before is not None and after is not None:
        size = f"{show(before, 'tokens', False)} → {show(after, 'tokens', False)}"
        reach = f"95 % intervals {_brackets(before)} → {_brackets(after)}"
        shown.append((size, reach, "tokens a response"))
    return tuple(shown)


def _brackets(estimate: Estimate) -> str:
    shown = show(estimate, "tokens")
    return shown[shown.index("[") :] if "[" in shown else "none"


def _interval(estimate: Estimate, kind: str) -> str:
    shown = show(estimate, kind)
    return f"95 % interval {shown[shown.index('[') :]}" if "[" in shown else estimate.method


def trend_sentence(view: View, what: str) -> str:
    found = family_trend(view, what)
    if found is None:
        return ""
    words = found.words[0].upper() + found.words[1:]
    kind = "points" if what == "accuracy" else "tokens"
    ends = f"{show(found.ends, kind)}{'' if kind == 'points' else ' tokens'}"
    return f"{words}. From α {found.alphas[0]:g} to α {found.alphas[-1]:g} the change is {ends}."


def seed_sentence(view: View) -> str:
    """Of the seeds that ran at every alpha, in how many do tokens fall at every step?"""
    runs = [{r.seed: r.evaluation.summary.overall.tokens.value for r in e.results} for e in view.line]
    shared = sorted(set.intersection(*map(set, runs))) if len(runs) > 1 else []
    if len(shared) < 2:
        return ""
    falling = sum(all(b[seed] < a[seed] for a, b in itertools.pairwise(runs)) for seed in shared)
    return f"In {falling} of {len(shared)} seeds tokens fall at every step of alpha."


def _checks_sentence(view: View, chosen: Entry | None) -> str:
    """Where checks vanish first: what remains of them at each difficulty, against the base."""
    if view.base is None or chosen is None or not set(CHECKS) & set(view.behaviours):
        return ""
    remaining = {d: _check_ratio(view.base, chosen, d) for d in view.difficulties}
    known = {d: ratio for d, ratio in remaining.items() if ratio is not None}
    if len(known) < 2:
        return ""
    first, last = min(known, key=lambda d: known[d].value), max(known, key=lambda d: known[d].value)
    apart = _high(known[first]) < _low(known[last])
    listed = ", ".join(f"{d}: {show(ratio, 'percent', interval=False)}" for d, ratio in known.items())
    head = (
        f"Checks vanish first at difficulty {first} and stay longest at difficulty {last}"
        if apart
        else "It cannot be measured at which difficulty checks vanish first"
    )
    return f"{head}. Of the base's checks this remains at {chosen.label}, by difficulty: {listed}."


def _phrases_sentence(view: View, chosen: Entry | None) -> str:
    if view.base is None or chosen is None:
        return ""
    pairs = []
    for name in view.behaviours:
        before, after = view.base.overall("behaviours", name), chosen.overall("behaviours", name)
        if before is not None and after is not None:
            pairs.append(f"{name} {show(before, 'count', False)} to {show(after, 'count', False)}")
    return f"Phrases a response, base to {chosen.label}: {', '.join(pairs)}." if pairs else ""


def _dominance_sentence(view: View) -> str:
    if len(view.entries) < 2:
        return ""
    pairs = [(e.label, e.overall("tokens"), e.overall("accuracy")) for e in view.entries]
    found = dominance([Point(name, t, a) for name, t, a in pairs if t is not None and a is not None])
    clearly = [f"{each.name} (by {', '.join(each.clearly_by)})" for each in found if each.clearly_by]
    free = [each.name for each in found if not each.dominated]
    sure = (
        f"Dominated beyond the intervals: {'; '.join(clearly)}."
        if clearly
        else "No model is dominated beyond the intervals."
    )
    return f"{sure} On values alone the frontier is {', '.join(free)}."


def _variant_sentences(view: View) -> list[str]:
    """Each variant against the family's member of the same alpha."""
    by_alpha = {entry.alpha: entry for entry in view.line}
    sentences = []
    for entry in view.trained:
        usual = by_alpha.get(entry.alpha)
        if not entry.variant or usual is None:
            continue
        tokens = paired_difference(usual.clusters(token_clusters), entry.clusters(token_clusters))
        change = paired_step(usual.clusters(accuracy_clusters), entry.clusters(accuracy_clusters), "accuracy")
        sentences.append(
            f"{entry.label} against {usual.label}: {show(tokens, 'tokens')} tokens, {_accuracy_words(change)}."
        )
    return sentences


def cap_warning(view: View) -> str:
    base = view.base
    cut = None if base is None else base.overall("truncated")
    if cut is None or cut.value < 0.01:
        return ""
    return (
        f"{show(cut, 'percent')} of the base's responses ran into the cap of "
        f"{view.protocol.max_new_tokens or 'unknown'} tokens: its mean length, and the saving, are lower bounds."
    )


def unjudged_warning(view: View) -> str:
    counts = {e.label: sum(r.evaluation.summary.overall.unjudged_responses for r in e.results) for e in view.entries}
    some = [f"{label} {count}" for label, count in counts.items() if count]
    return f"Responses that could not be judged, left out of every accuracy: {', '.join(some)}." if some else ""


def unchecked_warning(view: View) -> str:
    old = [e.label for e in view.entries if any(not is_checked(r.evaluation.path) for r in e.results)]
    return f"Evaluated by an earlier version, in whose files damage would not be seen: {', '.join(old)}." if old else ""


def judge_warnings(view: View) -> list[str]:
    """The policy that counted, and what the judge said that is counted, of every evaluation on the page."""
    told = [f"{e.label}: {said}." for e in view.entries for r in e.results for said in r.evaluation.sentences()]
    return list(dict.fromkeys(told))


def _base_warning(view: View) -> str:
    missing = [entry.label for entry in view.trained if any(result.versus is None for result in entry.results)]
    return f"Without a base to compare with: {', '.join(missing)}." if missing else ""


def _single_seed_warning(view: View) -> str:
    if view.many_seeds:
        return SEVERAL_SEEDS
    return "One seed a model: the intervals say what other problems would do, not what another training run would."


def paired_step(first: dict[str, list[float]], second: dict[str, list[float]], what: str) -> Estimate:
    both = [problem for problem in first if problem in second]
    pairs = {problem: first[problem] for problem in both}, {problem: second[problem] for problem in both}
    return paired_difference(*pairs, rates=what == "accuracy")


def _check_ratio(base: Entry, chosen: Entry, difficulty: str) -> Estimate | None:
    def clusters(entry: Entry) -> dict[str, list[float]]:
        phrases = entry.results[0].evaluation.summary.phrases

        def checks(record: EvalRecord) -> int:
            counts = count_behaviours(record.text, phrases)
            return sum(counts.get(name, 0) for name in CHECKS)

        return entry.clusters(lambda records: clusters_of(records, checks, lambda r: label_of(r) == difficulty))

    before, after = clusters(base), clusters(chosen)
    if set(before) != set(after) or not any(map(any, before.values())):
        return None
    return paired_ratio(before, after)


def _floor(change: Estimate | None) -> float:
    if change is None:
        return float("-inf")
    return change.value if change.low is None else change.low


def _value(estimate: Estimate | None) -> float:
    return float("-inf") if estimate is None else estimate.value


def _low(estimate: Estimate) -> float:
    return estimate.value if estimate.low is None else estimate.low


def _high(estimate: Estimate) -> float:
    return estimate.value if estimate.high is None else estimate.high
