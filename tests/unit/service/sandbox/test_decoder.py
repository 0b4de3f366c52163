"""Sandbox of a decoder: no file, no program, no network, and unchanged results for every format."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pillow_heif import from_pillow

from service.images.decoding import DECODERS
from service.sandbox import landlock
from tests.paths import ROOT
from tests.unit.service.sandbox.conftest import RunProgram

pytestmark = pytest.mark.not_quick


def test_no_file_is_opened_or_changed(run: RunProgram, abi: int, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run(
        """
folder = Path(sys.argv[1])
file = folder / "file"
opened = os.open(folder, os.O_RDONLY)
assert restrict_decoder().landlock
errors = {
    "read": error_of(file.open, "rb"),
    "write": error_of(file.open, "wb"),
    "read by folder": error_of(os.open, "file", os.O_RDONLY, dir_fd=opened),
    "create": error_of((folder / "new").touch),
    "remove": error_of(file.unlink),
    "rename": error_of(file.rename, folder / "renamed"),
    "list": error_of(os.listdir, folder),
    "device": error_of(open, "/dev/null", "wb"),
    "shared memory": error_of(open, "/dev/shm/memory", "wb"),
    "itself": error_of(open, "/proc/self/mem", "rb"),
}
assert set(errors.values()) == {"EACCES"}, errors
""",
        tmp_path,
    )


@pytest.mark.usefixtures("filters")
def test_files_are_refused_without_landlock(run: RunProgram, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run(
        """
from service.sandbox import seccomp
file = Path(sys.argv[1]) / "file"
seccomp.restrict(seccomp.DECODER)
errors = {
    "read": error_of(file.open, "rb"),
    "remove": error_of(file.unlink),
    "mode": error_of(file.chmod, 0o777),
    "time": error_of(os.utime, file),
    "attribute": error_of(os.setxattr, file, "user.name", b"value"),
}
assert set(errors.values()) == {"EACCES"}, errors
""",
        tmp_path,
    )


@pytest.mark.usefixtures("filters")
def test_no_program_no_connection_no_other_process(run: RunProgram) -> None:
    run(
        """
import ctypes
connected, _ = socket.socketpair()
libc = ctypes.CDLL(None, use_errno=True)

def ptrace_attach():
    if libc.ptrace(16, os.getppid(), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "")

restrict_decoder()
errors = {
    "execv": error_of(os.execv, "/bin/true", ["true"]),
    "execv by descriptor": error_of(os.execve, 0, ["true"], {}),
    "TCP": error_of(socket.socket, socket.AF_INET, socket.SOCK_STREAM),
    "UDP": error_of(socket.socket, socket.AF_INET, socket.SOCK_DGRAM),
    "Unix": error_of(socket.socket, socket.AF_UNIX, socket.SOCK_STREAM),
    "connect": error_of(connected.connect, "/run/socket"),
    "ptrace": error_of(ptrace_attach),
}
assert set(errors.values()) == {"EPERM"}, errors
"""
    )


def test_no_signal_leaves_the_decoder(run: RunProgram, abi: int) -> None:
    if abi < landlock.SCOPES_ABI:
        pytest.skip(f"this kernel's Landlock (ABI {abi}) has no scopes")
    run("restrict_decoder(); assert error_of(os.kill, os.getppid(), 0) == 'EPERM'")


MEMORY = """
def works_in_memory():
    import fcntl, mmap, resource, threading, time
    descriptor = os.memfd_create("pixels", os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, 1 << 20)
    with mmap.mmap(descriptor, 1 << 20) as memory:
        memory[:2] = b"12"
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    assert error_of(os.write, descriptor, b"3") == "EPERM"
    socket.send_fds(decoder, [b"done"], [descriptor])
    message, (received,), _, _ = socket.recv_fds(web, 100, 1)
    assert (message, os.pread(received, 2, 0)) == (b"done", b"12")
    threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
    resource.getrusage(resource.RUSAGE_SELF)
    assert error_of(open, "/etc/passwd") == "EACCES"

