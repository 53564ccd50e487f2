"""Each departure from the family against the member of the same alpha, seed by seed on the same problems."""

from __future__ import annotations

from dataclasses import dataclass

from tersely.analysis import compare_paired
from tersely.compare.records import Comparison, Role
from tersely.errors import UserError
from tersely.records import Estimate
from tersely.report.measure import Entry, over_seeds


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


def ablations(comparison: Comparison) -> list[Ablation]:
    """Paired by seed and problem where both ran from the same base; departures without a counterpart are left out."""
    usual = {c.alpha: c for c in comparison.contenders if c.role is Role.FAMILY and not c.mark}
    found = []
    for contender in comparison.contenders:
        partner = usual.get(contender.alpha)
        if contender.role is not Role.ABLATION or partner is None or contender.mark:
            continue
        for dataset, entry in contender.entries.items():
            if dataset in partner.entries:
                saving, accuracy = _paired(partner.entries[dataset], entry)
                found.append(Ablation(contender.label, partner.label, dataset, saving, accuracy))
    return found


def _paired(usual: Entry, other: Entry) -> tuple[Estimate | None, Estimate | None]:
    """(token saving, accuracy difference) of ``other`` against ``usual`` over the pairs of one seed and base."""
    savings: list[Estimate | None] = []
    changes: list[Estimate | None] = []
    partners = {(r.seed, r.base_path): r for r in usual.results}
    for result in other.results:
        mate = partners.get((result.seed, result.base_path))
        if mate is None:
            continue
        try:
            block = compare_paired(mate.evaluation.responses(), result.evaluation.responses()).overall
        except UserError:
            # Other problems on one side: nothing to pair.
            continue
        savings.append(block.token_saving)
        changes.append(block.accuracy_difference)
    return over_seeds(savings), over_seeds(changes)
