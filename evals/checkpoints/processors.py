"""Image and video processor files of a checkpoint.

Pixel limits are lower than the hub's, so that tiny images stay tiny; Qwen3-VL and GLM-4V count the
pixels of all frames together, the older families those of one frame.
"""

_CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_HALVES = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
_COMMON = {
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "merge_size": 2,
    "resample": 3,
    "rescale_factor": 1 / 255,
    "temporal_patch_size": 2,
}
_QWEN2 = _COMMON | _CLIP | {"max_pixels": 448 * 448, "min_pixels": 56 * 56, "patch_size": 14}
_QWEN3 = _COMMON | _HALVES | {"patch_size": 16}
_GLM = _COMMON | _CLIP | {"patch_size": 14}


def image_processor(family: str) -> dict:
    """preprocessor_config.json."""
    if family == "qwen3_vl":
        return _QWEN3 | {
            "image_processor_type": "Qwen2VLImageProcessorFast",
            "processor_class": "Qwen3VLProcessor",
            "size": {"longest_edge": 16777216, "shortest_edge": 64 * 64},
        }
    if family == "glm4v":
        return _GLM | {
            "image_processor_type": "Glm4vImageProcessor",
            "processor_class": "Glm4vProcessor",
            "size": {"longest_edge": 9633792, "shortest_edge": 2 * 56 * 56},
        }
    return _QWEN2 | {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor" if family == "qwen2_vl" else "Qwen2_5_VLProcessor",
    }


def video_processor(family: str) -> dict:
    """video_preprocessor_config.json."""
    config = image_processor(family)
    del config["image_processor_type"]
    if family == "qwen3_vl":
        size = {"longest_edge": 25165824, "shortest_edge": 64 * 64}
        return config | {"size": size, "video_processor_type": "Qwen3VLVideoProcessor"}
    if family == "glm4v":
        return config | {"video_processor_type": "Glm4vVideoProcessor"}
    return config | {"video_processor_type": "Qwen2VLVideoProcessor"}
