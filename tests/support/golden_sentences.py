"""Sentences of refusal, one a line of tests/data/refused_by_engines.txt: what was asked | what is said."""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).parents[1] / "data/refused_by_engines.txt"


def golden_sentence(asked: str) -> str:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" | ", 1) for line in lines)[asked]
