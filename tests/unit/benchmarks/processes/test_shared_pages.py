"""Shared pages from the text of smaps (proc(5))."""

from benchmarks.processes.shared_pages import Mapping, anonymous_shared, mappings

SMAPS = """\
7f7c30000000-7f7c30021000 rw-p 00000000 00:00 0
Rss:                 132 kB
Pss:                 132 kB
Anonymous:           132 kB
VmFlags: rd wr mr mw me
7f7c3a400000-7f7c3a600000 r--p 00028000 fe:00 5309127                    /usr/lib/x86_64-linux-gnu/libc (2).so
Size:               2048 kB
Rss:                1000 kB
Pss:                  40 kB
Anonymous:            16 kB
7f7c3b000000-7f7c3b100000 rw-s 00000000 00:01 77                         /memfd:pixels (deleted)
Rss:                1024 kB
Pss:                 512 kB
Anonymous:             0 kB
"""


def test_reads_only_mappings_of_files() -> None:
    assert list(mappings(SMAPS)) == [
        Mapping("fe:00 5309127 00028000", 1000 - 16),
        Mapping("00:01 77 00000000", 1024),
    ]


def test_anonymous_pages_above_their_pss_are_shared() -> None:
    rollup = "Rss: 900 kB\nPss: 500 kB\nPss_Anon:   300 kB\nAnonymous:     450 kB\nAnonHugePages:   0 kB\n"
    assert anonymous_shared(rollup) == 150


def test_a_kernel_without_pss_anon_shares_none() -> None:
    assert anonymous_shared("Rss: 900 kB\nPss: 500 kB\nAnonymous: 450 kB\n") == 0
