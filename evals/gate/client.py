"""How a server is asked: with the operator's key, and through a proxy only where it is remote."""

from __future__ import annotations

import os

import httpx

from evals.serving.servers import is_loopback

API_KEY = "OPENAI_API_KEY"
NO_KEY = "none"  # what goes to a server that wants none; the client of lmms-eval must have one


def key(variable: str) -> str:
    return os.environ.get(variable) or NO_KEY


def client(url: str, variable: str) -> httpx.Client:
    """A client for the server at ``url``, whose key is in the environment variable."""
    headers = {"Authorization": f"Bearer {key(variable)}"}
    return httpx.Client(trust_env=is_remote(url), headers=headers, timeout=30)


def is_remote(url: str) -> bool:
    return not is_loopback(url)


def refused(url: str, variable: str) -> str:
    """What to say of status 401."""
    found = "is not the one it wants" if os.environ.get(variable) else "is not set"
    return f"{url}: status 401, the key in {variable} {found}; --api-key-env names another variable"
