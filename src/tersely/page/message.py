"""What the page says first: the message that a manager understands, how sure it is, what it costs, what to mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tersely.page.block import Options
from tersely.page.cost import contender_cost, training_money
from tersely.page.records import TRAINED, Comparison, Contender, Role, Run, SeedMean, View, scaled
from tersely.page.standings import Standing, best_of, choose, gains, standings
from tersely.page.table import show
from tersely.records import Estimate, Unit
from tersely.runs.json_file import is_checked
from tersely.verify.summary import Remarks

ALPHA = "α (alpha) says how hard training presses for short answers: 0 not at all, towards 1 ever harder."
TOY_TASKS = {"arithmetic": "made-up sums"}
BASE = "the base (before training)"
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
    reference = comparison.reference
    against = options.found
    if reference is not None and reference.role is Role.FAMILY:
        against = standings(comparison, reference)
    candidates = _candidates(against)
    best, given_up = choose(candidates)
    if reference is None or best is None:
        said = "Nothing here can be compared with a base" if reference else "No base was given, so no saving is shown"
        return Message(said, (_what(comparison),), warnings(comparison, options.found), None)
    chosen = next(c for c in comparison.contenders if c.label == best.label)
    saving, change = _gained(comparison, best, chosen, reference)
    name = _reference_words(reference)
    lead = [_what(comparison), f"This is {best.label}. {ALPHA if best.alpha is not None else ''}".strip()]
    lead.append(_against(reference.label if reference.role is Role.FAMILY else BASE, name, saving, change, comparison))
    if comparison.base is not None and reference is not comparison.base:
        own = next((s for s in options.found if s.label == best.label), best)
        lead.append(_against(BASE, "", *_gained(comparison, own, chosen, comparison.base),
                             comparison))  # fmt: skip
    lead += [given_up, _chosen_here(best, candidates), _rival(options.found), _money(comparison, chosen, options)]
    headline = f"{_who(comparison)} {_saved(saving)} than {name}; {loss_words(change, _unit(comparison))}"
    return Message(headline, tuple(s for s in lead if s), warnings(comparison, options.found), best.label)


def _candidates(against: Sequence[Standing]) -> list[Standing]:
    """The family; without one what else was trained; without that everything."""
    for roles in ((Role.FAMILY,), (Role.ABLATION, Role.BASELINE), tuple(Role)):
        found = [s for s in against if s.role in roles]
        if found:
            return found
    return []


def _gained(
    comparison: Comparison, standing: Standing, chosen: Contender, reference: Contender
) -> tuple[Estimate, Estimate]:
    """(tokens saved, change of accuracy): points on one data set, shares of the reference's mean over several."""
    dataset = comparison.datasets[0]
    saving, change = gains(chosen.entries[dataset], reference.entries[dataset])
    if len(comparison.datasets) > 1 or saving is None or change is None:
        return scaled(standing.tokens, -1.0, 1.0), scaled(standing.accuracy, 1.0, -1.0)
    return saving, change


def _unit(comparison: Comparison) -> str:
    return "points" if len(comparison.datasets) == 1 else "relative"


def _reference_words(reference: Contender) -> str:
    return "the same training without length pressure" if reference.role is Role.FAMILY else "before training"


def _who(comparison: Comparison) -> str:
    """Model and task in words for who knows neither."""
    base = comparison.base
    model = "A toy model" if base is None or _is_toy(base) else Path(base.runs[0].name).name
    datasets = comparison.datasets
    what = TOY_TASKS.get(datasets[0], datasets[0]) if len(datasets) == 1 else f"{len(datasets)} data sets"
    return f"{model} answers {what}"


def _is_toy(base: Contender) -> bool:
    return all(run.kind == "base" for run in base.runs)


