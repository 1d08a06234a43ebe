"""Settings of every test, whichever of them are run."""

from contextlib import suppress

with suppress(ImportError):  # an environment may be without it
    from hypothesis import settings

    # Examples may take as long as they do: a machine that tests runs other things too.
    settings.register_profile("engine_ext", deadline=None)
    settings.load_profile("engine_ext")