import fcntl, mmap, resource, threading, time  # no module can be read later
web, decoder = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
"""


@pytest.mark.parametrize(
    "program",
    [
        "restrict_decoder(); works_in_memory()",
        "restrict_decoder(); assert in_child(works_in_memory) == 0",
        "assert in_child(lambda: (restrict_decoder(), works_in_memory())) == 0",
        "restrict_worker([]); assert in_child(lambda: (restrict_decoder(), works_in_memory())) == 0",
        "restrict_decoder(); assert in_child(lambda: (restrict_decoder(), works_in_memory())) == 0",
    ],
    ids=["itself", "fork server", "each child", "beneath a worker", "both"],
)
@pytest.mark.usefixtures("abi")
def test_memory_descriptors_and_threads_work(run: RunProgram, program: str) -> None:
    run(MEMORY + program)


CORPUS = ROOT / "tests" / "fuzz" / "corpus"
OPTIONS = {"TIFF": ({"compression": "jpeg"}, {"compression": "tiff_deflate"}, {"compression": "tiff_lzw"})}
DECODE = """
import hashlib, json
from service.images.decoding import ImageTooLarge, UndecodableImage, decode
from service.images.preloading import import_lazy_modules

def outcome(data):
    try:
        pixels = decode(data, maximum_area=10_000_000, honour_orientation=True)
    except (UndecodableImage, ImageTooLarge) as error:
        return str(error)
    return hashlib.sha256(pixels.tobytes()).hexdigest()

restricted, *paths = sys.argv[1:]
photos = {path: Path(path).read_bytes() for path in paths}
import_lazy_modules()
if restricted == "restricted":
    assert restrict_decoder() != Restrictions()
    assert error_of(open, paths[0]) == "EACCES"
print(json.dumps({path: outcome(data) for path, data in photos.items()}))
"""


def _outcomes(run: RunProgram, paths: list[Path]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Digest of the pixels, or the error, by path: within the sandbox, and outside."""
    outcomes = [json.loads(run(DECODE, word, *paths).stdout) for word in ("restricted", "free")]
    return outcomes[0], outcomes[1]


@pytest.mark.usefixtures("abi")
def test_every_format_is_decoded(run: RunProgram, tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:600, 0:800]
    pixels = np.dstack([rows * 6, columns * 3, rows + columns]).astype(np.uint8)
    modes = {"JPEG": ("RGB", "L", "CMYK"), "PNG": ("RGB", "RGBA", "L", "P"), "GIF": ("P",)}
    paths = []
    for kind in DECODERS:
        for mode in modes.get(kind, ("RGB",)):
            for number, options in enumerate(OPTIONS.get(kind, ({},))):
                image = Image.fromarray(pixels).convert(mode)
                path = tmp_path / f"{kind}-{mode}-{number}"
                path.write_bytes(_encoded(image, kind, options))
                paths.append(path)
    restricted, free = _outcomes(run, paths)
    assert restricted == free
    digest_length = len(hashlib.sha256().hexdigest())
    assert {len(digest) for digest in free.values()} == {digest_length}, "a file was not decoded"


@pytest.mark.usefixtures("abi")
def test_odd_files_are_decoded_alike(run: RunProgram) -> None:
    paths = sorted(path for kind in (*DECODERS, "rare") for path in (CORPUS / kind.lower()).iterdir())
    restricted, free = _outcomes(run, paths)
    assert len(free) > len(DECODERS)
    assert restricted == free


@pytest.mark.usefixtures("abi")
def test_photos_of_the_folder_are_decoded_alike(run: RunProgram, photo_folder: Path) -> None:
    paths = sorted(path for path in (photo_folder / "formats").iterdir() if path.suffix != ".csv")
    restricted, free = _outcomes(run, paths)
    assert restricted == free


def _encoded(image: Image.Image, kind: str, options: Mapping[str, str]) -> bytes:
    file = io.BytesIO()
    if kind == "HEIF":
        from_pillow(image).save(file)
    else:
        image.save(file, kind, **options)
    return file.getvalue()
