"""config.json of each family: its own architecture, only widths and depths are tiny.

Keys follow the older spelling (`torch_dtype`, `rope_scaling`, `rope_theta`), which transformers 4
and 5 both read. `CONFIGS` maps a family to the function that builds its configuration for a
tokenizer.
"""

from tokenizers import Tokenizer

HIDDEN, LAYERS = 128, 2  # language model
VISION_HIDDEN, VISION_LAYERS = 64, 2
HEADS = 4
_HALF_HEAD = HIDDEN // HEADS // 2  # rotary frequencies of a head
_VOCABULARY_MULTIPLE = 64


def _text(tokenizer: Tokenizer) -> dict:
    multiple = _VOCABULARY_MULTIPLE
    return {
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "initializer_range": 0.02,
        "intermediate_size": 2 * HIDDEN,
        "max_position_embeddings": 32768,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": HEADS // 2,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1e6,
        "tie_word_embeddings": False,
        "use_cache": True,
        "vocab_size": (tokenizer.get_vocab_size() + multiple - 1) // multiple * multiple,
    }


def _sections(frequencies: int) -> list[int]:
    """Rotary frequencies for time, height and width, in the hub's proportions (2 : 3 : 3)."""
    space = 3 * frequencies // 8
    return [frequencies - 2 * space, space, space]


def _qwen_ids(tokenizer: Tokenizer) -> dict:
    token = tokenizer.token_to_id
    return {
        "image_token_id": token("<|image_pad|>"),
        "video_token_id": token("<|video_pad|>"),
        "vision_end_token_id": token("<|vision_end|>"),
        "vision_start_token_id": token("<|vision_start|>"),
    }


def _qwen2_style(architecture: str, family: str, tokenizer: Tokenizer, vision: dict) -> dict:
    """Qwen2-VL and Qwen2.5-VL keep the language model's keys at the top level."""
    token = tokenizer.token_to_id
    common = {
        "depth": VISION_LAYERS,
        "in_channels": 3,
        "in_chans": 3,
        "model_type": family,
        "num_heads": HEADS,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "spatial_patch_size": 14,
        "temporal_patch_size": 2,
    }
    return {
        "architectures": [architecture],
        "bos_token_id": token("<|endoftext|>"),
        "eos_token_id": token("<|im_end|>"),
        "max_window_layers": LAYERS,
        "model_type": family,
        "rope_scaling": {"mrope_section": _sections(_HALF_HEAD), "type": "mrope"},
        "sliding_window": 32768,
        "torch_dtype": "bfloat16",
        "use_sliding_window": False,
        "vision_config": common | vision,
        "vision_token_id": token("<|vision_pad|>"),
        **_qwen_ids(tokenizer),
        **_text(tokenizer),
    }


def qwen2_vl(tokenizer: Tokenizer) -> dict:
    """config.json of Qwen2-VL."""
    vision = {
        "embed_dim": VISION_HIDDEN,
        "hidden_act": "quick_gelu",
        "hidden_size": HIDDEN,  # the width the merger projects to
        "mlp_ratio": 2,
    }
    return _qwen2_style("Qwen2VLForConditionalGeneration", "qwen2_vl", tokenizer, vision)


def qwen2_5_vl(tokenizer: Tokenizer) -> dict:
    """config.json of Qwen2.5-VL: attention in windows of 112 px in every layer but the last."""
    vision = {
        "fullatt_block_indexes": [VISION_LAYERS - 1],
        "hidden_act": "silu",
        "hidden_size": VISION_HIDDEN,
        "intermediate_size": 2 * VISION_HIDDEN,
        "out_hidden_size": HIDDEN,
        "tokens_per_second": 2,
        "window_size": 112,
    }
    return _qwen2_style("Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl", tokenizer, vision)


def qwen3_vl(tokenizer: Tokenizer) -> dict:
    """config.json of Qwen3-VL."""
    token = tokenizer.token_to_id
    third = _HALF_HEAD // 3  # interleaved sections need near-equal parts
    text = {
        "attention_bias": False,
        "bos_token_id": token("<|endoftext|>"),
        "dtype": "bfloat16",
        "eos_token_id": token("<|im_end|>"),
        "head_dim": HIDDEN // HEADS,
        "model_type": "qwen3_vl_text",
        "rope_scaling": {
            "mrope_interleaved": True,
            "mrope_section": [_HALF_HEAD - 2 * third, third, third],
            "rope_type": "default",
        },
    }
    vision = {
        "deepstack_visual_indexes": [0],
        "depth": VISION_LAYERS,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": VISION_HIDDEN,
        "in_channels": 3,
        "initializer_range": 0.02,
        "intermediate_size": 2 * VISION_HIDDEN,
        "model_type": "qwen3_vl",
        "num_heads": HEADS,
        "num_position_embeddings": 256,
        "out_hidden_size": HIDDEN,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "text_config": _text(tokenizer) | text,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "vision_config": vision,
        **_qwen_ids(tokenizer),
    }


def glm4v(tokenizer: Tokenizer) -> dict:
    """config.json of GLM-4V (GLM-4.1V): half of each head is rotated."""
    token = tokenizer.token_to_id
    text = {
        "attention_bias": True,
        "dtype": "bfloat16",
        "eos_token_id": [token("<|user|>"), token("<|endoftext|>")],
        "model_type": "glm4v_text",
        "pad_token_id": token("<|endoftext|>"),
        "partial_rotary_factor": 0.5,
        "rope_scaling": {"mrope_section": _sections(_HALF_HEAD // 2), "rope_type": "default"},
    }
    vision = {
        "attention_bias": False,
        "attention_dropout": 0.0,
        "depth": VISION_LAYERS,
        "hidden_act": "silu",
        "hidden_size": VISION_HIDDEN,
        "image_size": 336,
        "in_channels": 3,
        "initializer_range": 0.02,
        "intermediate_size": 2 * HIDDEN,
        "model_type": "glm4v",
        "num_heads": HEADS,
        "out_hidden_size": HIDDEN,
        "patch_size": 14,
        "rms_norm_eps": 1e-5,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }
    return {
        "architectures": ["Glm4vForConditionalGeneration"],
        "image_end_token_id": token("<|end_of_image|>"),
        "image_start_token_id": token("<|begin_of_image|>"),
        "image_token_id": token("<|image|>"),
        "model_type": "glm4v",
        "text_config": _text(tokenizer) | text,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "video_end_token_id": token("<|end_of_video|>"),
        "video_start_token_id": token("<|begin_of_video|>"),
        "video_token_id": token("<|video|>"),
        "vision_config": vision,
    }


CONFIGS = {
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "glm4v": glm4v,
}
