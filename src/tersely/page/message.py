"""What the page says first: the message that a manager understands, how sure it is, what it costs, what to mind."""

from collections.abc import Sequence
from dataclasses import dataclass

from tersely.analysis.seeds import SeedMean, scaled
from tersely.analysis.strata import stratified
from tersely.page.block import Options
from tersely.page.cost import search_cost
from tersely.page.records import TOLD, TRAINED, Comparison, Contender, Role, View
from tersely.page.standings import Standing, best_of, choose, gains, spends, standings
from tersely.page.words import say
from tersely.records import Estimate
from tersely.runs.json_file import is_checked
from tersely.table import show
from tersely.verify.summary import Remarks

TOY_TASKS = {"arithmetic": "made-up sums", "countdown": "made-up number games", "ordering": "made-up puzzles"}
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
    told, (who, what) = warnings(comparison, options.found), _who_and_what(comparison)
    free = reference is not None and reference.role is Role.FAMILY
    against = standings(comparison, reference) if free else options.found
    # The family; without one what else was trained; without that everything.
    groups = ((Role.FAMILY,), (Role.EFFORT, Role.ABLATION, Role.BASELINE), tuple(Role))
    candidates = next((some for roles in groups if (some := [s for s in against if s.role in roles])), [])
    best, given_up = choose(candidates)
    if reference is None or best is None:
        return Message(say("message.nothing" if reference else "message.no_base"), (what,), told, None)
    chosen = next(c for c in comparison.contenders if c.label == best.label)
    lead = [what, f"This is {best.label}." + (f" {say('message.alpha')}" if best.alpha is not None else "")]
    saving, change = _gained(comparison, best, chosen, reference)
    untrained = base is not None and chosen.runs == base.runs  # only asked or decoded otherwise
    before = say("message.as_it_is" if untrained else "message.base")
    unit = "points" if len(comparison.datasets) == 1 else "relative"
    lead.append(_against(f"{reference.label} ({say('message.free')})" if free else before, saving, change, unit))
    if base is not None and reference is not base:
        own = next((s for s in options.found if s.label == best.label), best)
        lead.append(_against(before, *_gained(comparison, own, chosen, base), unit))
    searched = say("message.chosen", label=best.label, count=len(candidates)) if len(candidates) > 1 else ""
    lead += [given_up, searched, _rival(options.found), _money(comparison, chosen, options)]
    headline = say(
        "message.headline", who=who, saving=show(abs(saving.value), "percent"),
        fewer="fewer" if saving.value >= 0 else "more", loss=loss_words(change, unit),
        reference=say("message.free") if free else before if untrained else "before training",
    )  # fmt: skip
    return Message(headline, tuple(s for s in lead if s), told, best.label)


def _gained(found: Comparison, standing: Standing, chosen: Contender, against: Contender) -> tuple[Estimate, Estimate]:
    """(tokens saved, change of accuracy): points on one data set, shares of the reference's mean over several."""
    dataset = found.datasets[0]
    saving, change = gains(chosen.entries[dataset], against.entries[dataset])
    if len(found.datasets) > 1 or saving is None or change is None:
        return scaled(standing.tokens, -1.0, 1.0), scaled(standing.accuracy, 1.0, -1.0)
    return saving, change


def _who_and_what(comparison: Comparison) -> tuple[str, str]:
    """Model and task in words for who knows neither: as the headline's subject, and as a sentence."""
    base, datasets = comparison.base, comparison.datasets
    toy = base is not None and all(run.kind == "base" for run in base.runs)
    name = "The model is named under How this was made" if base is None else f"The model is {base.runs[0].name}"
    asked = TOY_TASKS.get(datasets[0], datasets[0]) if len(datasets) == 1 else f"{len(datasets)} data sets"
    who = f"{'A toy model' if base is None or toy else base.runs[0].name} answers {asked}"
    task = f"{TOY_TASKS[datasets[0]]} (task {datasets[0]})" if datasets[0] in TOY_TASKS else ", ".join(datasets)
    summary = next(iter(comparison.contenders[0].entries.values())).first.evaluation.summary
    counts = {"problems": summary.overall.problems, "k": summary.k}
    return who, say("message.what", model=say("message.toy") if toy else name, task=task, **counts)


def loss_words(change: Estimate, unit: str) -> str:
    """What happened to accuracy, and the largest loss that the measurement does not exclude."""

    def signed(value: float) -> str:
        return show(value, unit).replace("\u00a0points", " points")

    size, mean = signed(change.value).lstrip("+±−"), signed(change.value)
    if isinstance(change, SeedMean) and change.low is None:
        return say("message.few_seeds", mean=mean, count=change.n, worst=signed(min(change.seeds)))
    if change.low is None or change.high is None:
        return say("message.no_interval", mean=mean, why=change.method)
    worst = signed(change.low).lstrip("+±−")
    if change.low >= 0:
        return say("message.rises" if change.value > 0 else "message.stays", size=size)
    return say("message.falls" if change.high < 0 else "message.not_excluded", size=size, worst=worst)


def _against(whom: str, saving: Estimate, change: Estimate, unit: str) -> str:
    lossy = change.low is not None and change.high is not None and change.low < 0 <= change.high
    parts = {"whom": whom, "saving": show(saving, "percent"), "change": show(change, unit)}
    return say("message.against_lossy" if lossy else "message.against", **parts, loss=loss_words(change, unit))


