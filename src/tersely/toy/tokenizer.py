"""The tokenizer of the embedded task: one token a word, with a chat template, saved like any other tokenizer.

It is a true ``Qwen2Tokenizer``, because AutoTokenizer makes one of whatever lies beside a Qwen2 model. Its byte-level
vocabulary is empty; the words are added tokens that carry their leading blank (``" holds"``), so that text is split
and joined exactly. Characters outside the task's words are dropped in encoding.
"""

from __future__ import annotations

from transformers import AddedToken, Qwen2Tokenizer

from tersely.tasks.sources.arithmetic import CONDITION_LABELS, EXCEPTION_LABEL, MAIN_LABELS, OPERATIONS
from tersely.toy.demonstrations import CHECKS, END_THINK, EOS, THINK

PAD, UNKNOWN = "<pad>", "<unk>"
_SPECIAL = (PAD, EOS, UNKNOWN)
_FIRST = "Q:"
_LABELS = (*MAIN_LABELS, *CONDITION_LABELS, EXCEPTION_LABEL)
_CHECK_WORDS = tuple(word for check in CHECKS for word in check)
_OTHER = ("?", ",", "if", "is", "then", "holds", "fails", "so", "ok", "no,", "=", "\\boxed{", "}")
_WORDS = (THINK, END_THINK, _FIRST, *_OTHER, *_CHECK_WORDS, *_LABELS, *OPERATIONS, *(str(digit) for digit in range(10)))
VOCABULARY: dict[str, int] = {word: index for index, word in enumerate((*_SPECIAL, *_WORDS))}
"""Token ids. ``</think>`` is an ordinary token, so that decoding keeps it and the judge finds the final answer."""
EFFORT = "Effort:"
LEVELS = ("low", "medium", "high")
WITH_LEVELS: dict[str, int] = VOCABULARY | {
    word: index for index, word in enumerate((EFFORT, *LEVELS), start=len(VOCABULARY))
}
"""With the words that ask for a level of effort, which a base may have (``tersely base --levels``)."""

# One user turn is one problem; an assistant turn is its response. `<think>` opens the response and is never sampled.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'Q: ' + message['content'] | trim }}"
    "{% elif message['role'] == 'assistant' %}{{ ' <think> ' + message['content'] | trim + '<eos>' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ ' <think>' }}{% endif %}"
)


def build_tokenizer(levels: bool = False) -> Qwen2Tokenizer:
    """The tokenizer, ready for ``save_pretrained``; ids are those of ``VOCABULARY``, or of ``WITH_LEVELS``."""
    tokenizer = Qwen2Tokenizer(
        vocab={word: VOCABULARY[word] for word in _SPECIAL},
        merges=[],
        unk_token=UNKNOWN,
        eos_token=EOS,
        pad_token=PAD,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )
    words = (*_WORDS, *((EFFORT, *LEVELS) if levels else ()))
    # What begins a line has no blank before it.
    spelled = (word if word in (_FIRST, EFFORT) else " " + word for word in words)
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in spelled])
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
