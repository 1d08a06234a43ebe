"""The training example runs, and trains."""

import re
import subprocess
import sys

from evals import PROJECT


def test_it_replaces_the_projection_and_the_loss_falls():
    command = [sys.executable, PROJECT / "examples" / "training.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report, *steps = done.stdout.splitlines()
    assert "model.visual.patch_embed.proj" in report
    assert ": replaced, " in report
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", "\n".join(steps))]
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)
