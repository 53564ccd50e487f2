"""How to install one of our optional extras, as the package stands on this machine."""

from __future__ import annotations

import json
import re
import shlex
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

NAME = "tersely"


def install_command(extra: str) -> str:
    """The command that adds the extra ("vllm") to this very installation.

    Where the package came from is what its installer wrote down (direct_url.json, packaging.python.org, "Recording the
    Direct URL Origin of installed distributions"): a clone, a wheel, a repository; nothing for a package index.
    """
    try:
        installed = distribution(NAME)
    except PackageNotFoundError:  # run from its source, PYTHONPATH=src
        return _editable(Path(__file__).parents[2], extra)
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    url = str(origin.get("url", ""))
    if not url:
        return f"pip install '{NAME}[{extra}]'"
    if not url.startswith("file:"):
        return _remote(origin, url, extra)
    path = Path(url2pathname(urlsplit(url).path))
    if not path.exists():
        return _requirements(installed, extra)
    is_editable = origin.get("dir_info", {}).get("editable", False)
    return _editable(path, extra) if is_editable else f"pip install {shlex.quote(f'{path}[{extra}]')}"


def _editable(clone: Path, extra: str) -> str:
    return f"pip install -e {shlex.quote(f'{clone}[{extra}]')}"


def _remote(origin: dict[str, Any], url: str, extra: str) -> str:
    """From a repository at the commit that is installed, or from a file on the web."""
    vcs = origin.get("vcs_info")
    where = f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else url
    return f"pip install {shlex.quote(f'{NAME}[{extra}] @ {where}')}"


def _requirements(installed: Distribution, extra: str) -> str:
    """What the extra asks for, by itself: the clone or wheel that the package came from is gone."""
    marker = re.compile(rf"""extra\s*==\s*['"]{re.escape(extra)}['"]""")
    asked = [line.partition(";")[0].strip() for line in installed.requires or [] if marker.search(line)]
    return f"pip install {' '.join(map(shlex.quote, asked))}"
