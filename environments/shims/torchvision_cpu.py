"""Lets PyPI's torchvision, a CUDA build, import beside a CPU build of torch.

Its compiled library cannot load there, so two operator schemas are never defined and
``import torchvision`` fails: "operator torchvision::nms does not exist". Defining the schemas is
enough for its transforms, which are plain torch. For the test environments only, never shipped.
Can go when the environments can install a CPU build of torchvision.
"""

import importlib.abc
import importlib.metadata
import sys


class _BeforeTorchvision(importlib.abc.MetaPathFinder):
    """Acts on the first import of torchvision, so that starting Python does not import torch."""

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            _define_operators()


def _define_operators():
    import torch

    # Beside a CUDA build, or a CPU build of torchvision (0.28.0+cpu), nothing is missing.
    if torch.version.cuda is not None or "+cpu" in importlib.metadata.version("torchvision"):
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _define_operators.library = library  # the definitions live as long as this object


sys.meta_path.insert(0, _BeforeTorchvision())
