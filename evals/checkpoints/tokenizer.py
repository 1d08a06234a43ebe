"""Tokenizer and chat template of a checkpoint.

The tokenizer is a byte-level BPE with the families' own special tokens. It is trained on the
project's questions, so that a prompt is about a hundred tokens and not five hundred.
"""

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from evals.checkpoints.questions import KINDS, WORD, question_text

QWEN_SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
    "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
GLM_SPECIAL = (
    "<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>",
    "<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>",
    "<|begin_of_video|>", "<|end_of_video|>", "<|image|>", "<|video|>",
)  # fmt: skip

QWEN_TEMPLATE = """\
{%- for message in messages %}
{%- if loop.first and message.role != 'system' %}
{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.content is string %}{{- message.content }}
{%- else %}
{%- for content in message.content %}
{%- if content.type == 'image' or 'image' in content or 'image_url' in content %}
{{- '<|vision_start|><|image_pad|><|vision_end|>' }}
{%- elif content.type == 'video' or 'video' in content or 'video_url' in content %}
{{- '<|vision_start|><|video_pad|><|vision_end|>' }}
{%- elif 'text' in content %}{{- content.text }}
{%- endif %}
{%- endfor %}
{%- endif %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
GLM_TEMPLATE = """\
{{- '[gMASK]<sop>' }}
{%- for message in messages %}
{{- '<|' + message.role + '|>\\n' }}
{%- if message.content is string %}{{- message.content }}
{%- else %}
{%- for content in message.content %}
{%- if content.type == 'image' or 'image' in content or 'image_url' in content %}
{{- '<|begin_of_image|><|image|><|end_of_image|>' }}
{%- elif content.type == 'video' or 'video' in content or 'video_url' in content %}
{{- '<|begin_of_video|><|video|><|end_of_video|>' }}
{%- elif 'text' in content %}{{- content.text }}
{%- endif %}
{%- endfor %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>\\n' }}{%- endif %}
"""

# Qwen2's splitting rule. transformers >= 5 rebuilds the pre-tokenizer of a Qwen2Tokenizer from
# this rule whatever the file says, older releases follow the file: only this rule suits both.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_VOCABULARY = 480  # before the special tokens
_OTHER_WORDS = (
    "system\nuser\nassistant\nYou are a helpful assistant.",
    "What is in this image? Describe the picture, please. <0.2 seconds><1.2 seconds>",
)


def stop_token(family: str) -> str:
    """The token that ends an answer."""
    return "<|user|>" if family == "glm4v" else "<|im_end|>"


def write_tokenizer(family: str, folder: Path) -> Tokenizer:
    """Trains the tokenizer of `family` and writes its files and its chat template to `folder`."""
    glm = family == "glm4v"
    special = GLM_SPECIAL if glm else QWEN_SPECIAL
    template = GLM_TEMPLATE if glm else QWEN_TEMPLATE
    tokenizer = _train(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    if not glm:  # GLM-4V has tokenizer.json alone
        tokenizer.model.save(str(folder))
    added = {
        str(tokenizer.token_to_id(token)): {
            "content": token, "lstrip": False, "normalized": False, "rstrip": False,
            "single_word": False, "special": True,
        }
        for token in special
    }  # fmt: skip
    config = {
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": list(special),
        "bos_token": None,
        "chat_template": template,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|endoftext|>" if glm else "<|im_end|>",
        "errors": "replace",
        "model_max_length": 32768,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "PreTrainedTokenizerFast" if glm else "Qwen2Tokenizer",
        "unk_token": None,
    }
    _write_json(folder / "tokenizer_config.json", config)
    if glm:
        (folder / "chat_template.jinja").write_text(template)
    else:
        _write_json(folder / "chat_template.json", {"chat_template": template})
    return tokenizer


def _train(special: tuple[str, ...]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    corpus = [question_text(kind) for kind in (*KINDS, WORD)] + list(_OTHER_WORDS)
    tokenizer.train_from_iterator(corpus * 4, trainer)
    tokenizer.add_special_tokens(list(special))
    return tokenizer


def _write_json(file: Path, content: dict) -> None:
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
