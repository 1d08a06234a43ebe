"""Examples may take as long as they do: a machine that tests runs other things too."""

from hypothesis import settings

settings.register_profile("mrope", deadline=None)
settings.load_profile("mrope")
