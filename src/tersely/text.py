"""Make foreign text (model output, names, labels) safe to show: nothing invisible, nothing that acts."""

from __future__ import annotations

import html
import re
from pathlib import Path

from tersely.terminal import visible


def shorten(text: str, most: int) -> str:
    """Head and tail of a long text, with how much was left out between them."""
    if len(text) <= most:
        return text
    head, tail = most * 2 // 3, most // 3
    return f"{text[:head]}\n[… {len(text) - head - tail} characters left out …]\n{text[-tail:]}"


def shorten_line(text: str, most: int = 18) -> str:
    """One visible line of at most ``most`` characters."""
    line = " ".join(visible(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def markdown_cell(text: str) -> str:
    """A table cell: one line, no HTML, no markup characters that could act."""
    flat = " ".join(visible(text).split())
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", flat).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def from_markdown_cell(text: str) -> str:
    """What ``markdown_cell`` was given, but for its spacing: a terminal shows Markdown's backslashes as they are."""
    return html.unescape(re.sub(r"\\([\\`*_\[\]|~])", r"\1", text))


def markdown_block(text: str) -> str:
    """A fenced block whose fence is longer than any run of backticks inside."""
    clean = visible(text)
    longest = max((len(run) for run in re.findall(r"`+", clean)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{clean}\n{fence}"


def slug(name: str) -> str:
    """A name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "task"


def place(path: Path) -> str:
    """A path as a page shows it: from the working directory where it lies beneath it, since pages are passed on and the
    rest is nobody's business."""
    here, there = Path.cwd().resolve(), path.resolve()
    return str(there.relative_to(here)) if there.is_relative_to(here) else str(path)
