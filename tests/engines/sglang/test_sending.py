"""SGLang's own processors, made to send pixels: what comes of a request's images, and who it is."""

import asyncio
import functools
import io
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
import sglang
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoProcessor

from engine_ext.pixels import NotByValue, restore
from engine_ext.sglang import naming, restoring
from engine_ext.sglang.restoring import CUT, VALUES
from engine_ext.sglang.sending import sending
from engine_ext.sglang.sent import Sent
from evals import checkpoints
from evals.serving.sglang_loader import load, server_args
from tests.engines.limits import NAME, VERSION, with_pixels

pytestmark = [
    with_pixels,
    pytest.mark.skipif(NAME == "sglang" and VERSION < (0, 5, 21), reason="other constructors"),
]

FAMILIES = ["qwen2_5_vl", "glm4v"]
SPANS = {
    "qwen2_5_vl": "<|vision_start|><|image_pad|><|vision_end|>",
    "glm4v": "<|begin_of_image|><|image|><|end_of_image|>",
}
PICTURE = Image.effect_noise((120, 90), 60).convert("RGB")


def encoded(**settings):
    buffer = io.BytesIO()
    PICTURE.save(buffer, "PNG", **settings)
    return buffer.getvalue()


OF_BYTES = torch.from_numpy(np.asarray(PICTURE).copy()).permute(2, 0, 1)
OF_TWO_FILES = [encoded(), encoded(), encoded(compress_level=0)]
OF_FLOATS = torch.rand(3, 90, 120, generator=torch.Generator().manual_seed(0)) * 255


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@functools.cache
def processors(family):
    """SGLang's processor of a family, and that which sends pixels."""
    from sglang.srt.managers import multimodal_processor as made
    from sglang.srt.runtime_context import publish

    path = str(checkpoints.path(family))
    load(path)  # publishes what a process of SGLang knows
    arguments = server_args(path)
    publish(arguments, role="tokenizer")
    made.import_processors("sglang.srt.multimodal.processors")
    wrapped = AutoProcessor.from_pretrained(path)
    from sglang.srt.configs.model_config import ModelConfig

    config = ModelConfig.from_server_args(arguments).hf_config
    stock = made.get_mm_processor_cls(config)
    return tuple(one(config, arguments, wrapped, "default") for one in (stock, sending(stock)))


def items_of(processor, family, images):
    from sglang.srt.multimodal.processors.base_processor import BaseMultiModalProcessorOutput

    text = SPANS[family] * len(images)
    given = BaseMultiModalProcessorOutput(input_text=text, images=images, videos=[], audios=[])
    items, ids, _ = processor.process_and_combine_mm_data(given, processor.mm_tokens)
    return items, ids


def restored(item):
    """The rows that a model gives itself of an item, or of what one is made of."""
    from sglang.srt.managers.schedule_batch import Modality, MultimodalDataItem

    said = item.model_specific_data
    made = MultimodalDataItem(
        modality=Modality.IMAGE, feature=item.feature, model_specific_data=said
    )
    return restoring.restored([made], None)[0].feature


def test_two_images_are_two_items_that_say_how_they_are_restored(family):
    stock, ours = processors(family)
    images = [PICTURE, PICTURE.rotate(90, expand=True)]
    found, ids = items_of(ours, family, images)
    expected, same_ids = items_of(stock, family, images)
    assert torch.equal(ids, same_ids)
    for item, same in zip(found, expected, strict=True):
        assert (item.feature.dtype, item.feature.dim()) == (torch.uint8, 3)
        assert torch.equal(restored(item), same.feature)
        assert item.offsets == same.offsets
    assert len({item.hash for item in found}) == 2


def test_the_same_image_is_the_same_item_and_named_before_it_is_sent(family):
    _, ours = processors(family)
    (first,), (second,) = (items_of(ours, family, [PICTURE])[0] for _ in range(2))
    assert first.pad_value == second.pad_value
    assert first.pad_value is not None


def test_two_images_of_one_colour_are_two(family):
    """As floats too they are the same bytes, so stock takes one for the other."""
    stock, ours = processors(family)
    images = [Image.new("RGB", size, "grey") for size in ((224, 112), (112, 224))]
    for one, count in ((stock, 1), (ours, 2)):
        items, _ = items_of(one, family, images)
        for item in items:
            item.set_pad_value()
        assert len({item.hash for item in items}) == count


def test_it_is_named_beside_the_event_loop(family, monkeypatch):
    """Where SGLang has no workers for its processors, as on a GPU, all else is done on it."""
    from sglang.srt.multimodal.processors.base_processor import BaseMultiModalProcessorOutput

    _, ours = processors(family)
    monkeypatch.setattr(ours, "mm_processor_executor", None)
    named_by, identity = [], naming.identity
    monkeypatch.setattr(
        naming,
        "identity",
        lambda *said: named_by.append(threading.current_thread()) or identity(*said),
    )
    given = BaseMultiModalProcessorOutput(
        input_text=SPANS[family], images=[PICTURE], videos=[], audios=[]
    )
    (item,), _, _ = asyncio.run(ours.process_and_combine_mm_data_async(given, ours.mm_tokens))
    (same,), _ = items_of(ours, family, [PICTURE])
    assert item.pad_value == same.pad_value
    beside, on_this = named_by
    assert beside is not on_this


