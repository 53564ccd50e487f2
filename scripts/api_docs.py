"""Makes docs/api.md from the public docstrings; a test says when the page is stale."""

from __future__ import annotations

import enum
import inspect
from pathlib import Path

import tersely

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
HEAD = """# The public face

Made from the docstrings by `python scripts/api_docs.py`. `import tersely` is light; torch is loaded by the first call
that needs it. Names that are not here are the house's own and may change.
"""
GROUPS = {
    "Training and measuring": ("train", "evaluate", "sweep", "load_run", "RunResult", "Evaluation"),
    "A model behind a server": ("endpoint_at", "Endpoint"),
    "The parts alone": ("Objective", "Judge"),
    "Records": ("Problem", "Rollout", "Verdict", "Status", "Group", "Credit", "StepRecord", "Estimate"),
    "Statistics": ("clustered_mean", "clustered_rate", "paired_difference", "paired_ratio", "paired_saving"),
    "Errors": ("TerselyError", "UserError", "RunError", "HealthError", "StorageError"),
}


def page() -> str:
    """The whole of docs/api.md."""
    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(tersely.__all__), "every public name belongs in exactly one group"
    parts = [HEAD]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [entry(name, getattr(tersely, name)) for name in names]
    return "\n".join(parts)


def entry(name: str, thing: object) -> str:
    """One public name: signature, docstring, public methods of a class."""
    lines = [f"### `{name}`\n", "```python", signature(name, thing), "```\n", _doc(thing), ""]
    if inspect.isclass(thing) and not issubclass(thing, enum.Enum | BaseException):
        for method, value in vars(thing).items():
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if method.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
                continue
            shown = method if isinstance(value, property) else f"{method}{spelled(function)}"
            lines += [f"- `{name}.{shown}`: {_first_sentence(function)}"]
        lines.append("")
    return "\n".join(lines)


def signature(name: str, thing: object) -> str:
    """As a person would call it; the members of an enumeration, the bases of an exception."""
    if inspect.isclass(thing) and issubclass(thing, enum.Enum):
        return f"{name}: " + ", ".join(member.name for member in thing)
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        return f"class {name}({', '.join(base.__name__ for base in thing.__bases__)})"
    return f"{name}{spelled(thing)}"


def spelled(thing: object) -> str:
    """Parameters and what comes back, on one line or, where that is long, a line each."""
    found = inspect.signature(thing)  # type: ignore[arg-type]
    words: list[str] = []
    for parameter in found.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        words.append(_parameter(parameter))
    back = found.return_annotation
    gives = "" if back in (found.empty, None, "None") or inspect.isclass(thing) else f" -> {_plain(back)}"
    line = f"({', '.join(words)}){gives}"
    return line if len(line) < 100 else "(\n    " + ",\n    ".join(words) + f",\n){gives}"


def _parameter(parameter: inspect.Parameter) -> str:
    kind = "" if parameter.annotation is parameter.empty else f": {_plain(parameter.annotation)}"
    if parameter.default is parameter.empty or "factory" in repr(parameter.default):
        return f"{parameter.name}{kind}"
    return f"{parameter.name}{kind} = {parameter.default!r}"


def _plain(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _doc(thing: object) -> str:
    return inspect.cleandoc(thing.__doc__ or "")


def _first_sentence(function: object) -> str:
    return _doc(function).split("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
