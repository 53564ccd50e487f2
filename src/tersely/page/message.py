"""What the page says first: the message that a manager understands, how sure it is, what it costs, what to mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tersely.analysis.seeds import SeedMean, scaled
from tersely.analysis.strata import NO_OTHERS, stratified
from tersely.page.block import Options
from tersely.page.blocks.matched import spends
from tersely.page.cost import search_cost
from tersely.page.records import TOLD, Comparison, Contender, Role, View
from tersely.page.standings import Standing, best_of, choose, gains, standings
from tersely.page.table import show
from tersely.records import Estimate, Unit
from tersely.runs.json_file import is_checked

ALPHA = "α (alpha) says how hard training presses for short answers: 0 not at all, towards 1 ever harder."
TOY_TASKS = {"arithmetic": "made-up sums"}
BASE = "the base (before training)"
FREE = "the same training without length pressure"
ALIKE = 0.1
"""Tokens of two methods that differ by at most this share are about equal."""


@dataclass(frozen=True, slots=True)
class Message:
    """The headline in one sentence, what a reader must know beside it, and what he must be warned of."""

    headline: str
    lead: tuple[str, ...]
    warnings: tuple[str, ...]
    chosen: str | None
    """Label of the model that the headline names."""


def make_message(comparison: Comparison, options: Options) -> Message:
    reference, base = comparison.reference, comparison.base
    told, what = warnings(comparison, options.found), _what(comparison)
    free = reference is not None and reference.role is Role.FAMILY
    against = standings(comparison, reference) if free else options.found
    candidates = _candidates(against)
    best, given_up = choose(candidates)
    if reference is None or best is None:
        said = "Nothing here can be compared with a base" if reference else "No base was given, so no saving is shown"
        return Message(said, (what,), told, None)
    chosen = next(c for c in comparison.contenders if c.label == best.label)
    unit = "points" if len(comparison.datasets) == 1 else "relative"
    saving, change = _gained(comparison, best, chosen, reference)
    lead = [what, f"This is {best.label}. {ALPHA if best.alpha is not None else ''}".strip()]
    lead.append(_against(f"{reference.label} ({FREE})" if free else BASE, saving, change, unit))
    if base is not None and reference is not base:
        own = next((s for s in options.found if s.label == best.label), best)
        lead.append(_against(BASE, *_gained(comparison, own, chosen, base), unit))
    if len(candidates) > 1:
        given_up += (
            f" {best.label} was chosen among {len(candidates)} on these same problems, so its numbers are likelier "
        )
        given_up = f"{given_up}too good than too bad.".strip()
    lead += [given_up, _rival(options.found), _money(comparison, chosen, options)]
    headline = (
        f"{_who(comparison)} {_saved(saving)} than {FREE if free else 'before training'}; {loss_words(change, unit)}"
    )
    return Message(headline, tuple(s for s in lead if s), told, best.label)


def _candidates(against: Sequence[Standing]) -> list[Standing]:
    """The family; without one what else was trained; without that everything."""
    groups = ((Role.FAMILY,), (Role.ABLATION, Role.BASELINE), tuple(Role))
    return next((found for roles in groups if (found := [s for s in against if s.role in roles])), [])


def _gained(
    comparison: Comparison, standing: Standing, chosen: Contender, reference: Contender
) -> tuple[Estimate, Estimate]:
    """(tokens saved, change of accuracy): points on one data set, shares of the reference's mean over several."""
    dataset = comparison.datasets[0]
    saving, change = gains(chosen.entries[dataset], reference.entries[dataset])
    if len(comparison.datasets) > 1 or saving is None or change is None:
        return scaled(standing.tokens, -1.0, 1.0), scaled(standing.accuracy, 1.0, -1.0)
    return saving, change


def _is_toy(base: Contender | None) -> bool:
    return base is not None and all(run.kind == "base" for run in base.runs)


def _who(comparison: Comparison) -> str:
    """Model and task in words for who knows neither."""
    base, datasets = comparison.base, comparison.datasets
    model = "A toy model" if base is None or _is_toy(base) else base.runs[0].name
    what = TOY_TASKS.get(datasets[0], datasets[0]) if len(datasets) == 1 else f"{len(datasets)} data sets"
    return f"{model} answers {what}"


def _what(comparison: Comparison) -> str:
    base, dataset = comparison.base, comparison.datasets[0]
    model = f"The model is {base.runs[0].name}" if base else "The model is named under How this was made"
    if _is_toy(base):
        model = "The model is a toy that tersely makes for itself and teaches to check too much"
    summary = next(iter(comparison.contenders[0].entries.values())).results[0].evaluation.summary
    where = f"{TOY_TASKS[dataset]} (task {dataset})" if dataset in TOY_TASKS else ", ".join(comparison.datasets)
    each = f"{summary.overall.problems:,} held-out problems, responses per problem: {summary.k}"
    return f"{model}; the task is {where}, {each}."


def _saved(saving: Estimate) -> str:
    return f"with {show(abs(saving.value), 'percent')} {'fewer' if saving.value >= 0 else 'more'} tokens"


def loss_words(change: Estimate, unit: str) -> str:
    """What happened to accuracy, and the largest loss that the measurement does not exclude."""

    def signed(value: float) -> str:
        return show(value, unit).replace("\u00a0points", " points")

    def size(value: float) -> str:
        return signed(value).lstrip("+±−")

    if isinstance(change, SeedMean) and change.low is None:
        return (
            f"accuracy changes by {signed(change.value)} in the mean of {change.n} {Unit.SEEDS} and by "
            f"{signed(min(change.seeds))} in the worst, too few to say how much may be lost"
        )
    if change.low is None or change.high is None:
        return f"accuracy changes by {signed(change.value)}, and how much may be lost cannot be told ({change.method})"
    if change.high < 0:
        return f"accuracy falls by {size(change.value)}, at most by {size(change.low)}"
    if change.low >= 0:
        return f"accuracy rises by {size(change.value)}" if change.value > 0 else "accuracy stays"
    return f"a loss of up to {size(change.low)} of accuracy is not excluded"


