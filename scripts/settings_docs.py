"""Makes docs/settings.md from the configuration's own docstrings; a test says when the page is stale."""

from __future__ import annotations

from pathlib import Path

from tersely.commands.list_settings import all_settings
from tersely.reference import as_markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
HEAD = """# Settings

Made from the configuration's docstrings by `python scripts/settings_docs.py`; `tersely settings [PATTERN]` prints the
same.

A setting is given as `--set NAME=VALUE`, or in a TOML recipe (`tersely train RECIPE.toml`), where a section is a table;
what stands later on the command line wins. `none` as a default says that nothing is set. Defaults are the paper's
(arXiv 2502.04463); recipes change some of them ([src/tersely/recipes](../src/tersely/recipes)). `tuning` belongs to
`tersely baseline` and `tersely distill`, which know `sampling` and the machine's part of `run` too.

```toml
model = "FOLDER"
task = "train.jsonl"

[objective]
alpha = 0.1

[run]
steps = 50
```
"""


def page() -> str:
    """The whole of docs/settings.md."""
    return f"{HEAD}\n{as_markdown(all_settings())}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
