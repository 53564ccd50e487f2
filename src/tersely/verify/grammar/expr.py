"""A small grammar of scalar expressions: cleaned LaTeX (or plain text) to a tree, without evaluating anything.

The grammar is an allow-list: numbers, letters with subscripts, + - * / ^, fractions, roots, absolute values, floors,
factorials, binomials, elementary functions, pi, e, i, infinity. What is not on it raises ``Unparsed``; what nests or
grows beyond any final answer raises ``Refused``. Nodes are tuples ``(name, *children)``; recursion depth and number
of nodes are bounded, so parsing is linear and cannot blow up.

Conventions: ``2\\frac{1}{2}`` and ``2 1/2`` are mixed numbers, ``1/2x`` is ``(1/2)x``, ``-x^2`` is ``-(x^2)``,
``\\sin 2x`` is ``sin(2x)``, ``\\sin^{-1}`` is arcsin, ``\\log`` without a base is the natural one on both sides.
"""

from __future__ import annotations

from fractions import Fraction

from tersely.verify.grammar.series import SERIES, read_decorated, read_series
from tersely.verify.grammar.tokens import (
    CONSTANTS,
    DECORATIONS,
    FUNCTIONS,
    GREEK,
    INVERSE,
    MAX_TOKENS,
    OPENERS,
    Node,
    Refused,
    Unparsed,
    tokens,
)

MAX_DEPTH = 40
MAX_LINKS = 150
"""Sums, products and powers in one expression; with the depth it bounds every recursion over a tree."""
MAX_NUMBER = 400


