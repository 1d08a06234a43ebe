"""The ``engine-ext`` command."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from engine_ext import __version__

STATUSES = """\
exit status:
  0  the extension is active; with --status: all processes are there and agree
  1  something keeps it from acting, or it is off; with --status: one is missing, they disagree,
     or are all in another container of this host name
  2  a model or a status file that cannot be read, or a mistake in the command
"""


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
        description="Say what the extension would do in this environment, and what stock does.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    form = doctor.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the report as JSON")
    form.add_argument(
        "--report",
        action="store_true",
        help="print what belongs into a bug report, as Markdown to paste; nothing is sent",
    )
    doctor.add_argument(
        "--measure",
        action="store_true",
        help="time the projection and the other stages of an image on this device (seconds)",
    )
    doctor.add_argument(
        "--model",
        metavar="MODEL",
        help="folder, or id in the local cache of Hugging Face, of the model that is measured "
        "(default: the sizes of Qwen3-VL-8B)",
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
        if options.measure or options.report:
            doctor.error("--measure and --report are not for --status")
        return _status(options.status, options.json)
    return _doctor(options)


def _doctor(options: argparse.Namespace) -> int:
    from engine_ext.doctor.checkpoint import NoProjection
    from engine_ext.doctor.examine import examine
    from engine_ext.doctor.lines import lines
    from engine_ext.doctor.report import markdown
    from engine_ext.doctor.stages import measured

    measurement = None
    if options.measure:
        try:
            measurement = measured(options.model)
        except NoProjection as error:
            print(f"engine-ext: {error}", file=sys.stderr)
            return 2
    report = examine()
    if measurement is not None:
        report["measured"] = measurement
    if options.json:
        _print(json.dumps(report, indent=2))
    elif options.report:
        _print(markdown(report))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        _print("\n".join(lines(report, width)))
    return 0 if report["active"] else 1


def _status(path: Path, as_json: bool) -> int:
    from engine_ext.doctor.launch_lines import lines
    from engine_ext.doctor.launches import examine
    from engine_ext.doctor.status_file import BadStatusFile, read

    try:
        report = examine(read(path))
    except BadStatusFile as error:
        print(f"engine-ext: {error}", file=sys.stderr)
        return 2
    _print(json.dumps(report, indent=2) if as_json else "\n".join(lines(report)))
    return 1 if report["problems"] else 0


def _print(text: str) -> None:
    """Who reads it may have read enough, as ``| head`` has: that is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end


if __name__ == "__main__":
    sys.exit(main())