def test_an_image_that_is_not_of_whole_numbers_is_sent_as_on_stock(family):
    stock, ours = processors(family)
    (item,), (same,) = (items_of(one, family, [OF_FLOATS])[0] for one in (ours, stock))
    assert VALUES not in item.model_specific_data
    assert torch.equal(item.feature, same.feature)


def test_the_processor_is_called_as_on_stock(family, monkeypatch):
    """What SGLang says of all kinds at once, transformers 5.8 drops beside settings of a kind."""
    stock, ours = processors(family)
    of_transformers, said = type(stock._processor), []
    called = of_transformers.__call__
    monkeypatch.setattr(
        of_transformers, "__call__", lambda *a, **k: said.append(sorted(k)) or called(*a, **k)
    )
    for one in (stock, ours):
        one.process_mm_data(SPANS[family], images=[PICTURE], do_sample_frames=False)
    as_on_stock, as_ours = said
    assert as_ours == as_on_stock


@pytest.mark.parametrize("media", [PICTURE, OF_BYTES, OF_FLOATS], ids=["PIL", "bytes", "floats"])
def test_images_known_by_their_content_are_sent_the_same_way(media):
    from sglang.srt.multimodal.media_artifacts import MediaArtifactInput
    from sglang.srt.multimodal.modality import Modality

    stock, ours = processors("qwen2_5_vl")
    entry = MediaArtifactInput(f"sha256:{'0' * 64}", f"sha256:{'1' * 64}", Modality.IMAGE, media)
    (found,), (expected,) = (one.prepare_artifact_batch([entry]) for one in (ours, stock))
    assert found.feature_hash == expected.feature_hash
    if media is OF_FLOATS:
        assert torch.equal(found.feature, expected.feature)
    else:
        assert torch.equal(restored(found), expected.feature)


@pytest.fixture
def resizing(monkeypatch):
    """SGLang's processor of a family, and that which sends images as they were decoded."""
    monkeypatch.setenv("ENGINE_EXT", "pixels,resize")
    processors.cache_clear()
    yield processors
    processors.cache_clear()


LARGE = Image.effect_noise((4200, 3900), 60).convert("RGB")


@pytest.mark.skipif(VERSION != (0, 5, 23), reason="resize: not tried on this version")
def test_with_resize_they_are_sent_as_they_were_decoded_where_they_are_small(resizing):
    """A large one in compact rows, in the same batch."""
    from sglang.srt.multimodal.media_artifacts import MediaArtifactInput
    from sglang.srt.multimodal.modality import Modality

    stock, ours = resizing("qwen2_5_vl")
    entries = [
        MediaArtifactInput(*[f"sha256:{place:064d}"] * 2, Modality.IMAGE, media)
        for place, media in enumerate([PICTURE, LARGE, PICTURE, OF_BYTES])
    ]
    for batch, are_decoded in ((entries[:3], [True, False, True]), (entries[3:], [False])):
        found, expected = (one.prepare_artifact_batch(batch) for one in (ours, stock))
        assert [CUT in one.model_specific_data for one in found] == are_decoded
        for one, other in zip(found, expected, strict=True):
            assert one.feature_hash == other.feature_hash
            assert torch.equal(restored(one), other.feature)


def test_the_fingerprint_of_what_is_cached_is_not_stocks_nor_another_processors(family):
    stock, ours = processors(family)
    assert ours.preprocess_fingerprint_payload() == {
        **stock.preprocess_fingerprint_payload(),
        "engine_ext": "pixels",
        "image_processor": repr(ours._processor.image_processor),
    }


@pytest.mark.parametrize("kind", ["image", "video"])
def test_on_a_version_that_was_not_tried_rows_are_restored_once_before_pixels_are_sent(
    family, kind, monkeypatch
):
    stock, _ = processors(family)
    of_kind = getattr(stock._processor, f"{kind}_processor")
    tried = Sent.of(of_kind, kind, {})
    monkeypatch.setattr(sglang, "__version__", "0.5.99")
    untried = Sent.of(of_kind, kind, {})
    assert torch.equal(untried.values, tried.values)
    monkeypatch.setattr("engine_ext.sglang.sent.restore", lambda *a: restore(*a) + 1)
    with pytest.raises(NotByValue, match="has not been tried, and rows are not restored"):
        Sent.of(of_kind, kind, {})


def asked(processor, images, **of_request):
    """What the tokenizer's process makes of a request of images alone."""
    request = SimpleNamespace(video_data=None, audio_data=None, rid="1", **of_request)
    made = processor.process_mm_data_async(
        image_data=images, input_text=SPANS["qwen2_5_vl"] * len(images), request_obj=request
    )
    return asyncio.run(made)


