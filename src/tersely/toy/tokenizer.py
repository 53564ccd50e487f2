"""The tokenizers of the embedded tasks: one token a word, with a chat template, saved like any other tokenizer.

It is a true ``Qwen2Tokenizer``, because AutoTokenizer makes one of whatever lies beside a Qwen2 model. Its byte-level
vocabulary is empty; the words are added tokens that carry their leading blank (``" holds"``), so that text is split
and joined exactly. Characters outside the task's words are dropped in encoding.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import AddedToken, Qwen2Tokenizer

from tersely.toy.arithmetic import WORDS
from tersely.toy.writing import END_THINK, EOS, FIRST, THINK

PAD, UNKNOWN = "<pad>", "<unk>"
_SPECIAL = (PAD, EOS, UNKNOWN)
EFFORT = "Effort:"
LEVELS = ("low", "medium", "high")


def _spoken(words: Sequence[str], levels: bool) -> tuple[str, ...]:
    return (THINK, END_THINK, FIRST, *words, *((EFFORT, *LEVELS) if levels else ()))


def vocabulary(words: Sequence[str], levels: bool = False) -> dict[str, int]:
    """Token ids of a task with these words. ``</think>`` is an ordinary token, so that decoding keeps it and the judge
    finds the final answer. ``levels``: with the words that ask for a level of effort (``tersely base --levels``)."""
    return {word: index for index, word in enumerate((*_SPECIAL, *_spoken(words, levels)))}


VOCABULARY: dict[str, int] = vocabulary(WORDS)
"""Of the arithmetic task."""
WITH_LEVELS: dict[str, int] = vocabulary(WORDS, levels=True)

# One user turn is one problem; an assistant turn is its response. `<think>` opens the response and is never sampled.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'Q: ' + message['content'] | trim }}"
    "{% elif message['role'] == 'assistant' %}{{ ' <think> ' + message['content'] | trim + '<eos>' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ ' <think>' }}{% endif %}"
)


def build_tokenizer(levels: bool = False, words: Sequence[str] = WORDS, longest: int = 512) -> Qwen2Tokenizer:
    """The tokenizer, ready for ``save_pretrained``; ids are those of ``vocabulary``. ``longest``: tokens of a text."""
    tokenizer = Qwen2Tokenizer(
        vocab={word: index for index, word in enumerate(_SPECIAL)},
        merges=[],
        unk_token=UNKNOWN,
        eos_token=EOS,
        pad_token=PAD,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=longest,
    )
    # What begins a line has no blank before it.
    spelled = (word if word in (FIRST, EFFORT) else " " + word for word in _spoken(words, levels))
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in spelled])
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