def _rival(found: Sequence[Standing]) -> str:
    """The best other method that was trained, beside the member that spends about as much."""
    rival, family = best_of([s for s in found if s.role is Role.BASELINE]), [s for s in found if s.role is Role.FAMILY]
    if rival is None:
        return say("message.no_rival") if family else ""
    if not family:
        return say("message.no_member", rival=spends(rival))
    near = min(family, key=lambda s: abs(s.tokens.value - rival.tokens.value))
    alike = abs(near.tokens.value - rival.tokens.value) <= ALIKE * rival.tokens.value
    return say("message.rival_alike" if alike else "message.rival_apart", rival=spends(rival), near=spends(near))


def _money(comparison: Comparison, chosen: Contender, options: Options) -> str:
    """What answers and training cost; without a price, how many answers save what training took."""
    base, dataset, price = comparison.base, comparison.datasets[0], options.price
    count, cost = search_cost(comparison, chosen)
    if base is None:
        return ""
    if price is None:
        saved = chosen.entries[dataset].gain("token_difference")
        if not cost.tokens or saved is None or saved.value >= 0:
            return ""
        what = "it" if count == 1 else f"the family of {count}, to choose it,"
        return say("message.trained", what=what, tokens=cost.tokens, answers=cost.tokens / -saved.value)
    found = [entry.overall("tokens") for entry in (base.entries[dataset], chosen.entries[dataset])]
    before, after = (show(0.0 if one is None else one.value * price, "tokens") for one in found)
    paid = cost.money(price, options.gpu_hour)
    name = "message.money" if paid is None else "message.money_trained" if count == 1 else "message.money_searched"
    parts = {"price": price, "currency": options.currency, "before": before, "after": after, "count": count}
    return say(name, **parts, paid=show(paid, "small"))


def warnings(comparison: Comparison, found: Sequence[Standing]) -> tuple[str, ...]:
    """What weakens the numbers of the page, each a sentence."""
    everyone = comparison.contenders
    unmarked = [c for c in everyone if not c.mark]
    said: list[str] = []
    if marked := [c.label for c in everyone if c.mark]:
        said.append(say("mind.marked", labels="; ".join(marked)))
    for dataset in comparison.datasets:
        view = comparison.on(dataset).view()
        said += [f"{dataset}: {sentence}" for sentence in _of_set(view, comparison)]
        if view.entries[0].first.evaluation.summary.overall.problems == 1:
            said.append(say("mind.single", dataset=dataset))
    known = {s.label for s in found}
    left_out = [c for c in unmarked if c.role not in (Role.BASE, Role.CUTOFF) and c.label not in known]
    if comparison.base is None:
        said.append(say("mind.no_base"))
    for reason, everywhere in (("mind.lacking", False), ("mind.no_ratio", True)):
        labels = [c.label for c in left_out if (set(comparison.datasets) <= set(c.entries)) is everywhere]
        said += [say(reason, labels=", ".join(labels))] if labels and comparison.base is not None else []
    for contender in (c for c in unmarked if c.role in TRAINED):
        # What the judge said that is counted, over all steps of the runs of one setting.
        steps = [step for run in contender.runs for step in run.journal]
        restated = round(sum(step.responses * (step.restated or 0.0) for step in steps))
        stopped = round(sum(step.responses * (step.cut or 0.0) for step in steps))
        told = Remarks(restated, stopped).sentences(sum(step.responses for step in steps))
        said += [say("mind.in_training", label=contender.label, told=sentence) for sentence in told]
    return (*said, say("mind.seeds" if any(len(c.runs) > 1 for c in everyone) else "mind.one_seed"))


def _of_set(view: View, comparison: Comparison) -> list[str]:
    """What one data set warns of."""
    said, cut = [], None if view.base is None else view.base.overall("truncated")
    if cut is not None and cut.value >= 0.01:
        said.append(say("mind.cap", share=show(cut, "percent"), cap=view.protocol.max_new_tokens or "unknown"))
    unjudged = {e.label: sum(r.evaluation.summary.overall.unjudged_responses for r in e.results) for e in view.entries}
    if lost := [f"{label} {count}" for label, count in unjudged.items() if count]:
        said.append(say("mind.unjudged", counts=", ".join(lost)))
    said += judge_warnings(view)
    told = [e for e in view.entries if e.role in TOLD]
    if old := [e.label for e in told if any(not is_checked(r.evaluation.path) for r in e.results)]:
        said.append(say("mind.unchecked", labels=", ".join(old)))
    if exact := stratified(view.protocol):
        said.append(say("mind.stratified", what=exact))
    if not comparison.noise[view.dataset] and comparison.base is not None:
        said.append(say("mind.no_noise"))
    return said


def judge_warnings(view: View) -> list[str]:
    """The policy that counted, and what the judge said that is counted, of every evaluation on the page."""
    told = [(e.label, r.evaluation.sentences()) for e in view.entries if e.role in TOLD for r in e.results]
    return list(dict.fromkeys(f"{label}: {sentence}." for label, sentences in told for sentence in sentences))
