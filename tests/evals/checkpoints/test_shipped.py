"""The shipped checkpoints are whole, small, and answer."""

import hashlib
import json
from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision", reason="the video processors need torchvision")
transformers = pytest.importorskip("transformers", minversion="4.57")
pytest.importorskip("sklearn", reason="the questions are made from scikit-learn's digits")

from evals.checkpoints import FAMILIES, path, side  # noqa: E402
from evals.checkpoints.batch import load, patch_projection  # noqa: E402
from evals.checkpoints.damage import swapped_frames  # noqa: E402
from evals.checkpoints.measure import answers, batches  # noqa: E402
from evals.checkpoints.questions import held_out  # noqa: E402

SAMPLE = 60
MEGABYTE = 1024 * 1024


class Sample:
    """A family's checkpoint with the questions of the sample, encoded once."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.model, self.processor = load(path(family), torch.bfloat16)
        self.questions = held_out(SAMPLE, side=side(family))
        self.encoded = batches(family, self.processor, self.questions)

    def answers(self):
        return answers(self.model, self.processor, self.encoded)


@pytest.fixture(scope="module", params=FAMILIES)
def sample(request: pytest.FixtureRequest) -> Iterator[Sample]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Sample(request.param)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("family", FAMILIES)
def test_files_match_their_checksums(family: str) -> None:
    lines = (path(family) / "SHA256SUMS").read_text().splitlines()
    recorded = {name: digest for digest, name in (line.split("  ") for line in lines)}
    present = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in path(family).iterdir()
        if file.name != "SHA256SUMS"
    }
    assert present == recorded


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_takes_at_most_two_megabytes(family: str) -> None:
    assert sum(file.stat().st_size for file in path(family).iterdir()) <= 2 * MEGABYTE


@pytest.mark.parametrize("family", FAMILIES)
def test_the_report_says_every_kind_of_question_is_answered(family: str) -> None:
    figures = json.loads((path(family) / "report.json").read_text())["bfloat16"]
    assert figures["all"]["accuracy"] >= 0.93
    assert figures["word"]["accuracy"] >= 0.85
    assert figures["all"]["margin_mean"] > 3


def test_the_model_is_of_its_family(sample: Sample) -> None:
    assert sample.model.config.model_type == sample.family


def test_held_out_questions_are_answered_rightly(sample: Sample) -> None:
    right = [answer.right for answer in sample.answers()]
    assert sum(right) / len(right) >= 0.93


def test_answers_are_decided_by_a_clear_margin(sample: Sample) -> None:
    margins = [answer.margin for answer in sample.answers()]
    assert sum(margins) / len(margins) > 3


def test_an_answer_is_one_token(sample: Sample) -> None:
    assert all(answer.stops for answer in sample.answers())


def test_the_sample_holds_clips_and_large_images() -> None:
    questions = held_out(SAMPLE)
    assert any(question.is_video for question in questions)
    assert any(question.images[0].width > 112 for question in questions)


def test_swapped_temporal_halves_break_video_answers(sample: Sample) -> None:
    projection = patch_projection(sample.model)
    kernel = projection.weight.data
    projection.weight.data = swapped_frames(kernel).contiguous()
    try:
        after = sample.answers()
    finally:
        projection.weight.data = kernel
    videos = [
        answer.right
        for answer, question in zip(after, sample.questions, strict=True)
        if question.is_video
    ]
    assert sum(videos) / len(videos) < 0.2


def test_a_patch_embedding_bias_is_far_from_zero(sample: Sample) -> None:
    bias = patch_projection(sample.model).bias
    if bias is None:
        pytest.skip("this family's patch embedding has no bias")
    assert bias.float().abs().mean() > 0.1
