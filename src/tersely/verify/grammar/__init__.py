"""What final answers mean, without sympy: one face for everything outside this folder.

``clean`` gives the one LaTeX spelling of what was typed and ``key`` the string whose equality means "typed again";
``number`` reads a cleaned plain number. ``read`` gives the form of an answer, and ``equal`` whether two forms agree.
"""

from tersely.verify.grammar import forms, identities, normalise, units
from tersely.verify.grammar.equality import SEVERAL, equal
from tersely.verify.grammar.evaluated import restates
from tersely.verify.grammar.forms import read
from tersely.verify.grammar.normalise import CACHED, as_list, clean, key, matching, number
from tersely.verify.grammar.scalars import Form
from tersely.verify.grammar.tokens import Refused, Undefined, Unparsed
from tersely.verify.grammar.values import is_real, rational


def forget() -> None:
    """Empty the kept readings, so that a measurement starts cold."""
    for kept in (forms._cached, identities._kept_point, normalise._clean, normalise._key, units.read):
        kept.cache_clear()


__all__ = [
    "CACHED",
    "SEVERAL",
    "Form",
    "Refused",
    "Undefined",
    "Unparsed",
    "as_list",
    "clean",
    "equal",
    "forget",
    "is_real",
    "key",
    "matching",
    "number",
    "rational",
    "read",
    "restates",
]
