"""Stands in for SGLang's kernel package, which is too large to carry.

Every process of SGLang imports it before any layer: the place from which the layers are made to
compute by torch (`torch_only`).
"""

import torch_only
from every_name import stand_in

__version__ = "0"
__getattr__ = stand_in(__name__)

torch_only.install()
