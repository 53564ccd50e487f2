"""Each departure from the family against the member of the same alpha, seed by seed on the same problems."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from tersely.page.block import Block, Options, file_name
from tersely.page.figure import INK, SOFT, bar_lengths, canvas
from tersely.page.records import Comparison, Role
from tersely.page.standings import gains, hidden
from tersely.page.words import say, table
from tersely.records import Estimate
from tersely.text import shorten_line


@dataclass(frozen=True, slots=True)
class Ablation:
    """One departure on one data set; the sign is that of departure against usual."""

    label: str
    against: str
    dataset: str
    saving: Estimate | None
    """Share of the usual setting's tokens saved."""
    accuracy: Estimate | None
    """Change of accuracy, a share."""


def block(comparison: Comparison, options: Options) -> Block | None:
    """Where the frontier leaves the departures out, their tokens and accuracy stand here too."""
    found, figure, caption = ablations(comparison), None, ""
    tables = [table("ablations", found)]
    for dataset in comparison.datasets if hidden(comparison, options.with_ablations) else ():
        name, title = f"ablations_overview_{file_name(dataset)}", f"Departures on {dataset}"
        entries = comparison.on(dataset).view(Role.ABLATION).entries
        tables.append(replace(table("ablations_overview", entries), name=name, title=title))
    if here := [ablation for ablation in found if ablation.dataset == comparison.datasets[0]]:
        figure, caption = _draw(here), say("ablations.caption", dataset=comparison.datasets[0])
    shown = tuple(one for one in tables if one.rows)
    return Block("ablations", "Ablations", (), figure, caption, shown) if shown else None


def ablations(comparison: Comparison) -> list[Ablation]:
    """Paired by seed and problem where both ran from the same base; departures without a counterpart are left out."""
    usual = {c.alpha: c for c in comparison.contenders if c.is_member}
    found = []
    for contender in comparison.contenders:
        partner = usual.get(contender.alpha)
        if contender.role is Role.ABLATION and partner is not None and not contender.mark:
            for dataset in (d for d in contender.entries if d in partner.entries):
                pair = gains(contender.entries[dataset], partner.entries[dataset])
                found.append(Ablation(contender.label, partner.label, dataset, *pair))
    return found


def _draw(found: Sequence[Ablation]) -> Figure:
    """Tokens and accuracy, with intervals; the names stand above their lines, where a phone has room for them."""
    figure, panels = canvas(0.9 + 0.52 * len(found), 1, 2, sharey=True)
    for axes, key, title in zip(panels, ("saving", "accuracy"), ("tokens saved, %", "accuracy, points"), strict=True):
        for place, one in enumerate(found):
            if (value := getattr(one, key)) is not None:
                axes.errorbar(value.value * 100, -place, xerr=bar_lengths([value], 100), marker="o", color=INK,
                              markersize=5, elinewidth=1.1, capsize=2.5)  # fmt: skip
        axes.axvline(0, color=SOFT, linewidth=0.9)
        axes.set_title(title)
        axes.grid(False, axis="y")
        axes.tick_params(left=False, labelleft=False)
    for place, one in enumerate(found):
        panels[0].annotate(shorten_line(one.label, 52), (0.01, 0.3 - place), xycoords=("axes fraction", "data"),
                           va="center", zorder=6, annotation_clip=False)  # fmt: skip
    panels[0].set_ylim(0.5 - len(found), 0.6)
    return figure
