"""``engine-ext doctor --report``: what belongs into a bug report, as Markdown to paste.

Nothing is sent anywhere. Of the environment only what is named below is shown, and folders of the
user's are not: neither the home folder nor where Python is installed.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Mapping
from importlib.metadata import distributions
from typing import Any

from engine_ext import status
from engine_ext.doctor.lines import lines

VARIABLE = re.compile(r"ENGINE_EXT\w*|SGLANG_EXTERNAL\w*|(SGLANG|VLLM)_PLUGINS")
VALUE_IS_PRIVATE = (status.VARIABLE, status.LAUNCH)
"""A path, and what holds the name of a host."""
DISTRIBUTION = re.compile(
    r"engine-ext|sgl.*|vllm.*|flashinfer.*|torch|torchvision|transformers|triton"
)

TEMPLATE = """\
```
{lines}
```

| installed | version |
| --- | --- |
{installed}

| variable | value |
| --- | --- |
{variables}

<details><summary>engine-ext doctor --json</summary>

```json
{json}
```

</details>"""


def markdown(report: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> str:
    """What ``doctor`` reports, by its lines and as JSON, and what is around it."""
    found = {one.metadata["Name"].replace("_", "-"): one.version for one in distributions()}
    installed = {name: found[name] for name in sorted(found) if DISTRIBUTION.fullmatch(name)}
    variables = {
        name: "set, not shown" if name in VALUE_IS_PRIVATE else f"`{environ[name]}`"
        for name in sorted(environ)
        if VARIABLE.fullmatch(name)
    }
    text = TEMPLATE.format(
        lines="\n".join(lines(report)),
        installed=_rows({"platform": platform.platform(), **installed}),
        variables=_rows(variables or {"none of ENGINE_EXT*, SGLANG_EXTERNAL*, *_PLUGINS": "-"}),
        json=json.dumps(report, indent=1),
    )
    for folder, shown in ((sys.prefix, "<environment>"), (os.path.expanduser("~"), "~")):
        text = text.replace(folder, shown) if len(folder) > 1 else text  # a container's may be "/"
    return text


def _rows(table: Mapping[str, str]) -> str:
    return "\n".join(f"| {name} | {value} |" for name, value in table.items())
