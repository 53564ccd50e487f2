"""Columns of tables about entries."""

from __future__ import annotations

from tersely.table import Column


def overall(key: str, title: str, kind: str, *path: str | int) -> Column:
    """A quantity of an entry, by its place in the summary."""
    return Column(key, title, kind, lambda entry: entry.overall(*(path or (key,))))


def gained(key: str, title: str, kind: str) -> Column:
    """A quantity of an entry against its base."""
    return Column(key, title, kind, lambda entry: entry.gain(key))


MODEL = Column("model", "Model", get=lambda row: str(row.label))
DATASET = Column("dataset", "Data set")
TOKENS, ACCURACY = overall("tokens", "Tokens", "tokens"), overall("accuracy", "Accuracy", "percent")
SAVING = gained("token_saving", "Saved against base", "percent")
CHANGE = gained("accuracy_difference", "Accuracy against base, points", "change")
