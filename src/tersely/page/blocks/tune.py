"""One `tersely tune`: the path of alpha, the frontier that its run traced, the floors, and what was chosen."""

from matplotlib.axes import Axes

from tersely.page import figure as drawing
from tersely.page.block import Block
from tersely.page.message import Message
from tersely.page.words import say, table
from tersely.tune.found import Tuned

MARKS = drawing.LOOKS["tune"]
"""Kind of a measured model -> marker, edge, face, size."""
ASKED = MARKS["chosen"][1]


def message(found: Tuned) -> Message:
    """Each certificate as it was told: the first sentence of the first is the headline."""
    run = say("tune.run", steps=len(found.run.journal), tokens=found.cost.sampled or 0.0, measured=len(found.way))
    first, *others = found.answers
    lead = (first.further, *(other.sentence for other in others), run)
    return Message(first.headline, lead, (say("tune.holds"), say("mind.one_seed")), None)


def block(found: Tuned) -> Block:
    figure, (above, below) = drawing.canvas(6.2, 2, height_ratios=(1.5, 3.4))
    above.plot(*zip(*found.alphas, strict=True), color=drawing.INK, linewidth=1.4)
    above.set(xlabel="step", title="α of every step", ylim=(0, None))
    _frontier(below, found)
    drawing.legend_below(figure, below)
    chosen = [one for one in found.seen if one.kind == "chosen"]
    drawing.place_labels(figure, below, [(one.tokens, 100 * one.accuracy, one.member, ASKED) for one in chosen])
    return Block("tune", "What one run traced", (), figure, say("tune.caption"), (table("tune", found.seen),))


def _frontier(axes: Axes, found: Tuned) -> None:
    """Checkpoints joined in their order, and a dashed line for everything that was asked for."""
    xs, ys = zip(*((one.tokens, 100 * one.accuracy) for one in found.way), strict=True)
    axes.plot(xs, ys, color=drawing.SOFT, linewidth=0.6, zorder=1)
    for kind, (marker, edge, face, size) in MARKS.items():
        if places := [(one.tokens, 100 * one.accuracy) for one in found.seen if one.kind == kind]:
            axes.plot(*zip(*places, strict=True), linestyle="", marker=marker, color=edge, markerfacecolor=face,
                      markersize=size, label=kind, zorder=3)  # fmt: skip
    for floor in found.floors:
        axes.axhline(100 * floor, color=ASKED, linewidth=0.9, linestyle="--")
    for tokens in found.lengths:
        axes.axvline(tokens, color=ASKED, linewidth=0.9, linestyle="--")
    axes.set(xlabel="mean tokens a response", ylabel="accuracy, %")
