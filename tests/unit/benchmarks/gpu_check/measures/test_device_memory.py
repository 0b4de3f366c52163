"""Memory of DRM files, as the kernel writes them for amdgpu, i915 and xe."""

import os

import pytest

from benchmarks.gpu_check.measures.device_memory import MEBIBYTE, of_files, used

AMD = """pos:\t0
drm-driver:\tamdgpu
drm-client-id:\t22
drm-pdev:\t0000:0b:00.0
drm-total-vram:\t300 MiB
drm-resident-vram:\t200 MiB
drm-memory-vram:\t204800 KiB
drm-memory-gtt: \t1024 KiB
drm-engine-gfx:\t123 ns
"""
INTEL = """drm-driver:\ti915
drm-client-id:\t7
drm-pdev:\t0000:00:02.0
drm-total-system0:\t4096 KiB
drm-shared-system0:\t0
drm-active-system0:\t0
drm-resident-system0:\t2048 KiB
"""
BYTES = "drm-driver:\txe\ndrm-client-id:\t7\ndrm-pdev:\t0000:03:00.0\ndrm-total-vram0:\t1048576\n"


@pytest.mark.parametrize(
    ("texts", "mebibytes"),
    [
        ([AMD], 201),
        ([INTEL], 2),
        ([BYTES], 1),
        ([AMD, AMD, AMD.replace("pos:\t0", "pos:\t9")], 201),
        ([AMD, INTEL, BYTES], 204),
        ([AMD, AMD.replace("drm-client-id:\t22", "drm-client-id:\t23")], 402),
        (["pos:\t0\nflags:\t02\n"], 0),
        ([], 0),
    ],
    ids=[
        "resident before total",
        "i915",
        "bytes",
        "shared client",
        "devices",
        "clients",
        "no DRM",
        "no files",
    ],
)
def test_bytes(texts: list[str], mebibytes: int) -> None:
    assert of_files(texts) == mebibytes * MEBIBYTE


def test_a_process_without_a_device_is_unknown() -> None:
    assert used(os.getpid()) == ("unknown", None)


def test_an_ended_process_is_unknown() -> None:
    assert used(2**22 + 1) == ("unknown", None)