class Parser:
    """Recursive descent over ``tokens``; ``parse`` reads one whole expression."""

    def __init__(self, text: str) -> None:
        self.items = tokens(text)
        self.at = 0
        self.depth = 0
        self.bars = 0
        self.links = 0

    def parse(self) -> Node:
        node = self.sum()
        if self.at != len(self.items):
            raise Unparsed(f"unexpected {self.items[self.at]!r}")
        return node

    def peek(self, ahead: int = 0) -> str:
        return self.items[self.at + ahead] if self.at + ahead < len(self.items) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise Unparsed(f"{token or 'the end'!r} where {expected or 'more'} was expected")
        self.at += 1
        return token

    def link(self, name: str, *children: Node) -> Node:
        self.links += 1
        if self.links > MAX_LINKS:
            raise Refused("longer than any final answer")
        return (name, *children)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Refused("nested deeper than any final answer")

    def sum(self) -> Node:
        node = self.product()
        while self.peek() in ("+", "-"):
            name = "add" if self.take() == "+" else "sub"
            node = self.link(name, node, self.product())
        return node

    def product(self) -> Node:
        node = self.signed()
        while True:
            token = self.peek()
            if token in ("*", "/"):
                self.take()
                node = self.link("mul" if token == "*" else "div", node, self.signed())
            elif self.starts_factor():
                previous = self.items[self.at - 1]
                if token[0].isdecimal() and (previous[-1].isalnum() or previous == "!"):
                    raise Refused("a number right after a number or a letter")
                node = self.link("mul", node, self.power())
            else:
                return node

    def starts_factor(self) -> bool:
        token = self.peek()
        if token == "|":
            return self.bars == 0
        if token.startswith("\\"):
            return token in CONSTANTS or token[1:] in OPENERS
        return bool(token) and (token[0].isalnum() or token[0] == "." or token in ("(", "{", "["))

    def signed(self) -> Node:
        negative = False
        while self.peek() in ("+", "-"):
            negative ^= self.take() == "-"
        node = self.power()
        return ("neg", node) if negative else node

    def power(self) -> Node:
        node = self.postfix()
        if self.peek() != "^":
            return node
        self.take()
        return self.finish(("pow", node, self.exponent()))

    def exponent(self) -> Node:
        """A braced group, or one signed token and its own tower (plain ``2^-3``, ``9^9^9``)."""
        self.deeper()
        negative = self.peek() == "-" and bool(self.take())
        node = self.primary()
        if self.peek() == "^":
            self.take()
            node = ("pow", node, self.exponent())
        self.depth -= 1
        return ("neg", node) if negative else node

    def postfix(self) -> Node:
        return self.finish(self.primary())

    def finish(self, node: Node) -> Node:
        while self.peek() in ("!", "\\deg", "%"):
            token = self.take()
            if token == "!" and node[0] == "fact":
                raise Refused("a factorial of a factorial")
            node = self.link({"!": "fact", "\\deg": "deg", "%": "percent"}[token], node)
        return node

    def number(self, text: str) -> Node:
        if len(text) > MAX_NUMBER:
            raise Refused("a number of more digits than any final answer")
        return ("num", Fraction(int(text) if text.isdecimal() else text))

    def primary(self) -> Node:
        self.deeper()
        node = self.atom()
        self.depth -= 1
        return node

    def atom(self) -> Node:
        token = self.take()
        if token[0].isdecimal() or (token[0] == "." and len(token) > 1):
            return self.mixed(token)
        if token in ("(", "{", "["):
            node = self.sum()
            self.take({"(": ")", "{": "}", "[": "]"}[token])
            return node
        if token == "|":
            return self.absolute()
        if token.isalpha():
            return self.symbol(token)
        if token in CONSTANTS:
            return ("const", CONSTANTS[token])
        if token.startswith("\\"):
            return self.command(token[1:])
        raise Unparsed(f"unexpected {token!r}")

    def absolute(self) -> Node:
        if self.bars:
            raise Unparsed("nested absolute values")
        self.bars += 1
        node = self.sum()
        self.take("|")
        self.bars -= 1
        return ("abs", node)

    def mixed(self, token: str) -> Node:
        """A number; with a proper fraction of whole numbers right behind it, a mixed number."""
        whole = self.number(token.rstrip("."))
        if self.peek() == "_":
            raise Unparsed("a number with a base")
        if self.peek() == "\\overline" or not token.isdecimal():
            return self.repeating(token) if self.peek() == "\\overline" else whole
        start = self.at
        if self.peek() == "\\frac":
            self.take()
            top, bottom = self.argument(), self.argument()
            if top[0] == bottom[0] == "num" and 0 < top[1] < bottom[1] and top[1].denominator == 1:
                return ("add", whole, ("div", top, bottom))
        elif self.peek().isdecimal() and self.peek(1) == "/" and self.peek(2).isdecimal():
            top, bottom = self.number(self.take()), self.number(self.items[self.at + 1])
            if 0 < top[1] < bottom[1]:
                self.at += 2
                return ("add", whole, ("div", top, bottom))
            raise Refused("two numbers in a row")
        self.at = start
        return whole

    def repeating(self, token: str) -> Node:
        """``0.1\\overline{6}``: the repeating part after the digits so far."""
        if "." not in token:
            raise Unparsed("an overline after a whole number")
        self.take()
        digits = self.items[self.at + 1] if self.peek() == "{" and self.peek(2) == "}" else self.peek()
        self.at += 3 if self.peek() == "{" else 1
        if not digits.isdecimal() or len(digits) > MAX_NUMBER:
            raise Unparsed("an overline over no digits")
        places = len(token.partition(".")[2])
        return ("num", Fraction(token.rstrip(".")) + Fraction(int(digits), (10 ** len(digits) - 1) * 10**places))

    def symbol(self, token: str) -> Node:
        name = token
        if self.peek() == "_":
            self.take()
            name += "_" + self.subscript()
        if self.peek() in ("'", "`"):
            raise Unparsed("a prime")
        return ("const", token) if name in ("e", "i") else ("sym", name)

    def subscript(self) -> str:
        if self.peek() != "{":
            return self.take()
        self.take()
        parts = []
        while self.peek() not in ("}", ""):
            parts.append(self.take())
        self.take("}")
        if not all(part.isalnum() or part == "," for part in parts):
            raise Unparsed("an expression in a subscript")
        return "".join(parts)

    def argument(self) -> Node:
        """What a command takes: a braced group or one token (of a longer number its first digit)."""
        token = self.peek()
        if token == "{":
            return self.primary()
        if token.isdecimal() and len(token) > 1:
            self.items[self.at : self.at + 1] = [token[0], token[1:]]
            return self.number(self.take())
        if token.isdecimal():
            return self.number(self.take())
        return self.primary()

    def command(self, name: str) -> Node:
        if name in GREEK:
            return self.symbol("\\" + name)
        if name in SERIES:
            return read_series(self, name)
        if name in DECORATIONS:
            return read_decorated(self, name)
        if name in ("frac", "binom"):
            return ("div" if name == "frac" else "binom", self.argument(), self.argument())
        if name == "sqrt":
            return self.root()
        if name in ("lfloor", "lceil"):
            node = self.sum()
            self.take("\\rfloor" if name == "lfloor" else "\\rceil")
            return ("fn", "floor" if name == "lfloor" else "ceil", node)
        if name in FUNCTIONS or name in ("asin", "acos", "atan"):
            return self.function(name if not name.startswith("a") or name.startswith("arc") else "arc" + name[1:])
        if name == "infinity":
            return ("const", "inf")
        if name == "pi":
            return ("const", "pi")
        raise Unparsed(f"\\{name}")

    def root(self) -> Node:
        index: Node = ("num", Fraction(2))
        if self.peek() == "[":
            self.take()
            index = self.sum()
            self.take("]")
        inner = self.primary() if self.peek() in ("{", "(") else self.argument()
        return ("root", inner, index)

    def function(self, name: str) -> Node:
        base: Node | None = None
        power: Node | None = None
        while self.peek() in ("_", "^"):
            if self.take() == "_":
                base = self.argument()
            else:
                power = self.argument() if self.peek() != "-" else self.exponent()
        if power == ("neg", ("num", Fraction(1))) and name in INVERSE:
            name, power = INVERSE[name], None
        node: Node = ("fn", name, self.function_argument())
        if name in ("log", "lg", "ln") and base is not None:
            node = ("div", node, ("fn", name, base))
        return ("pow", node, power) if power is not None else node

    def function_argument(self) -> Node:
        """Parentheses, or the product up to the next sign or function (``\\sin 2x \\cos x``)."""
        if self.peek() in ("(", "{", "["):
            return self.finish(self.primary())
        self.deeper()
        if self.peek() == "-":
            self.take()
            node = ("neg", self.function_argument())
            self.depth -= 1
            return node
        node = self.power()
        while self.starts_factor() and self.peek() not in ("(", "[") and self.peek()[1:] not in FUNCTIONS:
            node = self.link("mul", node, self.power())
        self.depth -= 1
        return node


def parse(text: str) -> Node:
    """Tree of a cleaned scalar expression. Raises Unparsed or Refused, nothing else."""
    if len(text) > 4 * MAX_TOKENS:
        raise Refused("longer than any final answer")
    if text[:1].isdecimal() and text.isdecimal():
        if len(text) > MAX_NUMBER:
            raise Refused("a number of more digits than any final answer")
        return ("num", Fraction(int(text)))
    try:
        return Parser(text).parse()
    except (IndexError, ZeroDivisionError) as error:
        raise Unparsed("an expression that ends too early") from error


def symbols(node: Node) -> frozenset[str]:
    """Names of the variables in a tree."""
    if node[0] == "sym":
        return frozenset((node[1],))
    if node[0] in SERIES:
        return symbols(node[1]) | symbols(node[2]) | (symbols(node[3]) - {node[4]})
    children = [child for child in node[1:] if isinstance(child, tuple) and child[0] not in ("num", "const")]
    return frozenset().union(*map(symbols, children))
