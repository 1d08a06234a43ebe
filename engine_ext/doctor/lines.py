"""What ``engine-ext doctor`` found, as lines for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine_ext.doctor.measure import rounded
from engine_ext.features import VARIABLE
from engine_ext.installed import REPORT

OK, OFF, FAIL, SAID = "[ok]", "[off]", "[fail]", ""
MEND = "  mend"
"""Label of a command, which is never folded: it is there to be pasted."""

HOW = {
    "process": "on the CPU (SGLang with a GPU does it there); `resize`: where the model is",
    "identity": "SHA-256 of the rows",
    "copy": "to the GPU",
    "tower": "of transformers, with products",
}
"""What a stage of an image is, or is shortened by."""

Row = tuple[str, str, str]
"""A mark, a label and what is said."""


def lines(report: Mapping[str, Any], width: int | None = None) -> Iterator[str]:
    """The report, a line for each thing it says.

    Args:
        width: of the terminal, at which lines are folded; not folded for None.
    """
    found = list(_rows(report))
    label_width = max(len(label) for _, label, _ in found)
    for mark, label, value in found:
        head = f"{mark:<6} {label:<{label_width}}  "
        if width is None or label == MEND:
            yield head + value
            continue
        yield from textwrap.wrap(
            value,
            max(width, len(head) + 20),
            initial_indent=head,
            subsequent_indent=" " * len(head),
            break_long_words=False,
            break_on_hyphens=False,
        )


def _rows(report: Mapping[str, Any]) -> Iterator[Row]:
    stack = report["stack"]
    yield SAID, "engine_ext", report["engine_ext"]
    yield SAID, "Python", report["python"]
    if stack["torch"] is None:
        yield FAIL, "torch", "cannot be used"
    else:
        yield SAID, "torch", stack["torch"]
        yield SAID, "GPU", stack["gpu"] or "none visible to torch"
        yield SAID, "cuDNN", stack["cudnn"] or "none (CPU build)"
    yield SAID, VARIABLE, report[VARIABLE] or "not set: what is on by default"
    for name, engine in report["engines"].items():
        yield SAID, name, engine["version"]
        yield from ((mark, f"  {label}", value) for mark, label, value in _of_engine(engine))
    if "measured" in report:
        yield from _measured(report["measured"], report["engines"])
    for problem, command in report["problems"].items():
        yield FAIL, "problem", problem
        yield SAID, MEND, command
    yield _verdict(report)


def _verdict(report: Mapping[str, Any]) -> Row:
    if report["active"]:
        return OK, "verdict", "active"
    if not report["engines"]:
        return FAIL, "verdict", "not active: no engine is known here"
    return (FAIL if report["problems"] else OFF), "verdict", "not active: engines serve stock"


def _of_engine(engine: Mapping[str, Any]) -> Iterator[Row]:
    for models, text in engine["stock"].items() or [("", "not known for this version")]:
        yield SAID, "stock runs", f"{models}: {text}" if models else text
    if engine["entry_point_found"] is not None:
        is_found, is_allowed = engine["entry_point_found"], engine["entry_point_allowed"]
        yield _mark(is_found), "entry point", "found" if is_found else "not found"
        yield _mark(is_allowed), "allowed", "yes" if is_allowed else "no"
    if engine.get("external_package"):
        yield OK, "external package", "engine_ext"
    for feature in engine["features"]:
        yield (OFF, feature, "by the problem below") if engine["problems"] else (OK, feature, "on")
    for feature, reason in engine["off"].items():
        yield OFF, feature, reason
    if engine["overrides"] is not None:
        yield SAID, "overrides", f"{len(engine['overrides'])} architectures"
    reasons: dict[str, list[str]] = {}
    for architecture, reason in engine["left_stock"].items() if engine["overrides"] else ():
        reasons.setdefault(reason, []).append(architecture)
    for reason, architectures in reasons.items():
        yield OFF, "stay stock", f"{', '.join(architectures)}: {reason}"
    if engine["interventions"] is not None:
        yield from _relied_on(engine["interventions"])


def _relied_on(rows: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """What is missing by its name; of the rest how much there is."""
    missing = [row for row in rows if row["problem"]]
    hooks = [row["has_hook"] for row in rows if row["has_hook"] is not None]
    of_hooks = f", {sum(hooks)} of {len(hooks)} hooks took" if hooks else ""
    yield OK, "relies on", f"{len(rows) - len(missing)} of {len(rows)} names are there{of_hooks}"
    for row in missing:
        yield FAIL, "relies on", f"{row['target']}: {row['problem']}"
    if missing:
        yield SAID, MEND.strip(), REPORT


def _measured(found: Mapping[str, Any], engines: Mapping[str, Any]) -> Iterator[Row]:
    if "not_known" in found:
        yield OFF, "measured", f"not known: {found['not_known']}"
        return
    width, channels, frames, side = found["projection"].values()
    size = f"weight {(width, channels, frames, side, side)}, {found['dtype']}, {found['device']}"
    yield SAID, "measured", f"{size}, an image of 1080 x 1920: {found['patches']} patches"
    if found["measured"] < found["patches"]:
        yield SAID, "  timed", f"{found['measured']} patches, the rest in proportion"
    yield (
        SAID,
        "  nn.Conv3d",
        f"{rounded(found['conv_ms'])} ms, torch computes it by {found['path']}",
    )
    yield SAID, "  product", f"{rounded(found['product_ms'])} ms"
    yield SAID, "  advice", found["advice"]
    yield (
        SAID,
        "one image",
        "as SGLang makes it ready; vLLM hashes the picture and normalises later",
    )
    for name, stage in found["image"].items():
        if "ms" not in stage:
            ((word, why),) = stage.items()
            yield OFF, f"  {name}", f"{word.replace('_', ' ')}: {why}"
            continue
        said = [_time(**stage), *filter(None, [HOW.get(name)])]
        for engine, declared in engines.items():
            options = [f"{one} ({how})" for one, how in declared["options"].get(name, {}).items()]
            said += [f"{engine}: {', '.join(options)}"] if options else []
        yield SAID, f"  {name}", "; ".join(said)
    saved, before = rounded(found["pixels_save_ms"]), rounded(found["before_tower_ms"])
    yield SAID, "  worth", f"`pixels` saves {saved} of {before} ms before the tower"


def _time(ms: float, pixels_ms: float | None = None, patches: int = 0, measured: int = 0) -> str:
    text = f"{rounded(ms)} ms"
    if pixels_ms is not None:
        text += f", with `pixels` {rounded(pixels_ms)}"
    if measured < patches:
        text = f"over {text}: {measured} of {patches} patches timed, the rest in proportion"
    return text


def _mark(is_so: bool) -> str:
    return OK if is_so else FAIL
