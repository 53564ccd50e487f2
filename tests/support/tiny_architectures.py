"""Small random models of many architectures: transformers' own configurations, shrunk by the names of their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from tiny_models import make_tokenizer

VOCABULARY = 128
LAYERS = 2

SIZES: Mapping[str, Any] = {
    "vocab_size": VOCABULARY, "vocab_size_per_layer_input": VOCABULARY,
    "hidden_size": 32, "d_model": 32, "n_embd": 32, "dim": 32, "embedding_size": 32, "word_embed_proj_dim": 32,
    "intermediate_size": 64, "ffn_dim": 64, "n_inner": 64, "ffn_hidden_size": 64, "mlp_hidden_size": 64,
    "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32, "moe_shared_expert_intermediate_size": 32,
    "num_hidden_layers": LAYERS, "n_layer": LAYERS, "num_layers": LAYERS, "n_layers": LAYERS,
    "num_attention_heads": 4, "n_head": 4, "num_heads": 4, "n_heads": 4, "attention_heads": 4,
    "num_key_value_heads": 2, "num_kv_heads": 2, "head_dim": 8, "attention_head_dim": 8,
    "max_position_embeddings": 256, "n_positions": 256, "n_ctx": 256, "max_seq_len": 256,
    "sliding_window": 8, "attention_window": 8, "window_size": 8, "attention_chunk_size": 64,
    "num_experts": 4, "n_routed_experts": 4, "num_local_experts": 4, "moe_num_experts": 4, "num_experts_per_tok": 2,
    "n_shared_experts": 1, "moe_k": 2, "moe_topk": 2, "n_group": 1, "topk_group": 1,
    "q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8,
    "qk_head_dim": 16, "rotary_dim": 8,
    "mamba_d_state": 8, "mamba_d_head": 16, "mamba_n_heads": 4, "mamba_n_groups": 1, "mamba_d_ssm": 64,
    "mamba_num_heads": 4, "mamba_head_dim": 16, "ssm_state_size": 8, "state_size": 8, "mamba_dt_rank": 4,
    "mamba_chunk_size": 16, "chunk_size": 16, "time_step_rank": 4, "n_groups": 1, "mamba_expand": 2, "expand": 2,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    "attention_hidden_size": 32, "lru_width": 32, "hidden_size_per_layer_input": 8, "laurel_rank": 8,
    "num_expert_group": 1, "num_experts_per_token": 2, "linear_head_dim": 8, "linear_num_heads": 4,
    "lm_head_ratio": None, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False,
    "attn_dropout": 0.0, "attention_dropout": 0.0, "dropout": 0.0,
}  # fmt: skip
"""Name of a size in a configuration -> what it becomes; a name that a configuration lacks is left out."""

OWN: Mapping[str, Mapping[str, Any]] = {
    "bamba": {"attn_layer_indices": [1]},
    "jamba": {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "use_mamba_kernels": False,
    },
    "lfm2": {
        "layer_types": ["conv", "full_attention"],
        "block_ff_dim": 64,
        "block_multiple_of": 8,
        "block_auto_adjust_ff_dim": False,
        "conv_dim": 32,
        "conv_L_cache": 3,
    },
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "qwen3_next": {"layer_types": ["linear_attention", "full_attention"]},
    "qwen3_5_text": {"layer_types": ["linear_attention", "full_attention"]},
    "qwen3_5_moe_text": {"layer_types": ["linear_attention", "full_attention"]},
    "olmo_hybrid": {"layer_types": ["linear_attention", "full_attention"]},
    "granitemoehybrid": {
        "layer_types": ["mamba", "attention"],
        "layers_block_type": ["mamba", "attention"],
        "logits_scaling": 4.0,
    },
    "granite": {"logits_scaling": 8.0, "residual_multiplier": 0.5, "embedding_multiplier": 2.0},
    "granitemoe": {"logits_scaling": 8.0},
    "granitemoeshared": {"logits_scaling": 8.0, "shared_intermediate_size": 32},
    "cohere": {"logit_scale": 0.25},
    "cohere2": {"logit_scale": 0.25},
    "minicpm3": {"dim_model_base": 8, "num_key_value_heads": 4},
    "deepseek_v2": {"num_key_value_heads": 4, "first_k_dense_replace": 1},
    "deepseek_v3": {"num_key_value_heads": 4, "first_k_dense_replace": 1},
    "mamba2": {"num_heads": 4, "head_dim": 16},
    "hyperclovax": {"logits_scaling": 0.25},
    "gemma2": {"final_logit_softcapping": 5.0},
    "gemma4_text": {"final_logit_softcapping": 5.0},
    "falcon_h1": {"lm_head_multiplier": 0.25},
    "nemotron_h": {"layers_block_type": ["mamba", "attention"], "hybrid_override_pattern": "M*"},
    "minimax": {"layer_types": ["linear_attention", "full_attention"], "block_size": 16},
    "zamba2": {
        "layers_block_type": ["linear_attention", "hybrid"],
        "hybrid_layer_ids": [1],
        "num_mem_blocks": 1,
        "num_key_value_heads": 4,
        "attention_head_dim": 16,
        "attention_hidden_size": 64,
        "use_mem_rope": False,
        "adapter_rank": 8,
        "mamba_ngroups": 1,
        "n_mamba_heads": 4,
    },
    "zamba": {
        "layers_block_type": ["linear_attention", "hybrid"],
        "num_key_value_heads": 4,
        "attention_head_dim": 16,
        "attention_hidden_size": 64,
        "use_mamba_kernels": False,
    },
    "kimi_linear": {"num_key_value_heads": 4},
    "bailing_hybrid": {"num_key_value_heads": 4},
    "deepseek_v32": {"num_key_value_heads": 4, "index_topk": 4, "index_n_heads": 32},
    "longcat_flash": {"num_key_value_heads": 4},
    "glm4_moe_lite": {"num_key_value_heads": 4},
    "youtu": {"num_key_value_heads": 4},
    "zaya": {"num_experts_per_tok": 1},
    "gemma3n_text": {"num_kv_shared_layers": 0, "altup_num_inputs": 2, "final_logit_softcapping": 5.0},
    "gemma4_unified_text": {"final_logit_softcapping": 5.0},
    "axk1": {"num_key_value_heads": 4, "qk_head_dim": 16, "head_dim": 8, "first_k_dense_replace": 1},
    "axk2": {"num_key_value_heads": 4},
    "cohere_compass_text": {
        "layer_types": ["full_attention", "full_attention"],
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 1e4},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
    },
    # With few index heads their scores are often zero, and which of several zeros is read says nothing.
    "dots3_note_text": {
        "num_key_value_heads": 4,
        "head_dim": 16,
        "layer_types": ["indexed_attention", "sliding_attention"],
        "per_layer_config": {},
        "index_topk": 4,
        "index_head_dim": 8,
        "index_n_heads": 32,
    },
    "glm_moe_dsa": {"num_key_value_heads": 4, "index_topk": 4, "index_head_dim": 8, "index_n_heads": 32},
    "hy_v4": {"index_topk": 4, "index_n_heads": 32},
    "qwen4_exp_text": {
        "layer_types": ["linear_attention", "indexed_attention"],
        "hc_lowrank": 8,
        "ple_embed_dim": 32,
        "ngram_vocab_size_base": 100,
        "split_ngram_parts": 8,
        "make_ngram_vocab_size_divisible_by": 8,
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 8,
        "indexer_compress_ratio": 2,
    },
    "phi4_multimodal": {
        "vision_config": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 28,
            "crop_size": 28,
            "image_token_id": 3,
        },
        "audio_config": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_blocks": 2,
            "num_attention_heads": 4,
            "ext_pw_out_channel": 32,
            "depthwise_separable_out_channel": 32,
            "nemo_conv_channels": 32,
            "audio_token_id": 4,
        },
    },
    "reformer": {
        "is_decoder": True,
        "attn_layers": ["local", "local"],
        "axial_pos_embds": False,
        "local_attn_chunk_length": 8,
        "feed_forward_size": 64,
    },
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 64, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "xlstm": {"num_blocks": 2, "num_hidden_layers": 2},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"], "num_hidden_layers": 2},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "mpt": {"expansion_ratio": 2},
    "falcon": {"new_decoder_architecture": False, "multi_query": True, "alibi": False},
    "xglm": {"attention_heads": 4},
    "llama4_text": {
        "no_rope_layers": [1, 0],
        "layer_types": ["chunked_attention", "full_attention"],
        "interleave_moe_layer_step": 2,
        "intermediate_size_mlp": 64,
    },
}
"""What one architecture needs besides, or what makes its known fault show."""

LONGROPE = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [8.0] * 4, "rope_theta": 1e4}
"""A rotary embedding with two sets of frequencies, for heads of 8."""


def tiny_config(architecture: str, **more: Any) -> Any:
    """The architecture's default configuration with all its sizes small, and what is asked for besides. Of a composite
    one (text and images) the text part."""
    kind = CONFIG_MAPPING[architecture]
    default = kind()
    text = default.get_text_config()
    if text is not default:
        return kind(**{**_parts(default), "text_config": tiny_config(text.model_type, **more)})
    known = default.to_dict()
    sizes = {name: value for name, value in SIZES.items() if name in known}
    for name, count in (("layer_types", LAYERS), ("mlp_layer_types", LAYERS)):
        if isinstance(known.get(name), list):
            sizes[name] = known[name][-count:]
    return kind(**{**sizes, **OWN.get(architecture, {}), **more})


def _parts(composite: Any) -> dict[str, Any]:
    """The parts of a composite configuration that are no text, each with its sizes small."""
    found = {name: getattr(composite, name, None) for name in ("vision_config", "audio_config")}
    return {name: type(part)(**_small(part)) for name, part in found.items() if part is not None}


def _small(part: Any) -> dict[str, Any]:
    return {name: value for name, value in SIZES.items() if name in part.to_dict() and name != "vocab_size"}


def tiny_model(architecture: str, seed: int = 0, **more: Any) -> Any:
    """A random model in fp32 whose distributions are far from uniform. Torch's random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(tiny_config(architecture, **more), dtype=torch.float32)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim >= 2:
                    parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
    return model.eval()


def save_tiny(folder: Path, architecture: str, **more: Any) -> Path:
    """A model folder with a tokenizer; several end tokens, so that responses end."""
    tokenizer = make_tokenizer()
    model = tiny_model(architecture, vocab_size=300, **more)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *range(100, 120)]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
