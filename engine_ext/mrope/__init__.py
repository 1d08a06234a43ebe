"""Three-axis rope positions of multimodal prompts without per-token work: knows no engine."""

from engine_ext.mrope.families import GlmTokens, QwenTokens, glm4v, qwen2_5_vl, qwen2_vl, qwen3_vl
from engine_ext.mrope.index import rope_index
from engine_ext.mrope.spans import BadSpans, Spans
from engine_ext.mrope.training import qwen2_5_vl_rope_index, qwen3_vl_get_rope_index

__all__ = [
    "BadSpans",
    "GlmTokens",
    "QwenTokens",
    "Spans",
    "glm4v",
    "qwen2_5_vl",
    "qwen2_5_vl_rope_index",
    "qwen2_vl",
    "qwen3_vl",
    "qwen3_vl_get_rope_index",
    "rope_index",
]
