"""The replaced projections of one model in an engine process; engine-neutral."""

from engine_ext.served.line import Identity
from engine_ext.served.model import ServedModel, served_model
from engine_ext.served.peers import Peers, tensor_parallel_peers
from engine_ext.served.stills import Stills
from engine_ext.served.updating import Update

__all__ = [
    "Identity",
    "Peers",
    "ServedModel",
    "Stills",
    "Update",
    "served_model",
    "tensor_parallel_peers",
]
