"""One line is read from what uv and pip print when they fail."""

import pytest

from environments.builder import failures

UV_INDEX = """\
error: Request failed after 3 retries in 5.9s
  cause: Failed to fetch: https://index.example/simple/torch/
  cause: error sending request for url (https://index.example/simple/torch/)
  cause: dns error
"""
UV_WHEEL = """\
  x Failed to download `sympy==1.14.0`
  cause: Failed to fetch: `https://files.example/sympy-1.14.0-py3-none-any.whl`
  cause: operation timed out
"""
UV_OFFLINE = """\
error: No solution found when resolving dependencies
  cause: Because torch was not found in the cache and you require torch==2.13.0, we can conclude
hint: Packages were unavailable because the network was disabled.
"""
PIP = """\
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<x>: Failed to \
establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/torch/
ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: none)
ERROR: No matching distribution found for torch==2.13.0
"""
NO_WHEEL = """\
error: No solution found when resolving dependencies
  cause: Because decord2==3.4.0 has no wheels with a matching platform tag
"""


@pytest.mark.parametrize(
    ("output", "package"),
    [
        (UV_INDEX, "torch"),
        (UV_WHEEL, "sympy==1.14.0"),
        (UV_OFFLINE, "torch"),
        (PIP, "torch==2.13.0"),
    ],
)
def test_without_a_network_the_package_is_named(output, package):
    assert failures.is_network(output)
    assert failures.package(output) == package


def test_a_package_without_a_wheel_is_no_fault_of_the_network():
    assert not failures.is_network(NO_WHEEL)
    assert failures.first_error(NO_WHEEL) == (
        "error: No solution found when resolving dependencies: "
        "Because decord2==3.4.0 has no wheels with a matching platform tag"
    )


@pytest.mark.parametrize(
    "output",
    [
        "error: failed to copy: No space left on device (os error 28)",
        "[Errno 122] Disk quota exceeded",
    ],
)
def test_a_full_disk_is_recognised(output):
    assert failures.is_full(output)


def test_without_a_line_that_says_error_the_last_line_is_shown():
    assert failures.first_error("one\ntwo\n\n") == "two"
    assert failures.first_error("") == "no output"