def named(processor, images, **of_request):
    return asked(processor, images, **of_request).mm_items


def test_an_image_is_known_by_what_came_in():
    """The pixels of another file are the same, and are not looked at."""
    _, ours = processors("qwen2_5_vl")
    first, again, other = (named(ours, [data])[0] for data in OF_TWO_FILES)
    assert first.hash == again.hash != other.hash
    assert torch.equal(first.feature, other.feature)
    assert first.pad_value is not None


def test_a_file_that_changed_between_two_requests_is_known_by_its_content(tmp_path):
    _, ours = processors("qwen2_5_vl")
    file, found = tmp_path / "picture.png", []
    for data in OF_TWO_FILES:
        file.write_bytes(data)
        found.append(named(ours, [f"file://{file}"])[0].hash)
    assert found == [named(ours, [data])[0].hash for data in OF_TWO_FILES]


@given(st.lists(st.binary(max_size=3), min_size=2, max_size=2), st.sampled_from(["low", "high"]))
def test_two_sources_are_one_only_if_bytes_and_settings_are(sources, detail):
    from sglang.srt.multimodal.modality import Modality

    knowing = processors("qwen2_5_vl")[1].by_content
    keys = [
        knowing._artifact_key(
            knowing.snapshot_media_source(data, Modality.IMAGE).content_digest,
            {"url": data, **settings},
            modality=Modality.IMAGE,
        )
        for data in sources
        for settings in ({}, {"detail": detail})
    ]
    assert len(set(keys)) == 2 * len(set(sources))


def test_what_cannot_be_known_by_what_came_in_is_processed_as_on_stock():
    """A digest of a router's that is not that of the picture, which stock does not look at."""
    stock, ours = processors("qwen2_5_vl")
    wrong = [f"sha256:{'0' * 64}"]
    (item,) = named(ours, OF_TWO_FILES[:1], mm_content_hashes=wrong)
    (same,) = named(stock, OF_TWO_FILES[:1], mm_content_hashes=wrong)
    assert torch.equal(restored(item), same.feature)
    assert item.hash is not None


def test_identities_of_a_caller_are_those_of_the_prompt():
    """SGLang sets them after this, and fills the places of a prompt by them where none are."""
    _, ours = processors("qwen2_5_vl")
    assert asked(ours, OF_TWO_FILES[:1]).padded_input_ids is not None
    assert asked(ours, OF_TWO_FILES[:1], mm_hashes=["ff"]).padded_input_ids is None


def test_what_nobody_can_read_is_refused_as_on_stock():
    said = []
    for one in processors("qwen2_5_vl"):
        with pytest.raises(ValueError, match="cannot identify image file") as error:
            named(one, [b"no picture"])
        said.append(str(error.value).partition("<")[0])
    assert said[0] == said[1]


def test_to_a_model_of_transformers_backend_images_are_sent_as_on_stock(extended):
    from sglang.srt.configs.model_config import ModelConfig

    from engine_ext.sglang import pixels

    path = str(checkpoints.path("qwen2_5_vl"))
    found = {}
    with extended():
        for backend in ("auto", "transformers"):
            config = ModelConfig.from_server_args(server_args(path, model_impl=backend))
            found[backend] = pixels._why_none(config)
    assert found == {"auto": "", "transformers": "the model is of transformers' backend"}


@pytest.fixture
def web():
    """A server that has no picture, and how often it was asked for each."""
    asked = Counter()

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self):
            asked[self.path] += 1
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def asked_about(processor, images, prompt):
    request = SimpleNamespace(
        video_data=None, audio_data=None, rid="one", mm_hashes=None, mm_content_hashes=None
    )
    call = {"image_data": images, "input_text": prompt, "request_obj": request}
    return asyncio.run(processor.process_mm_data_async(**call, audio_data=None))


def test_what_cannot_be_downloaded_is_asked_for_once_and_refused_in_stocks_words(web):
    address, asked = web
    said = []
    for number, processor in enumerate(processors("qwen2_5_vl")):
        images = [PICTURE, f"{address}/a picture {number}.png"]
        with pytest.raises(ValueError, match="404 Client Error") as refused:
            asked_about(processor, images, SPANS["qwen2_5_vl"] * 2)
        said.append(str(refused.value).replace(f" {number}.", ".").replace(f"%20{number}.", "."))
    assert said[0] == said[1]
    assert list(asked.values()) == [1, 1]


def test_without_a_place_in_the_prompt_no_image_is_processed(monkeypatch):
    stock, ours = processors("qwen2_5_vl")
    monkeypatch.setattr(ours.by_content, "prepare_media_artifacts_without_cache", None)
    found, expected = (asked_about(one, [PICTURE], "no place") for one in (ours, stock))
    assert found.mm_items == expected.mm_items == []
