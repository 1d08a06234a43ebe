"""The scan follows classes to a convolution across modules, without importing them."""

import pytest

from tests.engines.source_scan import SourceScan

SOURCES = {
    "models/__init__.py": "from .wrapped import Renamed",
    "models/patches.py": "class Embed:\n    def __init__(self): self.proj = nn.Conv3d(3, 8, 2)\n",
    "models/tower.py": "from .patches import Embed as E\nclass Tower:\n    proj = E\n",
    "models/chat.py": (
        "from pkg.models.tower import Tower\nraise RuntimeError('imported')\n"
        "class Base:\n    tower = Tower\n"
        "class Chat(Base): ...\n"
        "class TextOnly: ...\n"
    ),
    "models/made.py": (
        "from .tower import Tower\ndef make(): return Tower()\nclass Made:\n    m = make\n"
    ),
    "models/wrapped.py": "from .chat import Chat as Renamed\n",
    "models/loop.py": "from .loop2 import B\nfrom .tower import Tower\nclass A:\n    b = B\n",
    "models/loop2.py": "from .loop import A\nclass B:\n    a = A\n",
    "models/sub/deep.py": "from ..tower import Tower\nclass Deep(Tower): ...\n",
    "models/flat.py": "class Flat:\n    proj = nn.Conv2d\n",
}


@pytest.fixture
def scan(tmp_path):
    for name, text in SOURCES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return SourceScan(tmp_path, "pkg", ["models"])


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("patches", "Embed"),
        ("tower", "Tower"),
        ("chat", "Chat"),
        ("made", "Made"),
        ("wrapped", "Renamed"),
        ("sub.deep", "Deep"),
    ],
)
def test_finds_classes_that_lead_to_a_conv3d(scan, module, name):
    assert scan.reaches_conv3d(f"pkg.models.{module}", name)


@pytest.mark.parametrize(
    ("module", "name"),
    [("chat", "TextOnly"), ("loop", "A"), ("flat", "Flat"), ("absent", "Nothing")],
)
def test_passes_over_classes_that_do_not(scan, module, name):
    assert not scan.reaches_conv3d(f"pkg.models.{module}", name)


def test_follows_names_a_package_re_exports(scan):
    assert scan.reaches_conv3d("pkg.models", "Renamed")
