"""Which architectures of SGLang's registry get an override.

The registry of the installed SGLang decides: only names it holds are registered, and the override
looks for convolutions by type and shape, wherever they are. This list keeps models that have
nothing to replace out of it. A test derives the same list from the sources of the installed SGLang
and compares the two.
"""

ARCHITECTURES = frozenset(
    {
        # Qwen2-VL and the towers built from it
        "Qwen2VLForConditionalGeneration",
        "POINTSV15ChatModel",
        "Sarashina2VisionForCausalLM",
        # Qwen2.5-VL and the towers built from it
        "Qwen2_5_VLForConditionalGeneration",
        "BailingMMNativeForConditionalGeneration",
        "BailingMM2NativeForConditionalGeneration",
        # Qwen3-VL and the towers built from it
        "Qwen3VLForConditionalGeneration",
        "Qwen3VLMoeForConditionalGeneration",
        "Qwen3_5ForConditionalGeneration",
        "Qwen3_5MoeForConditionalGeneration",
        "Qwen4ExpForConditionalGeneration",
        "Qwen3OmniMoeForConditionalGeneration",
        "BailingMoeV3VLForConditionalGeneration",
        "Cosmos3ForConditionalGeneration",
        "InternS1ProForConditionalGeneration",
        "InternS2MobiusForConditionalGeneration",
        "InternS2PreviewForConditionalGeneration",
        "MossVLForConditionalGeneration",
        # GLM-4.1V and its successors
        "Glm4vForConditionalGeneration",
        "Glm4vMoeForConditionalGeneration",
        "Glm5NextForConditionalGeneration",
        "GlmOcrForConditionalGeneration",
        # MiniMax
        "MiniMaxM3SparseForConditionalGeneration",
        # Any model through the transformers backend (--model-impl transformers)
        "TransformersMultiModalForCausalLM",
        "TransformersMultiModalMoEForCausalLM",
        "TransformersMultiModalEmbeddingModel",
        "TransformersMultiModalMoEEmbeddingModel",
        "TransformersMultiModalForSequenceClassification",
        "TransformersMultiModalMoEForSequenceClassification",
    }
)

_DRAFT = "a draft model for speculative decoding, without vision weights"
_CACHED_VIEW = "multiplies by a view of its weight already, which it caches after loading"

LEFT_STOCK = {
    "Glm5NextForConditionalGenerationNextN": _DRAFT,
    "GlmOcrForConditionalGenerationNextN": _DRAFT,
    "MiMoV2MTP": _DRAFT,
    "MiMoV2FlashForCausalLM": _CACHED_VIEW,
    "MiMoV2ForCausalLM": _CACHED_VIEW,
}
"""Architectures whose sources mention a 3-D convolution and which get no override, and why."""
