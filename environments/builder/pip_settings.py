"""The settings of pip, which people have, as uv's, which reads none of them.

Indexes and folders of wheels go to uv as flags, because a variable that holds several is split at
spaces; certificates, proxy and time limits as variables. A variable of uv that is set already wins.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

FLAGS = {
    "index-url": "--index-url",
    "extra-index-url": "--extra-index-url",
    "find-links": "--find-links",
    "constraint": "--constraint",
    "trusted-host": "--allow-insecure-host",
    "no-binary": "--no-binary",
    "only-binary": "--only-binary",
}
SWITCHES = {"no-index": "--no-index"}
VARIABLES = {
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
OWN = {"--index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL")}


@dataclass(frozen=True)
class UvSettings:
    """``left_out`` names the indexes that pip has and uv is not given."""

    flags: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def for_uv(config: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> UvSettings:
    """uv's flags and variables for pip's settings.

    ``unsafe-best-match`` is what pip does: the best version of all indexes, not the best of the
    first index that knows the package. But of one version uv takes the files of the first index
    that has it, and that may hold the lesser wheel (soundfile's without its library): further
    indexes on the disk are left out where there is another one.
    """
    flags = ["--index-strategy", "unsafe-best-match"]
    left_out = []
    for name, flag in FLAGS.items():
        if not any(variable in environ for variable in OWN.get(flag, ())):
            for value in shlex.split(config.get(name, "")):
                if name == "extra-index-url" and value.startswith("file:"):
                    left_out.append(value)
                else:
                    flags += [flag, value]
    for name, flag in SWITCHES.items():
        if config.get(name, "").lower() in ("1", "true", "yes", "on"):
            flags.append(flag)
    variables = {}
    for name, variable in VARIABLES.items():
        if name in config and variable not in environ:
            variables[variable] = config[name]
    return UvSettings(flags, variables, left_out)


def read(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What pip is set to, by the names of its options; without a pip, its variables."""
    if importlib.util.find_spec("pip") is None:
        return _of_variables(environ)
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, env=dict(environ)).stdout
    return parse(listed)


def parse(listed: str) -> dict[str, str]:
    """The lines of ``pip config list``, ``global.index-url='...'``, in pip's order of precedence:
    for every command, for ``install``, in a variable."""
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for section, name, value in re.findall(r"^([^.\n]+)\.([\w-]+)=(.*)$", listed, re.MULTILINE):
        if section in found:
            found[section][name.replace("_", "-")] = str(ast.literal_eval(value))
    return {**found["global"], **found["install"], **found[":env:"]}


def _of_variables(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name[len("PIP_") :].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("PIP_")
    }