def _what(comparison: Comparison) -> str:
    base, dataset = comparison.base, comparison.datasets[0]
    toy = base is not None and _is_toy(base)
    model = "The model is a toy that tersely makes for itself and teaches to check too much" if toy else (
        f"The model is {base.runs[0].name}" if base else "The model is named under How this was made"
    )  # fmt: skip
    summary = next(iter(comparison.contenders[0].entries.values())).results[0].evaluation.summary
    each = f"{summary.overall.problems:,} held-out problems, responses per problem: {summary.k}"
    where = f"{TOY_TASKS[dataset]} (task {dataset})" if dataset in TOY_TASKS else ", ".join(comparison.datasets)
    return f"{model}; the task is {where}, {each}."


def _saved(saving: Estimate) -> str:
    return f"with {show(abs(saving.value), 'percent')} {'fewer' if saving.value >= 0 else 'more'} tokens"


def loss_words(change: Estimate, unit: str) -> str:
    """What happened to accuracy, and the largest loss that the measurement does not exclude."""
    value = _size(change.value, unit)
    if isinstance(change, SeedMean) and change.low is None:
        worst = _size(min(change.seeds), unit, sign=True)
        return (
            f"accuracy changes by {_size(change.value, unit, sign=True)} in the mean of {change.n} {Unit.SEEDS} and by "
            f"{worst} in the worst, too few to say how much may be lost"
        )
    if change.low is None or change.high is None:
        sized = _size(change.value, unit, sign=True)
        return f"accuracy changes by {sized}, and how much may be lost cannot be told ({change.method})"
    if change.high < 0:
        return f"accuracy falls by {value}, at most by {_size(change.low, unit)}"
    if change.low >= 0:
        return f"accuracy rises by {value}" if change.value > 0 else "accuracy stays"
    return f"a loss of up to {_size(change.low, unit)} of accuracy is not excluded"


def _size(value: float, unit: str, sign: bool = False) -> str:
    shown = show(value, unit).replace("\u00a0points", " points")
    return shown if sign else shown.lstrip("+±−")


def _against(label: str, words: str, saving: Estimate, change: Estimate, comparison: Comparison) -> str:
    kind = _unit(comparison)
    apart = "" if label == BASE else f" ({words})"
    lossy = change.low is not None and change.high is not None and change.low < 0 <= change.high
    loss = f"; {loss_words(change, kind)}" if lossy else ""
    return (
        f"Against {label}{apart}: {show(saving, 'percent')} of the tokens saved, accuracy {show(change, kind)}{loss}."
    )


def _chosen_here(best: Standing, candidates: Sequence[Standing]) -> str:
    if len(candidates) < 2:
        return ""
    return (
        f"{best.label} was chosen among {len(candidates)} on these same problems, so its numbers are likelier too good "
        "than too bad."
    )


def _rival(found: Sequence[Standing]) -> str:
    """The best other method that was trained, beside the member that spends about as much."""
    rival = best_of([s for s in found if s.role is Role.BASELINE])
    family = [s for s in found if s.role is Role.FAMILY]
    if rival is None:
        return "" if not family else "No other method was trained beside it, so nothing is said about alternatives."
    near = min(family, key=lambda s: abs(s.tokens.value - rival.tokens.value), default=None)
    stands = f"{rival.label} spends {_stands(rival)}"
    if near is None:
        return f"No member of the family is here; the best of the rest, {stands}."
    alike = abs(near.tokens.value - rival.tokens.value) <= ALIKE * rival.tokens.value
    how = "At about equal tokens" if alike else "Nothing stands at equal tokens, so this is no fair comparison"
    return f"{how}: the best other method, {stands}; {near.label} spends {_stands(near)}."


def _stands(standing: Standing) -> str:
    spent, kept = show(standing.tokens.value, "percent"), show(standing.accuracy.value, "percent")
    return f"{spent} of the base's tokens and keeps {kept} of its accuracy"


def _money(comparison: Comparison, chosen: Contender, options: Options) -> str:
    base, dataset = comparison.base, comparison.datasets[0]
    if options.price is None or base is None:
        return ""
    found = [entry.overall("tokens") for entry in (base.entries[dataset], chosen.entries[dataset])]
    before, after = (show(0.0 if one is None else one.value * options.price, "tokens") for one in found)
    paid = training_money(contender_cost(chosen), options.price, options.gpu_hour)
    spent = "" if paid is None else f"; training it took {show(paid, 'small')} {options.currency}"
    return (
        f"At {options.price:g} {options.currency} a million tokens a million answers cost {before} {options.currency} "
        f"before and {after} {options.currency} after{spent}."
    )


