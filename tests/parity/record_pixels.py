"""Records the pixels that dlib decodes from JPEG and PNG files, as the reference of test_decoded_pixels.py.

    python tests/parity/record_pixels.py LABEL RECORD.json FOLDER...

adds the column LABEL to RECORD.json. It needs only dlib and numpy, so that it runs in any environment with the dlib
to record. A dlib that is compiled against libjpeg-turbo (Debian: libjpeg62-turbo-dev, libpng-dev, then
`pip install --no-binary dlib dlib==20.0.1`) takes twelve minutes to build, so its pixels are recorded.
"""

import argparse
import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import dlib

SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")

ZEROED_MEMORY = {"MALLOC_PERTURB_": "255"}
"""glibc fills allocated memory with the complement of this value, thus zeros. Dlib composes a CMYK JPEG over
uninitialised memory (jpeg_loader::get_image sets no background), which is zero only in new pages of the kernel."""

LIBRARY = re.compile(
    rb"libjpeg-turbo version [\d.]+|\b9[a-f]  \d+-[A-Z][a-z]{2}-\d{4}|libpng version [\d.]+\d"
)
"""Version strings of libjpeg-turbo, IJG's libjpeg ("9e  16-Jan-2022") and libpng in their binaries."""


def codecs() -> list[str]:
    """Version strings of the JPEG and PNG libraries that this process has loaded."""
    maps = Path("/proc/self/maps").read_text()
    binaries = {line.split(maxsplit=5)[5] for line in maps.splitlines() if line.count("/")}
    wanted = [Path(name) for name in binaries if re.search(r"libjpeg|libpng|_dlib_pybind11", name)]
    return sorted({found.decode() for path in wanted for found in LIBRARY.findall(path.read_bytes())})


def pixels(path: Path) -> dict[str, object]:
    """Shape and SHA-256 of the uint8 (H, W, 3) RGB array that dlib decodes, or its error."""
    try:
        array = dlib.load_rgb_image(str(path))
    except RuntimeError as error:
        return {"error": str(error).replace(str(path), path.name)}
    height, width, _ = array.shape
    return {"height": height, "width": width, "sha256": hashlib.sha256(array.tobytes()).hexdigest()}


def one_line_each(record: dict[str, dict[str, Any]]) -> str:
    """JSON with one line per entry, for readable diffs of two recordings."""
    sections = (
        f"{json.dumps(name)}: {{\n"
        + ",\n".join(f" {json.dumps(key)}: {json.dumps(entry)}" for key, entry in sorted(entries.items()))
        + "\n}"
        for name, entries in record.items()
    )
    return "{\n" + ",\n".join(sections) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("label", help="the column to write, such as source or dlib-bin")
    parser.add_argument("record", type=Path, help="the JSON file to write or to add to")
    parser.add_argument("folders", type=Path, nargs="+", help="folders of photos, searched through")
    arguments = parser.parse_args()

    if not ZEROED_MEMORY.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ZEROED_MEMORY})

    record: dict[str, dict[str, Any]] = {"decoders": {}, "images": {}}
    if arguments.record.exists():
        record = json.loads(arguments.record.read_text())
    record["decoders"][arguments.label] = {"dlib": dlib.__version__, "codecs": codecs()}
    for path in sorted(path for folder in arguments.folders for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if data.startswith(SIGNATURES):
            image = record["images"].setdefault(hashlib.sha256(data).hexdigest(), {"name": path.name})
            image[arguments.label] = pixels(path)
    arguments.record.write_text(one_line_each(record))


if __name__ == "__main__":
    main()
