"""Points that were measured, as rows of CSV."""

from benchmarks.record import Row, append, compared, newest, points, read
from benchmarks.timing import Times

POINT = {"model": "a model", "shape": "a shape", "count": 64, "dtype": "float32"}


def row(**changes):
    found = {"what": "layer", "provider": "engine_ext", "tower": "", "device": "a device"}
    return Row(**{**found, **POINT, "median": 1.25, "low": 1.0, "high": 2.0, **changes})


def test_rows_are_added_below_one_header(tmp_path):
    append([row()], "points", tmp_path)
    append([row(provider="F.linear", ratio=0.5)], "points", tmp_path)
    first, second = read("points", tmp_path)
    assert (first["provider"], first["median"], first["ratio"]) == ("engine_ext", "1.25", "")
    assert (second["provider"], second["ratio"]) == ("F.linear", "0.5")


def test_where_nothing_was_recorded_there_are_no_rows(tmp_path):
    assert read("points", tmp_path) == []


def test_a_row_names_torch_and_when_its_run_began(tmp_path):
    append([row()], "points", tmp_path)
    (found,) = read("points", tmp_path)
    assert found["torch"]
    assert len(found["date"]) == len("2026-01-01T00:00:00")


def test_a_point_that_was_measured_again_counts_as_it_was_last():
    dates = {"before": "2026-01-01T00:00:00", "again": "2026-01-02T00:00:00"}
    rows = [row(date=dates["before"], provider=name) for name in ("conv", "gone")]
    rows.append(row(date=dates["again"], provider="conv", median=7.0))
    rows.append(row(date=dates["before"], provider="conv", count=128))
    found = newest({name: str(value) for name, value in vars(each).items()} for each in rows)
    shown = [(one["provider"], one["count"], one["median"]) for one in found]
    assert shown == [("conv", "64", "7.0"), ("conv", "128", "1.25")]


def test_runs_are_not_mixed(tmp_path):
    engine = "vLLM 0.32.0"
    rows = [row(), row(provider="F.linear"), row(engine=engine)]
    append(rows, "points", tmp_path)
    found = [sorted(point) for point in points(read("points", tmp_path))]
    assert found == [["F.linear", "engine_ext"], ["engine_ext"]]


def test_a_ratio_above_one_is_better_than_the_reference():
    def ratios(unit):
        found = compared({"off": [2.0], "on": Times(1, 1, 1)}, "off", what="it", unit=unit)
        return {one.provider: one.ratio for one in found}

    assert ratios("ms") == {"off": 1.0, "on": 2.0}
    assert ratios("requests/s") == {"off": 1.0, "on": 0.5}


def test_what_one_of_them_has_not_is_of_no_ratio():
    found = compared({"off": [2.0], "on": [0.0]}, "off", what="it", peak_mib={"on": 5.0})
    assert [(one.ratio, one.peak_mib) for one in found] == [(None, None), (None, 5.0)]
