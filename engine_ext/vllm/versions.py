"""The vLLM versions this adapter has been tried on."""

from engine_ext.versions import TriedVersions

TRIED = TriedVersions((0, 11, 0), (0, 34), "0.11.0 to 0.33")
