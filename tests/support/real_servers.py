"""Real servers in processes of their own, and a model whose greedy texts can be compared with what they say."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tiny_models import make_tokenizer

PATIENCE = 900
"""Seconds for a server to load the model."""
ENDS = [1, 2, 3]
"""All control tokens but the padding, so that responses end by themselves."""
VLLM = os.environ.get("TERSELY_VLLM") or shutil.which("vllm")
"""The command of a vLLM, which may live in an environment of its own."""

Command = Callable[[int], Sequence[str]]
"""What starts the server at a port."""


def ascii_model(folder: Path) -> Path:
    """Random weights that speak ASCII alone (no half characters), with heads as wide as vLLM's kernels ask for: those
    of the embedded reasoner are too narrow."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    shape = {"hidden_size": 128, "intermediate_size": 256, "num_attention_heads": 2, "num_key_value_heads": 1}
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0, "bos_token_id": None}
    config = LlamaConfig(
        vocab_size=len(tokenizer), num_hidden_layers=2, max_position_embeddings=512, initializer_range=0.2,
        **shape, **ends,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    spoken = [tokenizer.decode([i]).isascii() for i in range(len(tokenizer))]
    with torch.no_grad():
        # A logit of 0 is never the largest of so many random ones.
        model.lm_head.weight[~torch.tensor(spoken)] = 0.0
        model.lm_head.weight[ENDS] *= 2.0
    model.generation_config.eos_token_id = ENDS
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@contextlib.contextmanager
def real(command: Command, log: Path) -> Iterator[str]:
    """The address of a server that answers, with what it says in ``log``, for as long as the context lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alone = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("w") as said, subprocess.Popen(command(port), stdout=said, stderr=said, env=alone) as server:
        try:
            _wait(f"http://127.0.0.1:{port}/health", server, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        assert server.poll() is None, log.read_text()[-2000:]
        time.sleep(1)
    raise AssertionError(f"the server did not answer in {PATIENCE} s: {log.read_text()[-2000:]}")
