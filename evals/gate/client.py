"""How a server is asked: with the operator's key, and through a proxy only where it is remote."""

from __future__ import annotations

import os

import httpx

from evals.serving.servers import is_loopback

API_KEY = "OPENAI_API_KEY"
PORTS = {"http": 80, "https": 443}
UNSPECIFIED = ("0.0.0.0", "::")  # what a server listens on is this machine to who asks
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


def address(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path of a server, the same however its URL is written.

    This machine has many names; a path may tell the servers behind one gateway apart.

    Raises:
        ValueError: it is no URL of a server.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url}: {error}") from error
    if parsed.scheme not in PORTS or not parsed.host:
        raise ValueError(f"{url}: expected http://HOST:PORT")
    path = parsed.path.rstrip("/").removesuffix("/v1")
    is_here = is_loopback(url) or parsed.host in UNSPECIFIED
    host = "localhost" if is_here else parsed.host
    port = parsed.port or PORTS[parsed.scheme]
    return parsed.scheme, host, port, path
