"""Draw the memory of a server during a soak.

``python -m evals.soak.plot RESULT.json PICTURE.png``, in the environment of the load generator.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure


def draw(result: dict, file: Path) -> None:
    memory = result["memory"]
    minutes = [seconds / 60 for seconds, _ in memory["seconds_mib"]]
    mib = [value for _, value in memory["seconds_mib"]]
    figure = Figure(figsize=(7, 2.8), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.plot(minutes, mib, color="tab:blue", linewidth=1, label="resident, all processes")
    if memory["mib_per_hour"] is not None:
        begin, end = 0.2 * minutes[-1], minutes[-1]
        grown = memory["mib_per_hour"] * (end - begin) / 60
        start = memory["fitted_start_mib"]
        label = f"{memory['mib_per_hour']:+.1f} ± {memory['standard_error']:.1f} MiB/h"
        axes.plot([begin, end], [start, start + grown], "--", color="tab:orange", label=label)
    # From zero: a server of gigabytes is flat when it looks flat.
    axes.set(xlabel="minutes", ylabel="MiB", ylim=(0, 1.15 * max(mib)), xlim=(0, minutes[-1]))
    extension = "extension on" if result["extension"] == "on" else "stock"
    axes.set_title(
        f"{result['engine']} {result['version']}, {extension}, {result['rate']:g} requests/s",
        fontsize="medium",
    )
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
