"""Files of strangers: regular ones within a limit, and nothing else, whatever the name stands for."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from hybrid_llm.untrusted import BadFileError, read_regular


def test_a_regular_file_within_its_limit_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"


def test_a_longer_one_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as stream:
        stream.truncate(1 << 40)  # a terabyte of nothing: reading it would take for ever
    with pytest.raises(BadFileError, match=r"1,099,511,627,776 bytes, more than the 5"):
        read_regular(tmp_path / "file", 5)


def test_a_file_that_tells_no_size_is_not_read_beyond_its_limit() -> None:
    if not Path("/proc/self/maps").is_file():
        pytest.skip("there is no /proc here")
    with pytest.raises(BadFileError, match="more than the 5"):
        read_regular(Path("/proc/self/maps"), 5)


def test_a_link_is_refused_even_to_a_good_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(BadFileError, match="is a link"):
        read_regular(tmp_path / "link", 5)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_what_would_wait_or_never_end_is_refused_unopened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for place in (tmp_path / "fifo", tmp_path / "socket", Path("/dev/zero"), tmp_path):
            with pytest.raises(BadFileError, match="no regular file"):
                read_regular(place, 5)
