"""Where the adapter reaches into SGLang."""

from engine_ext.interventions import Intervention
from engine_ext.sglang.versions import TRIED
from engine_ext.versions import TriedVersions

BEYOND = TRIED.beyond
HOOKED = TriedVersions((0, 5, 11), BEYOND, "0.5.11 to 0.5.23")
ARTIFACTS = TriedVersions((0, 5, 20), BEYOND, "0.5.20 to 0.5.23")
FINGERPRINTS = TriedVersions((0, 5, 18), BEYOND, "0.5.18 to 0.5.23")
BESIDE = TriedVersions((0, 5, 17), BEYOND, "0.5.17 to 0.5.23")
LAYER = TriedVersions((0, 5, 10), BEYOND, "0.5.10 to 0.5.23")

PUBLIC = "stays: it is SGLang's own way in"
NO_PLUGINS = "when every process of SGLang loads plugins, and 0.5.10 is no longer supported"
PER_MODEL = "when a plugin can register a class for an architecture without importing the models"
_BASE = "sglang.srt.multimodal.processors.base_processor:BaseMultimodalProcessor"
_ROTARY = "sglang.srt.layers.rotary_embedding:MRotaryEmbedding"

INTERVENTIONS = (
    Intervention(
        "sglang.srt.plugins:load_plugins",
        "calls the entry point of the group `sglang.srt.plugins` in every process (`plugin.py`)",
        "the way in. It logs an exception and goes on with stock, so an unknown word in"
        " `ENGINE_EXT` is a `SystemExit`",
        HOOKED,
        PUBLIC,
    ),
    Intervention(
        "sglang.srt.plugins.hook_registry:HookRegistry.register",
        "called, with a `HookType`, for each hook below",
        "the public way to hook a function; other plugins may hook the same one",
        HOOKED,
        PUBLIC,
    ),
    Intervention(
        "sglang.srt.utils:configure_logger",
        "AFTER hook: the line that says what is on is said again (`plugin.py`)",
        "the main process and the detokenizer load plugins before they set up their log",
        HOOKED,
        "when plugins are loaded after that everywhere",
        hooked=True,
    ),
    Intervention(
        "sglang.srt.model_loader.utils:get_model_architecture",
        "AFTER hook: its (class, architecture) becomes the override's (`plugin.py`)",
        "overrides are made when a model is resolved: the registry imports every model, which only"
        " processes that hold one should pay for",
        HOOKED,
        PER_MODEL,
        hooked=True,
    ),
    Intervention(
        "sglang.srt.models.registry:import_model_classes",
        "called by the package that `SGLANG_EXTERNAL_MODEL_PACKAGE` names (`external/`)",
        "the way in before there were plugins, and into ranks of an encoder that load none: the"
        " entry point sets the variable where it is not set",
        TRIED,
        NO_PLUGINS,
        "#26723",
    ),
    Intervention(
        "sglang.srt.models.registry:ModelRegistry.models",
        "architecture to class: read and updated (`overrides.py`)",
        "the engine's class to subclass. Processors are found by the name of the class, which the"
        " override keeps",
        TRIED,
        PER_MODEL,
    ),
    Intervention(
        "sglang.srt.model_loader.loader:DefaultModelLoader.load_model",
        "every loader but that of GGUF files, which hold no tower, ends by `model.eval()`, which"
        " the override sees as `train(False)` (`overrides.py`)",
        "the projection is checked once, when its weights are there, whatever the load format",
        TRIED,
        "when SGLang calls a method of the model once it is loaded",
    ),
    Intervention(
        "sglang.srt.layers.conv:Conv3dLayer",
        "run once without data; replaced where it convolves, or where `linear` is named"
        " (`overrides.py`)",
        "it multiplies or convolves by platform; one whose weights are packed for AMX"
        " (`quant_method`) is left alone",
        LAYER,
        "when it multiplies on every platform",
        "#19788",
    ),
    Intervention(
        f"{_ROTARY}.get_rope_index",
        "AROUND hook, before 0.5.11 replaced (`positions.py`)",
        "rope positions without a step per token. Parameters are compared first, and results of"
        " each kind of request before ours are used",
        TRIED,
        "when SGLang computes them span by span",
        hooked=True,
    ),
    Intervention(
        f"{_ROTARY}.get_rope_index_glm4v",
        "the same",
        "the same",
        TRIED,
        "the same",
        hooked=True,
    ),
    Intervention(
        "sglang.srt.managers.multimodal_processor:import_processors",
        "imports the package that `SGLANG_EXTERNAL_MM_PROCESSOR_PACKAGE` names (`processors/`)",
        "the way into the tokenizer's process before there were plugins, and into workers of"
        " several tokenizers, which load none: the entry point sets the variable likewise",
        TRIED,
        NO_PLUGINS,
        "#26723",
    ),
    Intervention(
        "sglang.srt.managers.multimodal_processor:get_mm_processor",
        "BEFORE hook: `PROCESSOR_MAPPING` gets a subclass of the processor of a model that the"
        " override serves, `QwenVLImageProcessor` or `Glm4vImageProcessor` (`pixels.py`)",
        "images and videos are sent as uint8. SGLang's own registry for processors of packages is"
        " read before a model is known",
        HOOKED,
        "when SGLang sends images as uint8 itself",
        hooked=True,
    ),
    Intervention(
        f"{_BASE}.process_mm_data",
        "overridden: asks a copy of transformers' processor that leaves out rescaling and"
        " normalising (`sending.py`)",
        "transformers' processor gives pixels by its settings",
        HOOKED,
        "the same",
    ),
    Intervention(
        f"{_BASE}.process_and_combine_mm_data",
        "overridden: items of pixels say how they are restored and who they are; a client's own, by"
        " their `MultimodalInputFormat`, are left alone (`naming.py`)",
        "where all items of a request are, before anyone hashes them",
        HOOKED,
        "the same",
        "#39539",
    ),
    Intervention(
        f"{_BASE}.process_and_combine_mm_data_async",
        "overridden: where SGLang has no workers for its processor (`mm_processor_executor`), items"
        " are named by a thread (`sending.py`)",
        "hashing a clip takes the event loop 0.1 s, by which others' answers go out. GLM-4V's"
        " processor calls it from 0.5.19 on",
        BESIDE,
        "the same",
    ),
    Intervention(
        f"{_BASE}.process_mm_data_async",
        "overridden: a copy of the processor (below) is asked first, where the prompt has a place"
        " (`mm_tokens.image_token_regex`) for each image; what it cannot download is not asked for"
        " again; where a caller names items (`mm_hashes`), the places of the prompt are left to be"
        " filled by these (`sending.py`)",
        "SGLang fills them as soon as items have names, and takes a caller's names after that",
        HOOKED,
        "when SGLang fills them by the caller's",
    ),
    Intervention(
        "sglang.srt.multimodal.cache:build_processor_fingerprint",
        "called for that copy, whose `uses_media_artifacts_without_cache` is set, and whose"
        " `_cached_image_prompt_template` keeps none (`naming.py`)",
        "images of every Qwen-VL are known by what came in, as SGLang does it for Qwen3-VL",
        ARTIFACTS,
        "when SGLang does it for all of them",
    ),
    Intervention(
        "sglang.srt.multimodal.processors.qwen_vl:QwenVLImageProcessor.prepare_artifact_batch",
        "overridden: asks such a copy too (`sending.py`), with `resize` one that gives sizes alone"
        " (`decoding.py`)",
        "images that SGLang knows by their content take this way",
        ARTIFACTS,
        "the same",
    ),
    Intervention(
        f"{_BASE}.preprocess_fingerprint_payload",
        "overridden (`sending.py`)",
        "no cache of processed images takes rows of uint8 for stock's",
        FINGERPRINTS,
        "the same",
    ),
    Intervention(
        "sglang.srt.models.qwen2_5_vl:Qwen2_5_VLForConditionalGeneration.get_image_feature",
        "overridden, as is `get_video_feature`, in every model that has them (`restoring.py`)",
        "items of pixels get the rows that stock would have sent; then stock's own is called",
        TRIED,
        "the same",
    ),
    Intervention(
        "sglang.srt.utils:cpu_has_amx_support",
        "called, as are `is_cpu` and the processor's `_fast_image_processor_device` (`sent.py`)",
        "SGLang processes images by itself on such a CPU: pixels are left out; and where it resizes"
        " them on a GPU, `resize` is",
        HOOKED,
        "the same",
    ),
)
