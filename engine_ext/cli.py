"""The ``engine-ext`` command."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from engine_ext import __version__


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
    from engine_ext.doctor_lines import lines
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
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print("\n".join(lines(report, width)))
    return 0 if report["active"] else 1


def _status(path: Path, as_json: bool) -> int:
    from engine_ext.launch_lines import lines
    from engine_ext.launches import examine
    from engine_ext.status_file import BadStatusFile, read

    try:
        report = examine(read(path))
    except BadStatusFile as error:
        print(f"engine-ext: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report, indent=2) if as_json else "\n".join(lines(report)))
    return 1 if report["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