def _against(whom: str, saving: Estimate, change: Estimate, unit: str) -> str:
    lossy = change.low is not None and change.high is not None and change.low < 0 <= change.high
    loss = f"; {loss_words(change, unit)}" if lossy else ""
    return f"Against {whom}: {show(saving, 'percent')} of the tokens saved, accuracy {show(change, unit)}{loss}."


def _rival(found: Sequence[Standing]) -> str:
    """The best other method that was trained, beside the member that spends about as much."""
    rival, family = best_of([s for s in found if s.role is Role.BASELINE]), [s for s in found if s.role is Role.FAMILY]
    if rival is None:
        return "" if not family else "No other method was trained beside it, so nothing is said about alternatives."
    stands = f"{rival.label} {spends(rival)}"
    if not family:
        return f"No member of the family is here; the best of the rest, {stands}."
    near = min(family, key=lambda s: abs(s.tokens.value - rival.tokens.value))
    alike = abs(near.tokens.value - rival.tokens.value) <= ALIKE * rival.tokens.value
    how = "At about equal tokens" if alike else "Nothing stands at equal tokens, so this is no fair comparison"
    return f"{how}: the best other method, {stands}; {near.label} {spends(near)}."


def _money(comparison: Comparison, chosen: Contender, options: Options) -> str:
    base, dataset, money = comparison.base, comparison.datasets[0], options.currency
    if options.price is None or base is None:
        return ""
    found = [entry.overall("tokens") for entry in (base.entries[dataset], chosen.entries[dataset])]
    before, after = (show(0.0 if one is None else one.value * options.price, "tokens") for one in found)
    count, cost = search_cost(comparison, chosen)
    paid = cost.money(options.price, options.gpu_hour)
    what = "training it" if count == 1 else f"training all {count} members, to choose it,"
    spent = "" if paid is None else f"; {what} took {show(paid, 'small')} {money}"
    return (
        f"At {options.price:g} {money} a million tokens a million answers cost {before} {money} before and {after} "
        f"{money} after{spent}."
    )


# ---- what to mind


def warnings(comparison: Comparison, found: Sequence[Standing]) -> tuple[str, ...]:
    said: list[str] = []
    marked = [c.label for c in comparison.contenders if c.mark]
    if marked:
        said.append(f"Evaluated under another protocol, so shown and compared with nothing: {'; '.join(marked)}.")
    for dataset in comparison.datasets:
        view = comparison.on(dataset).view()
        said += [f"{dataset}: {sentence}" for sentence in _of_set(view, comparison)]
        if view.entries[0].results[0].evaluation.summary.overall.problems == 1:
            said.append(f"{dataset} holds a single problem: nothing measured on it has an interval.")
    known = {s.label for s in found}
    others = [c for c in comparison.contenders if not c.mark and c.role not in (Role.BASE, Role.CUTOFF)]
    lacking = [c.label for c in others if c.label not in known]
    if comparison.base is None:
        said.append("No base was found, so nothing is compared with one: name it with --base.")
    elif lacking:
        said.append(f"Not evaluated on every data set of the base, so in no aggregate: {', '.join(lacking)}.")
    if any(len(c.runs) > 1 for c in comparison.contenders):
        said.append(
            f"Values over several {Unit.SEEDS} are means; the {Unit.SEEDS} stand in brackets where they are too few "
            "for an interval. Trends pair problems."
        )
    else:
        said.append("One seed a model: the intervals say what other problems would do, not another training run.")
    return tuple(said)


def _of_set(view: View, comparison: Comparison) -> list[str]:
    """What one data set warns of."""
    said = []
    cut = None if view.base is None else view.base.overall("truncated")
    if cut is not None and cut.value >= 0.01:
        cap = view.protocol.max_new_tokens or "unknown"
        said.append(
            f"{show(cut, 'percent')} of the base's responses ran into the cap of {cap} tokens: its mean length, and "
            "the saving, are lower bounds."
        )
    unjudged = {e.label: sum(r.evaluation.summary.overall.unjudged_responses for r in e.results) for e in view.entries}
    if lost := [f"{label} {count}" for label, count in unjudged.items() if count]:
        said.append(f"Responses that could not be judged, left out of every accuracy: {', '.join(lost)}.")
    said += judge_warnings(view)
    told = [e for e in view.entries if e.role in TOLD]
    if old := [e.label for e in told if any(not is_checked(r.evaluation.path) for r in e.results)]:
        said.append(f"Evaluated by an earlier version, in whose files damage would not be seen: {', '.join(old)}.")
    if exact := stratified(view.protocol):
        said.append(f"The set holds {exact} in exact shares, not by chance: {NO_OTHERS}.")
    if view.dataset not in comparison.noise and comparison.base is not None:
        said.append("no noise floor, because the base was asked once a problem: repeat it, or use k > 1.")
    return said


def judge_warnings(view: View) -> list[str]:
    """The policy that counted, and what the judge said that is counted, of every evaluation on the page."""
    told = [(e.label, r.evaluation.sentences()) for e in view.entries if e.role in TOLD for r in e.results]
    return list(dict.fromkeys(f"{label}: {sentence}." for label, sentences in told for sentence in sentences))
