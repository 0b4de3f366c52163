"""Program that decodes every file of a folder; prints the result of each file, and the peak memory.

The address space is limited, so that a decoder that trusts a false header fails here, and not the machine.
"""

import json
import resource
import sys
from pathlib import Path

from service.images.decoding import ImageTooLarge, UndecodableImage, decode

ADDRESS_SPACE = 3 << 30
"""Bytes; the libraries alone map about 1 GB without touching it."""


def resident_peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def outcome(data: bytes, maximum_area: int) -> str | list[int]:
    try:
        return list(decode(data, maximum_area=maximum_area, honour_orientation=True).shape)
    except (UndecodableImage, ImageTooLarge) as error:
        return type(error).__name__


def main() -> None:
    folder, maximum_area = Path(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    before = resident_peak()
    outcomes = {}
    for path in sorted(folder.iterdir()):
        print(path.name, file=sys.stderr)
        outcomes[path.name] = outcome(path.read_bytes(), maximum_area)
    print(json.dumps({"outcomes": outcomes, "bytes": resident_peak() - before}))


if __name__ == "__main__":
    main()
