"""Hostile texts, and what a browser would make of a page."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

PAYLOADS = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "[click](javascript:alert(1)) ![x](http://evil.test/x.png)",
    "\u202egnp.exe\u202c \u2066hidden\u2069 \u200b zero",
    "{{ 7 * 7 }} {% include 'secret' %} ${7*7} #{7*7}",
    "</pre></article></main><style>*{display:none}</style>",
    "```\n# not a heading\n```` \n~~~",
    "]]> <!-- --> <![CDATA[ &lt;b&gt; &amp;",
    "nul \x00 bell \x07 esc \x1b[31m lone \ud800 end",
    "url(http://evil.test) @import 'http://evil.test'; expression(alert(1))",
    "| a | b |\n|---|---|\n=cmd|' /C calc'!A0",
    "$\\alpha$ $$ \\boxed{<b>1</b>}",
]


def blank_figures(patch: pytest.MonkeyPatch) -> None:
    """For pages whose words and tables are looked at: figures are not drawn and no mark is named, the slow parts."""
    blank = b'<svg viewBox="0 0 1 1"></svg>'
    patch.setattr("tersely.page.render.render_figure", lambda figure, endings: dict.fromkeys(endings, blank))
    patch.setattr("tersely.page.figure.place_labels", lambda figure, axes, spots: None)


class Page(HTMLParser):
    """Collects what a browser would make of the page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside: list[str] = []
        self.pre: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)
        if tag == "pre":
            self.pre.append("")

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if "pre" in self.inside:
            self.pre[-1] += data
