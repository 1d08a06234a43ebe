"""Where the adapter reaches into vLLM."""

from engine_ext.interventions import Intervention
from engine_ext.versions import TriedVersions
from engine_ext.vllm.versions import TRIED

RAY = TriedVersions((0, 20), TRIED.beyond, "0.20 to 0.33")
LAYER = TriedVersions((0, 11, 1), TRIED.beyond, "0.11.1 to 0.33")
PIXELS = TriedVersions((0, 28), TRIED.beyond, "0.28 to 0.33")

PUBLIC = "stays: it is vLLM's own way in"
_REGISTRY = "vllm.model_executor.models.registry"
_INFO = "vllm.multimodal.processing.context:BaseProcessingInfo"
_MODEL = "vllm.model_executor.models.interfaces"

INTERVENTIONS = (
    Intervention(
        "vllm.plugins:load_general_plugins",
        "calls the entry point of the group `vllm.general_plugins` in every process (`plugin.py`)",
        "the way in",
        TRIED,
        PUBLIC,
    ),
    Intervention(
        "vllm.ray.ray_env:DEFAULT_ENV_VAR_PREFIXES",
        "`ENGINE_EXT` is added (`plugin.py`)",
        "actors of Ray inherit no variables: vLLM copies those that begin so. Its variable for more"
        " of them is a part of the key of its compile cache",
        RAY,
        "when that variable is none",
        "#34383",
    ),
    Intervention(
        "vllm:ModelRegistry.register_model",
        'called as `(architecture, "module:Class")` (`overrides.py`)',
        "overrides are registered by name, so no model is imported before it is needed",
        TRIED,
        PUBLIC,
    ),
    Intervention(
        f"{_REGISTRY}:_LazyRegisteredModel",
        "`module_name` and `class_name` are read (`overrides.py`)",
        "the engine's class to subclass. What vLLM inspects of a class is cached by its name and"
        " the hash of its file, so the override's name carries vLLM's version",
        TRIED,
        "when the registry says which class it had before",
    ),
    Intervention(
        "vllm.model_executor.model_loader.utils:initialize_model",
        "reads the signature of `__init__`; the override's is `(*, vllm_config, prefix)`"
        " (`overrides.py`)",
        "projections are replaced before vLLM reads a weight, or records the modules for a reload",
        TRIED,
        "stays: a model is made so",
    ),
    Intervention(
        "vllm.model_executor.model_loader.base_loader:BaseModelLoader.load_model",
        "every loader ends by `model.eval()`, which the override sees as `train(False)`"
        " (`overrides.py`)",
        "the projection is checked once, when its weights are there, whatever the load format",
        TRIED,
        "when vLLM calls a method of the model once it is loaded",
    ),
    Intervention(
        "vllm.model_executor.layers.conv:Conv3dLayer",
        "run once without data; replaced where it convolves, or where `linear` is named"
        " (`overrides.py`)",
        "it multiplies or convolves by the version of torch and the platform",
        LAYER,
        "when it multiplies with every torch",
        "#27418",
    ),
    Intervention(
        "vllm.logger:init_logger",
        "called (`log.py`)",
        "only loggers made by it reach vLLM's log",
        TRIED,
        "stays",
    ),
    Intervention(
        "vllm.multimodal.registry:_ProcessorFactories",
        "the `info` and the `processor` of a model's `_processor_factory` are subclassed"
        " (`sending.py`)",
        "images are sent as one frame each, or as they were decoded",
        PIXELS,
        "when vLLM sends one frame of an image itself",
        "#44787",
    ),
    Intervention(
        f"{_INFO}.get_hf_processor",
        "overridden in that subclass: its image processor's `temporal_patch_size` is 1, where that"
        " changes no size; with `resize` it gives pictures and the sizes they would get"
        " (`sending.py`)",
        "an image is not written twice first, nor resized",
        PIXELS,
        "the same",
    ),
    Intervention(
        "vllm.multimodal.processing.processor:BaseMultiModalProcessor._get_mm_fields_config",
        "overridden in that subclass: each image is an item by itself (`MultiModalFieldConfig`),"
        " with an input of ours"
        " (`sending.py`)",
        "all that a processor gives for a request passes there before it is cut into items",
        PIXELS,
        "the same",
    ),
    Intervention(
        "vllm.multimodal.utils:group_and_batch_mm_items",
        "relied on: items whose inputs have other names are in no batch together (`patch.py`)",
        "images of ours and of stock may come from two servers, and have other shapes",
        PIXELS,
        "the same",
    ),
    Intervention(
        f"{_MODEL}:SupportsMultiModal.embed_multimodal",
        "overridden in every model, as is `get_multimodal_embeddings` (`receiving.py`)",
        "images get the rows that the processor would have given; then stock's own is called",
        PIXELS,
        "the same",
    ),
    Intervention(
        f"{_MODEL}:SupportsEncoderCudaGraph.get_encoder_cudagraph_item_specs",
        "overridden, as are `select_encoder_cudagraph_items` and"
        " `prepare_encoder_cudagraph_replay_buffers` (`receiving.py`)",
        "encoder CUDA graphs are given the inputs of images beside `embed_multimodal`",
        PIXELS,
        "the same",
    ),
)
