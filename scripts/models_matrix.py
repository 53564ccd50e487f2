"""Makes docs/models.md: small random models of many architectures through the check at load, in fp32 on a CPU.

``python scripts/models_matrix.py`` writes the page; ``--check`` says with exit code 1 when the page is stale.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from tersely.errors import TerselyError  # noqa: E402
from tersely.learn.scorer_check import check_head, check_layout, head_name, require_gradient  # noqa: E402
from tersely.models.agreement import FP32_BOUND, Truth  # noqa: E402
from tersely.samplers.decoder_check import check_decoder  # noqa: E402
from tiny_architectures import tiny_model  # noqa: E402

PAGE = ROOT / "docs" / "models.md"
NAMES = """
afmoe apertus arcee aria_text axk1 axk2 bailing_hybrid bamba bart bert biogpt bitnet bloom codegen cohere cohere2
cohere2_moe cohere_compass_text cpmant ctrl cwm dbrx deepseek_v2 deepseek_v3 deepseek_v32 deepseek_v4 diffllama doge
dots1 dots3_note_text electra emu3 ernie4_5 ernie4_5_moe exaone4 exaone_moe falcon falcon_h1 falcon_mamba flex_olmo
flint fuyu gemma gemma2 gemma3 gemma3_text gemma3n_text gemma4 gemma4_text gemma4_unified_text glm glm4 glm4_moe
glm4_moe_lite glm_moe_dsa gpt2 gpt_bigcode gpt_neo gpt_neox gpt_neox_japanese gpt_oss gptj granite granite_swa
granitemoe granitemoe_swa granitemoehybrid granitemoeshared helium hrm_text hunyuan_v1_dense hunyuan_v1_moe hy_v3 hy_v4
hyperclovax inkling2_text inkling_text internlm3 iquestcoder jais2 jamba jetmoe kimi_linear kolibri1 laguna lfm2
lfm2_moe lfm3 llama llama4 llama4_text longcat_flash mamba mamba2 mellum mimo_v2_flash minicpm3 minimax minimax_m2
minimax_m3_vl_text ministral ministral3 mistral mixtral modernbert-decoder mpt nanochat nemotron nemotron_h olmo olmo2
olmo3 olmo_hybrid olmoe openai-gpt opt persimmon phi phi3 phi4_multimodal phimoe qwen2 qwen2_moe qwen3 qwen3_5
qwen3_5_moe qwen3_5_moe_text qwen3_5_text qwen3_moe qwen3_next qwen4_exp qwen4_exp_text recurrent_gemma reformer rembert
roberta rwkv seed_oss smollm3 solar_open stablelm starcoder2 vaultgemma xglm xlm xlm-roberta xlnet xlstm youtu zamba
zamba2 zaya
"""
ARCHITECTURES = sorted(NAMES.split())
HEAD = """# Architectures

Made by `python scripts/models_matrix.py` from {count} small random models (transformers {version}, fp32, CPU).
Each is compared with its own forward as every model is when it is loaded ([method.md](method.md#the-check-at-load)).

- **decoder**: the fastest that is right. `fused`: ours for the Llama family. `model`: the model's forward with a cache.
  `equal`: the same, prompts of one length together. `generate`: the steps of transformers' own `generate`. `recompute`:
  no cache, every token reads the whole row again: right, and too slow for long responses.
- **head**: `weights`: the output layer alone. `forward`: what the model's own forward does behind its base (scales,
  biases, several layers), in chunks. `logits`: the model's own logits of the whole micro-batch, at the cost of memory.
- **packed**: whether rows may be packed into one; where not, `learner.layout=packed` is refused and `auto` pads.
- **gap**: largest difference from the model's own log-probabilities, in nats, of all that is used.

An architecture that is not here goes through the same check: it is repaired or refused, never trained unseen.

| architecture | decoder | head | packed | gap |
|---|---|---|---|---|
"""


def row(architecture: str) -> str:
    """One line of the table; AssertionError where something wrong would be used."""
    truth = Truth(tiny_model(architecture))
    try:
        decoder, head = check_decoder(truth), check_head(truth)
        require_gradient(truth, head_name(head))
    except TerselyError as error:
        # The figures differ between machines in their last digits.
        sentence = re.sub(r" \(.*?\)(?=[:,] )", "", str(error), count=1)
        return f"| {architecture} | refused: {sentence} | | | |"
    gaps = [decoder.gap, head.gap]
    try:
        layout = check_layout(truth, head_name(head), "packed")
        gaps.append(layout.gap)
        packed = "yes"
    except TerselyError:
        packed = "no"
    assert max(gaps) < FP32_BOUND, (architecture, gaps)
    below = "below 1e-5" if max(gaps) < 1e-5 else "below 1e-4"
    return f"| {architecture} | {decoder.chosen} | {head.chosen} | {packed} | {below} |"


def page() -> str:
    head = HEAD.format(count=len(ARCHITECTURES), version=transformers.__version__)
    return head + "".join(f"{row(architecture)}\n" for architecture in ARCHITECTURES)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the page instead of writing it")
    args = parser.parse_args()
    torch.set_num_threads(1)
    made = page()
    if not args.check:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    if made == PAGE.read_text(encoding="utf-8"):
        return 0
    print(f"{PAGE} is stale: run python scripts/models_matrix.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
