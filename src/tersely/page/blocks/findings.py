"""What else the numbers show, and what they do not. Every sentence is computed; none is assumed."""

import itertools
from collections.abc import Sequence

from tersely.analysis import family_steps, paired_ratio, trend
from tersely.analysis.clusters import accuracy_clusters, token_clusters
from tersely.page.block import Block, Options
from tersely.page.blocks.behaviours import CHECKS, check_clusters
from tersely.page.message import loss_words
from tersely.page.records import Comparison, Role, View
from tersely.page.standings import Standing, rule
from tersely.page.words import say
from tersely.table import show


def block(comparison: Comparison, options: Options) -> Block | None:
    several = len(comparison.datasets) > 1
    said = []
    for dataset in comparison.datasets:
        view = comparison.on(dataset).view()
        here = [*_trends(view), *_seeds(view), *_behaviours(view, options.chosen)]
        said += [f"{dataset}: {sentence}" if several else sentence for sentence in here]
    if several:
        said += [f"Over all data sets: {sentence}" for sentence in monotone(options.found)]
    best = say("findings.best", rule=rule("best"))
    return Block("findings", "What else was found", (*said, *_elasticity(options), best))


def _trends(view: View) -> list[str]:
    """Tokens and accuracy along the family, steps paired by problem, with intervals that hold all together."""
    said = []
    for what, kind, make in (("tokens", "tokens", token_clusters), ("accuracy", "points", accuracy_clusters)):
        values = [value for entry in view.line if (value := entry.overall(what)) is not None]
        if len(values) < 2 or len(values) < len(view.line):
            continue
        percent = what == "accuracy"
        members = [[make(result.evaluation.responses()) for result in entry.results] for entry in view.line]
        alphas = [entry.alpha or 0.0 for entry in view.line]
        found = trend(what, alphas, values, *family_steps(members, rates=percent), percent=percent)
        chain = ", ".join(show(value, "percent") for value in found.values)
        ends = {"first": alphas[0], "last": alphas[-1], "ends": show(found.ends, kind)}
        loss = loss_words(found.ends, "points")
        said.append(say(f"findings.{what}", trend=_upper(found.words), chain=chain, **ends, loss=loss))
    return said


def _seeds(view: View) -> list[str]:
    """Of the seeds that ran at every alpha, in how many do tokens fall at every step?"""
    runs = [{r.run.seed: r.evaluation.summary.overall.tokens.value for r in e.results} for e in view.line]
    shared = set.intersection(*map(set, runs)) if len(runs) > 1 else set()
    falling = sum(all(b[seed] < a[seed] for a, b in itertools.pairwise(runs)) for seed in shared)
    return [say("findings.seeds", falling=falling, count=len(shared))] if len(shared) > 1 else []


def _behaviours(view: View, label: str | None) -> list[str]:
    """Where checks vanish first, and phrases a response, of the chosen model against the base."""
    base, chosen = view.base, next((entry for entry in view.entries if entry.label == label), None)
    if base is None or chosen is None:
        return []
    said, left = [], {}
    for difficulty in view.difficulties if set(CHECKS) & set(view.phrases) else ():
        before, after = (e.at(difficulty).clusters(check_clusters(e)) for e in (base, chosen))
        if set(before) == set(after) and any(map(any, before.values())):
            left[difficulty] = paired_ratio(before, after)
    if len(left) > 1:
        first, last = min(left, key=lambda d: left[d].value), max(left, key=lambda d: left[d].value)
        high, low = left[first].high, left[last].low
        listed = ", ".join(f"{d}: {show(ratio, 'percent', interval=False)}" for d, ratio in left.items())
        remains = say("findings.left", label=chosen.label, listed=listed)
        sentence = "vanish" if high is not None and low is not None and high < low else "vanish_unknown"
        said.append(say(f"findings.{sentence}", first=first, last=last, left=remains))
    pairs = [(name, base.overall("behaviours", name), chosen.overall("behaviours", name)) for name in view.phrases]
    told = [f"{n} {show(a, 'count', False)} to {show(b, 'count', False)}" for n, a, b in pairs if a and b]
    return [*said, *([say("findings.phrases", label=chosen.label, listed=", ".join(told))] if told else [])]


def monotone(found: Sequence[Standing]) -> list[str]:
    """Whether the ratios fall along the family, in words; steps by value alone where there are no intervals."""
    family = sorted((s for s in found if s.role is Role.FAMILY), key=lambda s: s.alpha or 0.0)
    said = []
    for what, falls, stays in (("tokens", "fall", "do not fall"), ("accuracy", "falls", "does not fall")):
        if len(family) < 2:
            return []
        moves = trend(what, [s.alpha or 0.0 for s in family], [getattr(s, what) for s in family])
        if any(step.low is not None for step in moves.steps):
            said.append(f"{_upper(moves.words)} (ratios to the base).")
            continue
        chain = (" > " if moves.falls else ", ").join(f"{value:.3f}" for value in moves.values)
        said.append(say("findings.by_value", what=f"{_upper(what)} {falls if moves.falls else stays}", chain=chain))
    for one, other in itertools.permutations(family, 2):
        if one.tokens.value < other.tokens.value and one.accuracy.value > other.accuracy.value:
            said.append(say("findings.not_monotone", one=one.label, other=other.label))
    return said


def _elasticity(options: Options) -> list[str]:
    """On which data set the chosen member saves most and least: the paper's claim that length adapts."""
    chosen = next((s for s in options.found if s.label == options.chosen and len(s.sets) > 1), None)
    if chosen is None:
        return []
    ordered = sorted(chosen.sets, key=lambda name: chosen.sets[name][1].value)
    first, last = (f"{name} ({show(1 - chosen.sets[name][1].value, 'percent')})" for name in (ordered[0], ordered[-1]))
    return [say("findings.elastic", label=chosen.label, first=first, last=last)]


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