# ---- what to mind


def warnings(comparison: Comparison, found: Sequence[Standing]) -> tuple[str, ...]:
    said: list[str] = []
    marked = [c.label for c in comparison.contenders if c.mark]
    if marked:
        said.append(f"Evaluated under another protocol, so shown and compared with nothing: {'; '.join(marked)}.")
    for dataset in comparison.datasets:
        view = comparison.on(dataset).view()
        told = (_cap(view), _unjudged(view), *judge_warnings(view), _unchecked(view))
        said += [f"{dataset}: {sentence}" for sentence in told if sentence]
        if view.entries[0].results[0].evaluation.summary.overall.problems == 1:
            said.append(f"{dataset} holds a single problem: nothing measured on it has an interval.")
        if dataset not in comparison.noise and comparison.base is not None:
            said.append(
                f"{dataset}: no noise floor, because the base was asked once a problem: repeat it, or use k > 1."
            )
    known = {s.label for s in found}
    others = [c for c in comparison.contenders if not c.mark and c.role not in (Role.BASE, Role.CUTOFF)]
    lacking = [c.label for c in others if c.label not in known]
    if comparison.base is None:
        said.append("No base was found, so nothing is compared with one: name it with --base.")
    elif lacking:
        said.append(f"Not evaluated on every data set of the base, so in no aggregate: {', '.join(lacking)}.")
    trained = [c for c in comparison.contenders if c.role in TRAINED and not c.mark]
    said += [f"{c.label}, in training: {told}." for c in trained for told in training_remarks(c.runs)]
    if any(len(c.runs) > 1 for c in comparison.contenders):
        said.append(
            f"Values over several {Unit.SEEDS} are means; the {Unit.SEEDS} stand in brackets where they are too few "
            "for an interval. Trends pair problems."
        )
    else:
        said.append("One seed a model: the intervals say what other problems would do, not another training run.")
    return tuple(said)


def _cap(view: View) -> str:
    cut = None if view.base is None else view.base.overall("truncated")
    if cut is None or cut.value < 0.01:
        return ""
    return (
        f"{show(cut, 'percent')} of the base's responses ran into the cap of "
        f"{view.protocol.max_new_tokens or 'unknown'} tokens: its mean length, and the saving, are lower bounds."
    )


def _unjudged(view: View) -> str:
    counts = {e.label: sum(r.evaluation.summary.overall.unjudged_responses for r in e.results) for e in view.entries}
    some = [f"{label} {count}" for label, count in counts.items() if count]
    return f"Responses that could not be judged, left out of every accuracy: {', '.join(some)}." if some else ""


def judge_warnings(view: View) -> list[str]:
    """The policy that counted, and what the judge said that is counted, of every evaluation on the page."""
    entries = [e for e in view.entries if e.role is not Role.CUTOFF]
    told = [f"{e.label}: {said}." for e in entries for r in e.results for said in r.evaluation.sentences()]
    return list(dict.fromkeys(told))


def training_remarks(runs: Sequence[Run]) -> list[str]:
    """What the judge said that is counted, over all steps of the runs of one setting."""
    steps = [step for run in runs for step in run.journal]
    restated = sum(step.responses * (step.restated or 0.0) for step in steps)
    cut = sum(step.responses * (step.cut or 0.0) for step in steps)
    return list(Remarks(round(restated), round(cut)).sentences(sum(step.responses for step in steps)))


def _unchecked(view: View) -> str:
    entries = [e for e in view.entries if e.role is not Role.CUTOFF]
    old = [e.label for e in entries if any(not is_checked(r.evaluation.path) for r in e.results)]
    return f"Evaluated by an earlier version, in whose files damage would not be seen: {', '.join(old)}." if old else ""
