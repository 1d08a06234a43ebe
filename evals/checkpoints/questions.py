"""The questions: handwritten digits on coloured backgrounds, as stills and as short clips.

Three kinds of multiple-choice question, each about something the patch embedding must carry:
the digit (rows and columns of the kernel), the background colour (its channels) and, for a clip,
the colour that comes first (its two temporal halves). A fourth kind asks for the digit in a word,
without options.

The digits are scikit-learn's `load_digits`: 1797 labelled 8x8 scans. Four fifths of them are for
training, the rest is held out. This module needs numpy, Pillow and scikit-learn; no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from evals.checkpoints import side as side_of
from evals.media.avi import encode_avi
from evals.media.content import part
from evals.media.images import encode

KINDS = ("digit", "color", "video")
WORD = "word"
LETTERS = "ABCDEFGHIJ"
DIGITS = tuple(str(i) for i in range(10))
COLORS = {
    "red": (230, 70, 70),
    "green": (70, 200, 80),
    "blue": (80, 100, 235),
    "yellow": (235, 225, 70),
    "purple": (190, 80, 220),
    "gray": (150, 150, 150),
}
ASKED = {
    "digit": "Which digit is shown?",
    "color": "Which color is the background?",
    "video": "Which color comes first?",
    WORD: "Which digit is shown?",
}
SUFFIX = "\nAnswer with the option's letter from the given choices directly."
WORD_SUFFIX = "\n\nAnswer the question using a single word or phrase."
"""As lmms-eval ends an open question of MMMU."""

FPS = 2.0  # every engine samples two frames a second by default: at this rate it keeps every frame
FRAMES = 4  # the fewest the Qwen families accept


@dataclass(frozen=True)
class Question:
    """One question.

    `images` holds the still, or the clip's frames in order. `answer` is the letter of the right
    option, or the digit where one is asked for in a word; `options` the options in the order of
    their letters. `shown` says what the images show: the digit and the background of each picture,
    one for a still, two for a clip.
    """

    kind: str
    name: str
    text: str
    images: list[Image.Image]
    is_video: bool
    answer: str
    options: tuple[str, ...]
    shown: tuple[str, ...]


def large(side: int) -> int:
    """Side of a large image, in pixels: five merged patches where a small one has two.

    140 px with patches of 14: more than one of Qwen2.5-VL's attention windows of 112 px.
    """
    return side * 5 // 2


def options(kind: str) -> tuple[str, ...]:
    """The options of a kind of question, always in the same order."""
    return DIGITS if kind in ("digit", WORD) else tuple(COLORS)


def question_text(kind: str) -> str:
    """The question, its lettered options and the request to answer by letter; or in a word."""
    if kind == WORD:
        return ASKED[kind] + WORD_SUFFIX
    choices = (f"{LETTERS[i]}. {option}" for i, option in enumerate(options(kind)))
    return "\n".join((ASKED[kind], *choices)) + SUFFIX


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Ink of every digit, `(1797, 8, 8)` in [0, 1], and the digits themselves, `(1797,)`."""
    data = load_digits()
    return data.images / 16.0, data.target


@cache
def split() -> tuple[np.ndarray, np.ndarray]:
    """Indices of the digits to train on, `(1437,)`, and of those held out, `(360,)`."""
    order = np.random.RandomState(0).permutation(len(digits()[1]))
    cut = int(0.8 * len(order))
    return order[:cut], order[cut:]


def ask(
    rng: np.random.RandomState, kind: str, index: int, side: int, augment: bool = False
) -> Question:
    """A question about digit number `index`; `rng` draws the colours and, to train, shifts the ink.

    A clip alternates between two backgrounds, A B A B. A temporal patch spans two frames, so every
    patch of the clip reads "A then B": only the order of the kernel's temporal halves tells which
    colour comes first. Any sampler that keeps at least frames 0 and 3 keeps the answer.
    """
    ink, label = digits()[0][index], str(digits()[1][index])
    if augment:
        ink = _shifted(ink, rng)
    names = [str(name) for name in rng.permutation(list(COLORS))]
    tone = rng.randint(0, 50) + rng.randint(-8, 9, 3)
    count = 2 if kind == "video" else 1
    pictures = [_render(ink, name, tone, side, rng) for name in names[:count]]
    if kind == "video":
        name = f"clip {index}: a {label}, {names[0]} then {names[1]}"
    else:
        name = f"digit {index}: a {label} on {names[0]}"
    chosen = options(kind)
    right = label if chosen is DIGITS else names[0]
    return Question(
        kind=kind,
        name=name,
        text=question_text(kind),
        images=pictures * (FRAMES // 2) if kind == "video" else pictures,
        is_video=kind == "video",
        answer=right if kind == WORD else LETTERS[chosen.index(right)],
        options=chosen,
        shown=(label, *names[: len(pictures)]),
    )


def held_out(
    limit: int | None = None, seed: int = 0, side: int = 56, kinds: Sequence[str] = KINDS
) -> list[Question]:
    """Questions about digits no checkpoint was trained on: each kind once for each of 360 digits.

    Kinds take turns and every third digit is large, so the first `limit` questions are a fair
    sample. `seed` draws the order of the digits and the colours; `side` is that of a small image.
    """
    rng = np.random.RandomState(seed)
    chosen = []
    for position, index in enumerate(rng.permutation(split()[1])):
        pixels = large(side) if position % 3 == 2 else side
        chosen += [ask(rng, kind, int(index), pixels) for kind in kinds]
        if limit is not None and len(chosen) >= limit:
            return chosen[:limit]
    return chosen


def chat_content(question: Question) -> list[dict]:
    """The question as content parts of an OpenAI chat message, with its pixels as a data URL.

    A still travels as PNG, which is lossless, a clip as an AVI file of JPEG frames.
    """
    if question.is_video:
        shown = part("video/avi", encode_avi(question.images, FPS))
    else:
        shown = part("image/png", encode(question.images[0]))
    return [shown, {"type": "text", "text": question.text}]


def conversations(family: str, skip: int = 0, video: bool = True) -> dict[str, Any]:
    """The content of one user message by name: an image, two, a text and, if wanted, a video.

    Held-out questions of a family, small and large; ``skip`` passes over as many, for images that a
    server has not seen.
    """
    questions = held_out(limit=skip + 12, side=side_of(family))[skip:]
    images = [question for question in questions if not question.is_video]
    clip = next(question for question in questions if question.is_video)
    (first, text), (second, _) = chat_content(images[0]), chat_content(images[1])
    found = {
        "image": [first, text],
        "another image": chat_content(images[5]),
        "two images": [first, second, text],
        "text": text["text"],
    }
    return {**found, "video": chat_content(clip)} if video else found


def _shifted(ink: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """The `(8, 8)` ink moved by up to one of its pixels and made a little lighter or darker."""
    down, right = rng.randint(0, 3, 2)
    moved = np.pad(ink, 1)[down : down + 8, right : right + 8]
    return np.clip(moved * rng.uniform(0.85, 1.1), 0, 1)


def _render(
    ink: np.ndarray, color: str, tone: np.ndarray, side: int, rng: np.random.RandomState
) -> Image.Image:
    """`(8, 8)` ink of colour `tone` on a shade of `color`, enlarged to `side` x `side` px."""
    ground = np.clip(np.array(COLORS[color]) + rng.randint(-20, 21, 3), 0, 255)
    pixels = ground * (1 - ink[..., None]) + tone * ink[..., None]
    small = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return small.resize((side, side), Image.BILINEAR)
