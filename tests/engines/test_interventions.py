"""What the adapter relies on is in the engine that is installed here."""

from importlib import import_module

from engine_ext.installed import installed_version
from engine_ext.interventions import examined
from tests.engines.limits import NAME


def test_every_target_exists():
    rows = import_module(f"engine_ext.{NAME}.interventions").INTERVENTIONS
    found = examined(rows, installed_version(NAME))
    assert found
    assert {one["target"]: one["problem"] for one in found if one["problem"]} == {}
