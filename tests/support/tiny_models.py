"""Small models and tokenizers made on the spot: random weights, a tokenizer trained on a few sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

CHAT = (
    "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEXTS = [
    "What is 12 + 30? Let me check: 12 + 30 = 42. The answer is \\boxed{42}.",
    "Natalia sold 48 clips in April. How many? Wait, half as many is 24, so 72 </think> \\boxed{72}",
]


def make_tokenizer(texts: list[str] | None = None, size: int = 200) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on the texts, with a chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=max(size, 270), special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts or TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|pad|>", eos_token="<|end|>", chat_template=CHAT
    )


def make_model(vocabulary: int, kind: str = "qwen2", seed: int = 0, end_id: int = 1, positions: int = 2048) -> Any:
    """A random model of about 30 k parameters."""
    torch.manual_seed(seed)
    shape: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": positions,
        "initializer_range": 0.2,
        "eos_token_id": end_id,
        "pad_token_id": 0,
        "bos_token_id": None,
    }
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**shape)).eval()
    return Qwen2ForCausalLM(Qwen2Config(**shape, tie_word_embeddings=True)).eval()


def make_model_folder(folder: Path, kind: str = "qwen2", seed: int = 0, texts: list[str] | None = None) -> Path:
    tokenizer = make_tokenizer(texts)
    # transformers loads the tokenizer of a qwen2 folder as Qwen2Tokenizer, which adds a token of its own.
    model = make_model(len(tokenizer) + 2, kind, seed, tokenizer.eos_token_id)
    # A random model almost never ends by itself; a bias towards the end token gives responses of ~20 tokens.
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *range(10, 16)]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_task(path: Path, count: int = 12, start: int = 1) -> Path:
    rows = [{"problem": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(start, start + count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
