"""Draw the memory of a server during a soak.

``python -m evals.soak.plot RESULT.json PICTURE.png``, in the environment of the load generator.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("result", type=Path, help="a file written by evals.soak")
    parser.add_argument("picture", type=Path, help="PNG file to write")
    options = parser.parse_args()
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    draw(json.loads(options.result.read_text()), options.picture)


def draw(result: dict, file: Path) -> None:
    memory = result["memory"]
    minutes = [seconds / 60 for seconds, _ in memory["seconds_mib"]]
    mib = [value for _, value in memory["seconds_mib"]]
    figure, axes = pyplot.subplots(figsize=(7, 2.8), dpi=100, layout="constrained")
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
    figure.savefig(file)


if __name__ == "__main__":
    main()
