"""Measured figures of a photo's way: bytes, and CPU time in Nextcloud and in the front.

Each is of the machine named beside it. docs/guide/capacity.md has them in a table.
"""

PAYLOAD = 1448 / 1538
"""Share of an Ethernet link that carries data: a full frame has 1,448 bytes of TCP data, and takes 1,538 bytes with its
headers and the gap before the next one (IEEE 802.3, MTU 1,500, TCP time stamps)."""

ORIGINAL_MEGABYTES = 4.0
"""Size of an original: usual for 12 megapixels, not measured. The app reads it from Nextcloud's storage."""

DATABASE_SECONDS = 0.84e-3
"""Time of the app's transaction for a photo of two faces: an update, a deletion and two inserts of 3 kB. Measured with
one connection of pgbench on tables of the same shape: PostgreSQL 15, 200,000 photos, a disk whose fdatasync takes 0.2
to 1 ms (AMD EPYC, 2026-11-30). 16 connections took 0.36 ms a photo. The app's other queries are not in it."""


def upload_bytes(megapixels: float) -> float:
    """Mean size of an upload: 40, 125 and 320 kB at 0.3, 1.2 and 4 megapixels, within 6 %.

    Measured on 96 photos, scaled and encoded by `service.images.app_uploads` (2026-11-30).
    """
    return 110e3 * float(megapixels**0.8)


def preparation_seconds(megapixels: float) -> float:
    """CPU time in which Nextcloud decodes an original of 12 megapixels, scales it to an area, and encodes it.

    Measured without PHP, in the library that PHP calls for it, libgd 2.3.3, on two photos of 12.6 and 14.1 megapixels:
    269, 319 and 473 ms at 0.3, 1.2 and 4 megapixels (AMD EPYC, one core, 2026-11-30).
    """
    return 0.26 + 0.055 * megapixels


def front_seconds(megapixels: float) -> float:
    """CPU time of nginx for a photo, which grows with its bytes: within 10 % of the measured ones.

    Measured with the rules of deploy/nginx and a server that only reads the body: 0.23, 0.33, 0.62 and 1.3 ms for 40,
    125, 320 and 1,000 kB (nginx 1.22, AMD EPYC, 2026-11-30).
    """
    return 0.19e-3 + 1.15e-9 * upload_bytes(megapixels)
