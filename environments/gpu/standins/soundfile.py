"""Stands in for soundfile, of which SGLang only imports names here."""

from every_name import stand_in

__version__ = "0"
__path__: list[str] = []  # a package: every submodule exists too
__getattr__ = stand_in(__name__)
