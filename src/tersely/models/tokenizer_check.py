"""Whether the tokenizer that transformers made of a folder does what the folder's tokenizer.json says.

The class that transformers picks may overrule the file (Llama's drops the spaces of a byte-level vocabulary, Qwen2's
splits numbers its own way), and a model would be trained on prompts that it was never taught to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from tokenizers import Tokenizer

from tersely.errors import UserError
from tersely.records import JsonObject
from tersely.tasks.chat import chat_text

FILE = "tokenizer.json"
PROBES = (
    "What is 12 + 3456? Then x = 7,890.01.",
    "So \\[ \\frac{a_1}{b^{2}} \\le \\boxed{42} \\] holds.",
    "naïve Größe, 数学, π ≈ 3.14, 😀 it's",
    "one  two\n\n   three\tfour\n",
)


_FOUND = "_tersely_check"


@dataclass(frozen=True, slots=True)
class TokenizerCheck:
    """What was found when a tokenizer was loaded.

    Example: ``TokenizerCheck("PreTrainedTokenizerFast", "tokenizer.json", "Qwen2Tokenizer", "it makes the ids ...")``
    """

    chosen: str
    """Class of the tokenizer that is used."""
    against: str | None
    """The file that it does the same as; None where the folder has none that ``tokenizers`` alone could read."""
    overruled: str | None = None
    """Class that transformers would have taken, and that does otherwise than the file."""
    difference: str | None = None
    """In what."""

    part = "tokenizer"

    def note(self) -> str | None:
        """One sentence where another class had to be taken."""
        if self.overruled is None:
            return None
        return (
            f"{self.part}: transformers takes {self.overruled}, which is not what the model's {self.against} says "
            f"({self.difference}), so {self.chosen}, which only reads the file, is used"
        )

    def to_json(self) -> JsonObject:
        overruled = {} if self.overruled is None else {"overruled": self.overruled, "difference": self.difference}
        return {"chosen": self.chosen, "against": self.against, **overruled}


def keep_check(tokenizer: Any, found: TokenizerCheck) -> None:
    """Remember with the tokenizer what was found of it, for the folder of what is made with it."""
    setattr(tokenizer, _FOUND, found)


def tokenizer_check(tokenizer: Any) -> TokenizerCheck:
    """What was found when it was loaded; of one that was made in memory, that there is no file."""
    kept: TokenizerCheck | None = getattr(tokenizer, _FOUND, None)
    return TokenizerCheck(type(tokenizer).__name__, None) if kept is None else kept


def difference(folder: Path, tokenizer: Any) -> str | None:
    """The first thing that the tokenizer does otherwise than ``tokenizers`` alone with the folder's file: ids and text
    of the probes, ids of a question in the chat template. None where nothing differs, and where there is no file."""
    if not (folder / FILE).is_file():
        return None
    alone = Tokenizer.from_file(str(folder / FILE))
    alone.no_truncation()
    alone.no_padding()
    texts = (*PROBES, *_question(tokenizer))
    return next((found for text in texts if (found := _difference(text, tokenizer, alone))), None)


def refusal(folder: Path, found: str) -> str:
    """The sentence about a ``difference`` that cannot be mended here."""
    return (
        f"the tokenizer that transformers {transformers.__version__} makes of {folder} is not that of its {FILE} "
        f"({found}): put the tokenizer files of one model there, or take another version of transformers"
    )


def _difference(text: str, tokenizer: Any, alone: Tokenizer) -> str | None:
    expected = alone.encode(text, add_special_tokens=False).ids
    got = list(tokenizer.encode(text, add_special_tokens=False))
    meant = alone.decode(expected, skip_special_tokens=False)
    # A lossy tokenizer may be meant so: what counts is what the file alone gives, not the text.
    back = tokenizer.decode(expected, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    if back != meant:
        return f"it reads the ids of {_short(text)} back as {_first(back, meant)}"
    if got == expected:
        return None
    written = alone.decode(got, skip_special_tokens=False)
    if written != meant:
        return f"it makes {_first(written, meant)} of {_short(text)}"
    same = _same(got, expected)
    return f"it makes the ids {got[same : same + 3]} instead of {expected[same : same + 3]} of {_short(text)}"


def _question(tokenizer: Any) -> list[str]:
    """A question as the chat template asks it; nothing where there is none or it fails, which rendering tells."""
    if not getattr(tokenizer, "chat_template", None):
        return []
    try:
        return [chat_text(tokenizer, [{"role": "user", "content": PROBES[0]}], ask=True)]
    except UserError:
        return []


def _same(got: Sequence[object], expected: Sequence[object]) -> int:
    """How much of the beginning is the same."""
    pairs = enumerate(zip(got, expected, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(got), len(expected)))


def _first(got: str, expected: str) -> str:
    """Both from a little before the first difference."""
    same = _same(got, expected)
    part = slice(max(0, same - 8), same + 16)
    return f"{got[part]!r} instead of {expected[part]!r}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")
