"""The allocator keeps memory: a block that is freed and asked for again is no new pages."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from hopgraph.allocator import keep_memory

kept = keep_memory() if "keep" in sys.argv else False
for _ in range(3):
    bytearray(8 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    bytearray(8 << 20)
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

glibc = pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}), reason="the C library is not glibc")


def faults(*arguments: str, **environment: str) -> tuple[bool, int]:
    """Whether memory is kept, and how many pages ten blocks of 8 MB touched for the first time."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_", "LD_"))}
    given = [sys.executable, "-c", PROGRAM, *arguments]
    found = subprocess.run(given, capture_output=True, text=True, check=True, env={**plain, **environment}).stdout.split()
    return found[0] == "1", int(found[1])


@glibc
def test_what_is_freed_serves_again() -> None:
    _, default = faults(MALLOC_MMAP_THRESHOLD_="131072")
    kept, after = faults("keep")
    assert kept
    assert default > 10_000
    assert after < default / 100


@glibc
@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_what_a_user_chose_stays(name: str) -> None:
    kept, _ = faults("keep", **{name: ""})
    assert not kept
