"""What ``engine-ext doctor`` found, as lines for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

OK, OFF, FAIL, SAID = "[ok]", "[off]", "[fail]", ""
PLUGINS = {"sglang": "SGLANG_PLUGINS", "vllm": "VLLM_PLUGINS"}
"""The variable by which an engine limits the plugins it loads."""

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
        if width is None:
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
        yield FAIL, "torch", f"cannot be imported: {stack['error']}"
    else:
        yield SAID, "torch", stack["torch"]
        yield SAID, "GPU", stack["gpu"] or "none visible to torch"
        yield SAID, "cuDNN", stack["cudnn"] or "none (CPU build)"
    yield SAID, "features asked", ", ".join(report["features"]) or "none (ENGINE_EXT)"
    for name, engine in report["engines"].items():
        yield SAID, name, engine["version"]
        yield from ((mark, f"  {label}", value) for mark, label, value in _of_engine(name, engine))
    if "measured" in report:
        yield from _measured(report["measured"])
    for problem in report["problems"]:
        yield FAIL, "problem", problem
    yield _verdict(report)


def _verdict(report: Mapping[str, Any]) -> Row:
    if report["active"]:
        return OK, "verdict", "active"
    if not report["engines"]:
        return FAIL, "verdict", "not active: no engine is known here"
    return (FAIL if report["problems"] else OFF), "verdict", "not active: engines serve stock"


def _of_engine(name: str, engine: Mapping[str, Any]) -> Iterator[Row]:
    for models, text in engine["stock"].items() or [("", "not known for this version")]:
        yield SAID, "stock runs", f"{models}: {text}" if models else text
    if engine["entry_point_found"] is not None:
        is_found, is_allowed = engine["entry_point_found"], engine["entry_point_allowed"]
        yield _mark(is_found), "entry point", "found" if is_found else "not found"
        yield _mark(is_allowed), "allowed", "yes" if is_allowed else f"no ({PLUGINS[name]})"
    if "external_package" in engine:
        ours = engine["external_package"]
        yield (OK if ours else SAID), "external package", "engine_ext" if ours else "not engine_ext"
    for feature in engine["features"] or ():
        yield OK, feature, "on"
    for feature, reason in engine["off"].items():
        yield OFF, feature, reason
    yield SAID, "rope positions", engine["rope_positions"]
    if engine["overrides"] is not None:
        yield SAID, "overrides", f"{len(engine['overrides'])} architectures"
        yield SAID, "not covered", ", ".join(engine["not_covered"]) or "none"
    for row in engine.get("interventions") or ():
        yield _relied_on(**row)


def _relied_on(target: str, problem: str, has_hook: bool | None, **_: str) -> Row:
    if problem:
        return FAIL, "relies on", f"{target}: {problem}"
    hooked = {None: "", True: ": hooked", False: ": not hooked"}[has_hook]
    return OK, "relies on", target + hooked


def _measured(found: Mapping[str, Any]) -> Iterator[Row]:
    width, channels, frames, side = found["projection"].values()
    size = f"weight {(width, channels, frames, side, side)}, {found['dtype']}, {found['device']}"
    yield SAID, "measured", f"{size}, an image of 1080 x 1920: {found['patches']} patches"
    if found["measured"] < found["patches"]:
        yield SAID, "  timed", f"{found['measured']} patches, the rest in proportion"
    yield SAID, "  nn.Conv3d", f"{found['conv_ms']:.1g} ms, torch computes it by {found['path']}"
    yield SAID, "  product", f"{found['product_ms']:.1g} ms"
    yield SAID, "  advice", found["advice"]


def _mark(is_so: bool) -> str:
    return OK if is_so else FAIL
