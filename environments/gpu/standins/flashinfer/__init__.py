"""Stands in for flashinfer, of which SGLang only imports names here."""

from every_name import stand_in

__version__ = "0"
__getattr__ = stand_in(__name__)
