"""The questions are fair, reproducible and travel as chat messages."""

import base64
import io
import struct
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the questions are made from scikit-learn's digits")
from PIL import Image

from evals.checkpoints.questions import (
    KINDS,
    LETTERS,
    WORD,
    WORD_SUFFIX,
    Question,
    chat_content,
    held_out,
    large,
    split,
)
from evals.media.avi import encode_avi


def first(kind: str) -> Question:
    return next(question for question in held_out(3) if question.kind == kind)


def decoded(url: str) -> bytes:
    return base64.b64decode(url.split(",", 1)[1])


def test_held_out_digits_are_not_trained_on() -> None:
    train, rest = split()
    assert not set(train) & set(rest)
    assert len(train) + len(rest) == 1797


def test_every_kind_is_asked_once_for_each_held_out_digit() -> None:
    assert Counter(question.kind for question in held_out()) == dict.fromkeys(KINDS, 360)


def test_a_limit_takes_the_first_questions() -> None:
    assert [q.name for q in held_out(7)] == [q.name for q in held_out()[:7]]


def test_the_same_seed_asks_the_same_questions() -> None:
    one, two = held_out(6, seed=3), held_out(6, seed=3)
    assert [q.name for q in one] == [q.name for q in two]
    assert all(np.array_equal(a.images[0], b.images[0]) for a, b in zip(one, two, strict=True))


def test_the_answer_is_the_letter_of_the_option_in_the_name() -> None:
    for question in held_out(30):
        option = question.options[LETTERS.index(question.answer)]
        wanted = {"digit": f"a {option} on", "color": f"on {option}", "video": f", {option} then"}
        assert wanted[question.kind] in question.name


def test_a_question_for_a_word_has_no_options_and_the_digit_for_its_answer() -> None:
    for letter, word in zip(held_out(9, kinds=["digit"]), held_out(9, kinds=[WORD]), strict=True):
        assert word.text == "Which digit is shown?\n\n" + WORD_SUFFIX.strip()
        assert word.answer == word.shown[0]
        assert word.name == letter.name


def test_every_third_digit_is_large() -> None:
    widths = [question.images[0].width for question in held_out(9, side=64)]
    assert widths == [64] * 6 + [large(64)] * 3


def test_large_images_exceed_an_attention_window() -> None:
    assert large(56) > 112


def test_a_clip_alternates_between_two_pictures() -> None:
    clip = [np.asarray(frame) for frame in first("video").images]
    assert np.array_equal(clip[0], clip[2])
    assert np.array_equal(clip[1], clip[3])
    assert not np.array_equal(clip[0], clip[1])


def test_a_still_travels_unchanged() -> None:
    question = first("digit")
    media, text = chat_content(question)
    sent = Image.open(io.BytesIO(decoded(media["image_url"]["url"])))
    assert np.array_equal(sent, question.images[0])
    assert text == {"type": "text", "text": question.text}


def test_a_clip_travels_as_an_avi_file() -> None:
    data = decoded(chat_content(first("video"))[0]["video_url"]["url"])
    assert data[:4] == b"RIFF"
    assert data[8:12] == b"AVI "
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8


def test_opencv_reads_every_frame_of_a_clip(tmp_path) -> None:
    cv2 = pytest.importorskip("cv2", reason="pip install opencv-python-headless")
    images = first("video").images
    file = tmp_path / "clip.avi"
    file.write_bytes(encode_avi(images, 2.0))
    reader = cv2.VideoCapture(str(file))
    assert reader.get(cv2.CAP_PROP_FPS) == 2.0
    frames = []
    while (read := reader.read())[0]:
        frames.append(read[1][:, :, ::-1])
    assert len(frames) == len(images)
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.astype(int) - np.asarray(image)).max() <= 16
