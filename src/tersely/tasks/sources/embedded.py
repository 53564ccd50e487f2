"""Tasks that are made here, problem by problem: no file, no network. One file a task, and one line in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tersely.records import Problem
from tersely.tasks.sources import Split
from tersely.tasks.sources.arithmetic import arithmetic_problems


@dataclass(frozen=True, slots=True)
class EmbeddedTask:
    """A task that can make any number of problems.

    Example: ``EmbeddedTask(arithmetic_problems, {"train": 3200, "held_out": 600}, {"train": 1, "held_out": 2})``
    """

    generate: Callable[[Split, int, int], list[Problem]]
    """(split, how many, seed) -> that many different problems, the same for the same seed; no problem in two splits."""
    sizes: Mapping[Split, int]
    """How many where nobody says."""
    seeds: Mapping[Split, int]
    """Fixed, so that everybody's numbers are of the same problems."""
    stratified: str = ""
    """What every set holds in exact shares instead of by chance, in words; empty where problems are drawn freely."""

    def load(self, split: Split, size: int | None) -> list[Problem]:
        return self.generate(split, self.sizes[split] if size is None else size, self.seeds[split])


EMBEDDED_TASKS: Mapping[str, EmbeddedTask] = {
    # Tuned on held-out problems of another seed.
    "arithmetic": EmbeddedTask(
        arithmetic_problems,
        sizes={"train": 3200, "held_out": 600},
        seeds={"train": 1, "held_out": 97_112_358},
        stratified="its levels, and within each of them its exceptions",
    ),
}
