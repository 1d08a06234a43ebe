"""Points that were measured, as rows of CSV."""

from benchmarks.record import Row, append, newest, read


def row(**changes):
    fields = {
        "what": "patch_embed",
        "provider": "engine_ext",
        "shape": "D=8 K=3x2x4x4",
        "count": 64,
        "dtype": "float32",
        "device": "a device",
        "median": 1.25,
        "low": 1.0,
        "high": 2.0,
    }
    return Row(**{**fields, **changes})


def test_rows_are_added_below_one_header(tmp_path):
    file = append([row()], "points", tmp_path)
    assert append([row(provider="F.linear", ratio=0.5)], "points", tmp_path) == file
    first, second = read(file)
    assert (first["provider"], first["median"], first["ratio"]) == ("engine_ext", "1.25", "")
    assert (second["provider"], second["ratio"]) == ("F.linear", "0.5")


def test_a_row_names_torch_and_when_its_run_began(tmp_path):
    (found,) = read(append([row()], "points", tmp_path))
    assert found["torch"]
    assert len(found["date"]) == len("2026-01-01T00:00:00")


def test_a_point_that_was_measured_again_counts_as_it_was_last(tmp_path):
    before = [row(date="2026-01-01T00:00:00", provider=name) for name in ("conv", "gone")]
    again = [row(date="2026-01-02T00:00:00", provider="conv", median=7.0)]
    other = [row(date="2026-01-01T00:00:00", provider="conv", count=128)]
    found = newest(read(append([*before, *again, *other], "points", tmp_path)))
    shown = [(one["provider"], one["count"], one["median"]) for one in found]
    assert sorted(shown) == [("conv", "128", "1.25"), ("conv", "64", "7")]
