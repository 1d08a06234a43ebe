"""Which architectures of vLLM's registry get an override.

The registry of the installed vLLM decides: only names it holds are registered, and the override
looks for convolutions by type and shape, wherever they are. This list keeps models that have
nothing to replace out of it. A test derives the same list from the sources of the installed vLLM
and compares the two.
"""

ARCHITECTURES = frozenset(
    {
        # Qwen2-VL and the towers built from it
        "Qwen2VLForConditionalGeneration",
        "JinaVLForRanking",
        "KananaVForConditionalGeneration",
        "Tarsier2ForConditionalGeneration",
        # Qwen2.5-VL and the towers built from it
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen2_5OmniForConditionalGeneration",
        "Qwen2_5OmniModel",
        "Exaone4_5_ForConditionalGeneration",
        "HCXVisionV2ForCausalLM",
        "MiMoV2OmniForCausalLM",
        "OpenCUAForConditionalGeneration",
        # Qwen3-VL and the towers built from it
        "Qwen3VLForConditionalGeneration",
        "Qwen3VLMoeForConditionalGeneration",
        "Qwen3_5ForConditionalGeneration",
        "Qwen3_5MoeForConditionalGeneration",
        "Qwen4ExpForConditionalGeneration",
        "Qwen3OmniMoeForConditionalGeneration",
        "Qwen3VLNemotronEmbedModel",
        "Alpamayo2Super",
        "BailingMoeV3VLForConditionalGeneration",
        "ClefFlashForJointSchema",
        "ClefOmniForJointSchema",
        "CohereCompassForConditionalGeneration",
        "ColQwen3",
        "ColQwen3_5",
        "Cosmos3EdgeForConditionalGeneration",
        "Cosmos3ForConditionalGeneration",
        "InternS1ProForConditionalGeneration",
        "InternS2MobiusForConditionalGeneration",
        "InternS2PreviewForConditionalGeneration",
        "OpsColQwen3Model",
        # GLM-4.1V and its successors
        "Glm4vForConditionalGeneration",
        "Glm4vMoeForConditionalGeneration",
        "Glm5NextForConditionalGeneration",
        "GlmOcrForConditionalGeneration",
        # MiniMax
        "MiniMaxM3SparseForConditionalGeneration",
        # Any model through the transformers backend (--model-impl transformers)
        "TransformersForMultimodalLM",  # 0.11.0
        "TransformersMultiModalForCausalLM",
        "TransformersMultiModalMoEForCausalLM",
        "TransformersMultiModalEmbeddingModel",
        "TransformersMultiModalForSequenceClassification",
    }
)

LEFT_STOCK = {
    "Emu3ForConditionalGeneration": "its 3-D convolutions are an image tokenizer, with padding",
    "HunYuanVLForConditionalGeneration": "transformers backend over a tower with a Conv2d",
    "OpenPanguVLForConditionalGeneration": "multiplies by the weight of its conv already",
    "VibeVoiceAsrForConditionalGeneration": "transformers backend over an audio tower",
}
"""Architectures whose sources mention a 3-D convolution and which get no override, and why."""
