"""The malformed requests are malformed in the way that their names say."""

import base64
import binascii
import io
import json
import struct
import zlib

import pytest
from PIL import Image, UnidentifiedImageError

from evals import checkpoints
from evals.media.images import claimed_png
from evals.soak.odd import CONTEXT_FILLING, MALFORMED, ODD, UNUSUAL


def url(content):
    part = content[0]
    return part[part["type"]]["url"]


def data(kind):
    return base64.b64decode(url(ODD[kind]()).split(",", 1)[1], validate=True)


def picture(kind):
    image = Image.open(io.BytesIO(data(kind)))
    image.load()
    return image


@pytest.mark.parametrize("size", [(0, 0), (9000, 9000), (60000, 60000)])
def test_a_claimed_size_stands_in_a_header_with_a_right_checksum(size):
    png = claimed_png(*size)
    header = png[12:29]
    assert header[:4] == b"IHDR"
    assert struct.unpack(">II", header[4:12]) == size
    assert struct.unpack(">I", png[29:33]) == (zlib.crc32(header),)


def test_a_claimed_size_has_no_pixels_behind_it():
    assert len(claimed_png(60000, 60000)) < 100


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("truncated PNG", OSError),
        ("0x0 image", UnidentifiedImageError),
        ("PNG that claims 9000x9000", OSError),
        ("PNG that claims 60000x60000", Image.DecompressionBombError),
        ("text declared as PNG", UnidentifiedImageError),
    ],
)
def test_a_malformed_picture_cannot_be_read(kind, error):
    with pytest.raises(error):
        picture(kind)


@pytest.mark.parametrize("kind", ["broken base64", "base64 cut short"])
def test_broken_base64_is_not_base64(kind):
    with pytest.raises(binascii.Error):
        data(kind)


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("1x1 image", (1, 1)),
        ("20:1 image", (560, 28)),
        ("250:1 image", (3500, 14)),
        ("image of 12 megapixels", (4000, 3000)),
    ],
)
def test_an_unusual_size_is_a_whole_picture_of_that_size(kind, size):
    assert picture(kind).size == size


def test_a_picture_declared_as_another_format_is_a_png():
    assert url(ODD["PNG declared as GIF"]()).startswith("data:image/gif;")
    assert picture("PNG declared as GIF").format == "PNG"


@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_many_pictures_exceed_the_context_in_each_family(family):
    config = json.loads((checkpoints.path(family) / "preprocessor_config.json").read_text())
    of_a_token = (config["patch_size"] * config["merge_size"]) ** 2
    most = config.get("max_pixels") or config["size"]["longest_edge"]
    parts = ODD["images beyond the context"]()
    assert [part["type"] for part in parts[:-1]] == ["image_url"] * CONTEXT_FILLING
    # An image processor rounds the sides of a picture to whole tokens; a tenth is room for that.
    assert 0.9 * CONTEXT_FILLING * min(1000 * 1000, most) / of_a_token > 2048


def test_every_kind_can_be_sent_as_json_and_is_like_no_other():
    sent = [json.dumps(content()) for content in ODD.values()]
    assert len(set(sent)) == len(ODD) == len(UNUSUAL) + len(MALFORMED)
