"""The embedded reasoners: one for each embedded task, each a line in the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transformers import Qwen2Tokenizer

from tersely.toy import arithmetic, countdown, ordering
from tersely.toy.gate import Behaviours, Gate
from tersely.toy.settings import SftSettings, Shape
from tersely.toy.tokenizer import build_tokenizer, vocabulary
from tersely.toy.writing import Writing


@dataclass(frozen=True, slots=True)
class Reasoner:
    """How the reasoner of a task speaks, how it is made and what it must show."""

    words: Sequence[str]
    """The task's own, in the order of their ids."""
    behaviours: Behaviours
    """Counts in the text of a response."""
    shape: Shape
    settings: SftSettings
    gate: Gate

    def vocabulary(self, levels: bool) -> dict[str, int]:
        return vocabulary(self.words, levels)

    def tokenizer(self, levels: bool) -> Qwen2Tokenizer:
        return build_tokenizer(levels, self.words, self.shape.positions)


def _searcher(task: str, words: Sequence[str], behaviours: Behaviours, style: Writing, cap: int) -> Reasoner:
    """A reasoner of a task that is searched; ``cap``: tokens of a response at most. Its gate asks for a base that is
    neither lost nor done, and that has every habit which reinforcement learning may keep or drop."""
    return Reasoner(
        words=words,
        behaviours=behaviours,
        shape=Shape(hidden=128, feed_forward=256, layers=4, heads=4, kv_heads=2, positions=1024),
        settings=SftSettings(
            task=task,
            style=style,
            practice_steps=768,
            straight_steps=464,
            verbose_steps=1872,
            batch_tokens=2048,
            pool_steps=4,
            passes=4,
            learning_rate=3e-3,
            warmup_steps=100,
        ),
        gate=Gate(
            problems=400,
            max_new_tokens=cap,
            temperature=0.6,
            accuracy=0.40,
            most_accuracy=0.85,
            hardest=0.0,
            checks=0.0,
            tokens=230.0,
            truncated=0.03,
            habit=0.02,
        ),
    )


REASONERS: Mapping[str, Reasoner] = {
    "arithmetic": Reasoner(
        words=arithmetic.WORDS,
        behaviours=arithmetic.behaviours,
        shape=Shape(hidden=64, feed_forward=192, layers=2, heads=4, kv_heads=2),
        settings=SftSettings(),
        gate=Gate(),
    ),
    "countdown": _searcher("countdown", countdown.WORDS, countdown.behaviours, countdown.CountdownStyle(), cap=480),
    "ordering": _searcher("ordering", ordering.WORDS, ordering.behaviours, ordering.OrderingStyle(), cap=640),
}
