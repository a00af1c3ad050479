"""The private memory of a process: what is its own now, not what it once was."""

from __future__ import annotations

import mmap
import os
import resource
import sys
from pathlib import Path

import pytest

from sidereal.protocol.runtime.memory import private_bytes

MEGABYTE = 1 << 20
ROLLUP = """\
55d0c0a00000-7ffd35bf2000 ---p 00000000 00:00 0                          [rollup]
Rss:              110004 kB
Pss:               80312 kB
Shared_Clean:      21000 kB
Shared_Dirty:       4000 kB
Private_Clean:      3004 kB
Private_Dirty:     82000 kB
Referenced:       110004 kB
Private_Hugetlb:    2048 kB
"""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@on_linux
def test_memory_that_is_given_back_no_longer_counts() -> None:
    before = private_bytes()
    with mmap.mmap(-1, 64 * MEGABYTE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as block:
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        held = private_bytes()
    after = private_bytes()
    assert held - before > 60 * MEGABYTE
    assert held - after > 60 * MEGABYTE


def test_only_private_pages_count(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/smaps_rollup").write_text(ROLLUP)
    assert private_bytes(7, tmp_path) == (3004 + 82000 + 2048) * 1024


def test_shared_memory_does_not_count_though_nobody_else_has_touched_it(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/smaps_rollup").write_text(ROLLUP + "Pss_Anon:   1500 kB\nPss_Shmem: 80000 kB\n")
    assert private_bytes(7, tmp_path) == 1500 * 1024


def test_an_old_system_tells_by_pages(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/statm").write_text("9000 700 200 1 0 300 0\n")
    assert private_bytes(None, tmp_path) == 500 * resource.getpagesize()


def test_a_system_that_tells_nothing_gives_the_peak(tmp_path: Path) -> None:
    assert private_bytes(None, tmp_path) > MEGABYTE


def test_of_a_process_that_is_gone_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="statm"):
        private_bytes(7, tmp_path)


@on_linux
def test_another_process_can_be_asked_for() -> None:
    assert private_bytes(os.getpid()) > MEGABYTE
