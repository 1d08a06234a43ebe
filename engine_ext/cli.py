"""The ``engine-ext`` command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine_ext import __version__

PLUGINS = {"sglang": "SGLANG_PLUGINS", "vllm": "VLLM_PLUGINS"}
"""The variable by which an engine limits the plugins it loads."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status.

    argparse, because the core depends on torch and numpy alone.
    """
    parser = argparse.ArgumentParser(
        prog="engine-ext",
        description="Patch embeddings of vision-language models as one matrix product.",
    )
    parser.add_argument("--version", action="version", version=f"engine_ext {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    doctor = commands.add_parser(
        "doctor",
        help="say what the extension would do in this environment, and what stock does",
        description="Say what the extension would do in this environment, and what stock does. "
        "Exit status 0 when the extension is active, 1 when something keeps it from acting, "
        "2 for a model or a status file that cannot be read.",
    )
    doctor.add_argument("--json", action="store_true", help="print the report as JSON")
    doctor.add_argument(
        "--measure",
        action="store_true",
        help="time the projection on this device, as a convolution and as a product (seconds)",
    )
    doctor.add_argument(
        "--model",
        type=Path,
        metavar="PATH",
        help="folder of the model whose projection is timed (default: the size of Qwen3-VL-8B)",
    )
    doctor.add_argument(
        "--status",
        type=Path,
        metavar="FILE",
        help="instead, say of a file that ENGINE_EXT_STATUS named which processes are there, are "
        "missing, or disagree",
    )
    options = parser.parse_args(arguments)
    if options.model is not None and not options.measure:
        doctor.error("--model is for --measure")
    if options.status is not None:
        if options.measure:
            doctor.error("--measure is not for --status")
        return _status(options.status, options.json)
    return _doctor(options.json, options.measure, options.model)


def _doctor(as_json: bool, is_measured: bool, model: Path | None) -> int:
    from engine_ext.doctor import examine
    from engine_ext.measure import DEFAULT, NoProjection, measure, of_checkpoint

    try:
        projection = DEFAULT if model is None else of_checkpoint(model)
    except NoProjection as error:
        print(f"engine-ext: {error}", file=sys.stderr)
        return 2
    report = examine()
    if is_measured and report["stack"]["torch"] is not None:
        report["measured"] = measure(projection)
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        rows = list(_rows(report))
        width = max(len(label) for label, _ in rows)
        for label, value in rows:
            print(f"{label:<{width}}  {value}")
    return 0 if report["active"] else 1


def _status(path: Path, as_json: bool) -> int:
    from engine_ext import launches

    try:
        return launches.main(path, as_json)
    except launches.BadStatusFile as error:
        print(f"engine-ext: {error}", file=sys.stderr)
        return 2


def _rows(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The report as labels and values, a problem a row."""
    stack = report["stack"]
    yield "engine_ext", report["engine_ext"]
    yield "Python", report["python"]
    yield "torch", stack["torch"] or f"cannot be imported: {stack['error']}"
    yield "GPU", stack["gpu"] or "none visible to torch"
    yield "cuDNN", stack["cudnn"] or "none (CPU build)"
    yield "features asked", ", ".join(report["features"]) or "none (ENGINE_EXT)"
    for name, engine in report["engines"].items():
        yield name, engine["version"]
        yield from ((f"  {label}", value) for label, value in _engine_rows(name, engine))
    if "measured" in report:
        yield from _measured_rows(report["measured"])
    for problem in report["problems"]:
        yield "problem", problem
    yield "verdict", "active" if report["active"] else "not active: engines serve stock"


def _engine_rows(name: str, engine: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for models, text in engine["stock"].items() or [("", "not known for this version")]:
        yield "stock runs", f"{models}: {text}" if models else text
    if engine["entry_point_found"] is not None:
        yield "entry point", _yes_no(engine["entry_point_found"], "found", "not found")
        forbidden = f"no ({PLUGINS[name]})"
        yield "allowed", _yes_no(engine["entry_point_allowed"], "yes", forbidden)
    if "external_package" in engine:
        ours = engine["external_package"]
        yield "external package", _yes_no(ours, "engine_ext", "not engine_ext")
    if engine["features"] is not None:
        yield "features on", ", ".join(engine["features"]) or "none (ENGINE_EXT)"
    yield "rope positions", engine["rope_positions"]
    if engine["overrides"] is not None:
        yield "overrides", f"{len(engine['overrides'])} architectures"
        yield "not covered", ", ".join(engine["not_covered"]) or "none"
    for row in engine.get("interventions") or ():
        yield "relies on", _relied_on(**row)


def _relied_on(target: str, problem: str, has_hook: bool | None, **_: str) -> str:
    if problem:
        return f"[missing] {target}: {problem}"
    return f"[ok] {target}" + {None: "", True: ": hooked", False: ": not hooked"}[has_hook]


def _measured_rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    width, channels, frames, side = found["projection"].values()
    size = f"weight {(width, channels, frames, side, side)}, {found['dtype']}, {found['device']}"
    yield "measured", f"{size}, an image of 1080 x 1920: {found['patches']} patches"
    if found["measured"] < found["patches"]:
        yield "  timed", f"{found['measured']} patches, the rest in proportion"
    yield "  nn.Conv3d", f"{found['conv_ms']:.3g} ms, torch computes it by {found['path']}"
    yield "  product", f"{found['product_ms']:.3g} ms"
    yield "  advice", found["advice"]


def _yes_no(value: bool, yes: str, no: str) -> str:
    return yes if value else no


if __name__ == "__main__":
    sys.exit(main())
