"""The functions that take bytes from outside, as a table: what each may raise, and within which memory and time."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

CORPUS = Path(__file__).parent / "corpus"

AREA = 1_000_000
"""Pixels that an image may have: enough for every loop of a decoder, and decoded within milliseconds."""


class Opened(NamedTuple):
    """A target in the child, its libraries imported."""

    execute: Callable[[bytes], object]
    documented: tuple[type[Exception], ...]
    """All that `execute` may raise."""


@dataclass(frozen=True)
class Target:
    """A function of bytes, and the limits within which every input has to end."""

    open: Callable[[], Opened]
    tokens: tuple[bytes, ...] = ()
    """Words of the format, for the mutations."""
    memory: int = 64 << 20
    """Bytes that may be allocated beyond what the process has before the first mutated input."""
    cpu_seconds: int = 10
    """For one input, with the checks on; the notes on coverage take most of it."""
    weight: int = 1
    """Share of the time where all targets are run."""


def decoder() -> Opened:
    """An image to its size, its orientation and its pixels."""
    import numpy as np

    from service.images import decoding
    from service.images.orientation import orientation

    def execute(data: bytes) -> None:
        found = decoding.checked_header(data, AREA)
        assert 1 <= found.width * found.height <= AREA
        orientation(data, found.format)
        pixels = decoding.decode(data, maximum_area=AREA, honour_orientation=True)
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        assert pixels.flags.c_contiguous

    return Opened(execute, (decoding.UndecodableImage, decoding.ImageTooLarge))


def multipart() -> Opened:
    """A form to photo and face, its body in pieces. The first line is the content type, the rest the body."""
    import asyncio

    from starlette.requests import ClientDisconnect, Request
    from starlette.types import Message

    from service.pipeline import answers, face_part
    from service.web import uploads
    from service.web.uploads import UploadBudget
    from tests.fuzz.pieces import pieces

    maximum = 32 * 1024
    loop = asyncio.new_event_loop()

    async def parsed(kind: bytes, body: bytes) -> None:
        messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": True} for piece in pieces(body)
        ]
        messages.append({"type": "http.request", "body": b"", "more_body": False})
        messages.reverse()

        async def receive() -> Message:
            return messages.pop() if messages else {"type": "http.disconnect"}

        request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}, receive)
        assert 0 <= uploads.size_of(request, maximum) <= maximum
        with UploadBudget(maximum).share() as share:
            upload = await uploads.read_upload(request, share, maximum=maximum, patience=5)
        assert 0 < len(upload.data) <= maximum
        answers.detected(upload.name, ())
        face_part.face_of(upload.face)

    def execute(data: bytes) -> None:
        kind, _, body = data.partition(b"\n")
        loop.run_until_complete(parsed(kind, body))

    return Opened(
        execute,
        (
            uploads.MalformedUpload,
            uploads.UploadTooLarge,
            uploads.EmptyUpload,
            uploads.Stalled,
            ClientDisconnect,
            face_part.BadFace,
        ),
    )


def http() -> Opened:
    """A connection's bytes to the server itself, with a recogniser that finds a fixed face."""
    from tests.fuzz.http_server import HttpServer

    return Opened(HttpServer().exchange, ())


def message() -> Opened:
    """The head of a message between the web process and the worker process, in both directions."""
    from service import messages

    def execute(data: bytes) -> None:
        for parsed in (messages.from_web, messages.from_worker, messages.worker_status):
            try:
                found = parsed(data)
            except messages.MalformedMessage:
                continue
            assert parsed(found.head()) == found

    return Opened(execute, ())


def face() -> Opened:
    """The JSON of a known face, and the answer that repeats it."""
    import numpy as np

    from service.pipeline import answers, face_part
    from service.recognition.recognizer import Face

    landmarks, descriptor = np.zeros((5, 2), np.int64), np.zeros(128, np.float32)

    def execute(data: bytes) -> None:
        known = face_part.parse_face(data)
        assert known.rectangle.left < known.rectangle.right
        assert known.rectangle.top < known.rectangle.bottom
        answers.computed("", known.echo, Face(known.rectangle, 1.0, landmarks, descriptor))

    return Opened(execute, (face_part.BadFace,))


def dat_network() -> Opened:
    """dlib's networks, read against two small topologies that hold every kind of layer."""
    from conversion.dat.kinds import network_loss
    from conversion.dat.primitives import DatError
    from conversion.dat.read_network import read_network
    from tests.fuzz.dat_files import SMALL_DESCRIPTOR, SMALL_DETECTOR

    def execute(data: bytes) -> None:
        is_detector = network_loss(data) == "loss_mmod_"
        network = read_network(data, SMALL_DETECTOR if is_detector else SMALL_DESCRIPTOR)
        network.fingerprint()
        assert (network.options is not None) == is_detector

    return Opened(execute, (DatError,))


def dat_predictor() -> Opened:
    """dlib's shape predictors."""
    import numpy as np

    from conversion.dat.primitives import DatError
    from conversion.dat.read_predictor import read_predictor

    def execute(data: bytes) -> None:
        predictor = read_predictor(data, 5)
        assert predictor.initial.shape == (5, 2)
        assert np.isfinite(predictor.leaves).all()

    return Opened(execute, (DatError,))


def dat_hog() -> Opened:
    """dlib's HOG detectors."""
    from conversion.dat.primitives import DatError
    from conversion.hog import read_detector

    return Opened(read_detector, (DatError,))


def manifest() -> Opened:
    """The manifest beside a converted file."""
    import tempfile

    from model_store.manifest import GraphError, graph_path, load, manifest_path
    from model_store.models import DLIB_RESNET

    store = Path(tempfile.mkdtemp())
    path = manifest_path(store, DLIB_RESNET)
    path.parent.mkdir()
    graph_path(store, DLIB_RESNET).write_bytes(b"")

    def execute(data: bytes) -> None:
        path.write_bytes(data)
        load(store, DLIB_RESNET)

    return Opened(execute, (GraphError,))


def keys() -> Opened:
    """The key file, and keys that callers offer."""
    import tempfile

    from service.settings import Settings
    from service.web.keys import KeyRing, NoKey, read_keys

    path = Path(tempfile.mkdtemp()) / "api.key"
    settings = Settings.model_validate({"API_KEY": "", "API_KEY_FILE": path})

    def execute(data: bytes) -> None:
        path.write_bytes(data)
        found = read_keys(settings)
        assert found
        ring = KeyRing(found)
        assert all(ring.admits(key.encode()) for key in found)
        ring.admits(data)

    return Opened(execute, (NoKey,))


def decoder_request() -> Opened:
    """A decoder child's request."""
    from service.decoders import messages

    def execute(data: bytes) -> None:
        found = messages.request(data)
        assert found.size >= 0
        assert found.header is None or found.header.area > 0
        assert messages.request(found.packet()) == found

    return Opened(execute, (messages.MalformedMessage,))


def decoder_reply() -> Opened:
    """A decoder child's reply. The first line is 0 for a header or 1 for pixels, and the size of the memory."""
    from service import ipc
    from service.decoders import messages
    from service.decoders.messages import Pixels, Request
    from service.images.memory import Header

    asked = Request(1000, AREA), Request(1000, AREA, Header(64, 40, "JPEG"))

    def execute(data: bytes) -> None:
        head, _, packet = data.partition(b"\n")
        pixels, _, size = head.partition(b" ")
        request = asked[pixels == b"1"]
        memory = int(size[:18]) if size.isdigit() else 0
        found = messages.reply(packet, request, memory)
        match found.result:
            case Header(width, height):
                assert request.header is None
                assert 1 <= width * height <= AREA
            case Pixels() as result:
                assert request.header is not None
                assert 1 <= result.rows * result.columns <= AREA
                assert result.size == memory
            case Exception() as error:
                str(error).encode()
        again = found.packet()
        assert len(again) <= ipc.MAXIMUM_PACKET
        assert messages.reply(again, request, memory).packet() == again

    return Opened(execute, (messages.MalformedMessage,))


DECODER_MEMORY = (128 << 20) + (os.cpu_count() or 1) * (16 << 20)
"""Bytes: AREA in the 3 to 10 bytes per pixel that decoders need, and a stack (8 MiB) per core for each of two pools of
threads, those of libavif and of libheif."""

_EXIF = (b"Exif\0\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0")


def _words(text: bytes) -> tuple[bytes, ...]:
    return tuple(text.split())


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "jpeg": Target(
            decoder,
            (
                *(bytes((0xFF, marker)) for marker in range(0xC0, 0xF0)),
                *(b"\xff\x01", b"\xff\xfe", b"\xff\xff", b"\xff\0", b"JFIF\0", b"Adobe\0", *_EXIF),
            ),
            memory=DECODER_MEMORY,
            weight=3,
        ),
        "png": Target(
            decoder,
            (
                *_words(
                    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP eXIf zTXt acTL fcTL fdAT sBIT bKGD "
                    b"cICP iTXt"
                ),
                *_EXIF,
            ),
            memory=DECODER_MEMORY,
            weight=3,
        ),
        "webp": Target(
            decoder,
            (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"ICCP", b"XMP ", *_EXIF),
            memory=DECODER_MEMORY,
            weight=2,
        ),
        "gif": Target(
            decoder,
            (b"!\xf9\x04", b"!\xff\x0bNETSCAPE2.0", b"!\xfe", b",", b";", b"\0"),
            memory=DECODER_MEMORY,
        ),
        "bmp": Target(
            decoder,
            (b"\0\0", b"\0\1", b"\0\2", b"\x28\0\0\0", b"\x0c\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0"),
            memory=DECODER_MEMORY,
        ),
        "tiff": Target(
            decoder,
            tuple(
                tag.to_bytes(2, order) + kind.to_bytes(2, order)
                for order in ("little", "big")
                for kind in (3, 4, 16)
                for tag in (*range(254, 285), 317, 320, 322, 323, 324, 325, 330, 338, 339, 347, 530, 34665)
            ),
            memory=DECODER_MEMORY,
            weight=2,
        ),
        "avif": Target(
            decoder,
            _words(b"ftyp avif avis mif1 meta iloc iinf iprp ipco ispe av1C irot"),
            memory=DECODER_MEMORY,
            weight=2,
        ),
        "heif": Target(
            decoder,
            _words(b"ftyp heic mif1 msf1 meta iloc iinf iprp ipco ispe hvcC grid"),
            memory=DECODER_MEMORY,
            weight=2,
        ),
        "multipart": Target(
            multipart,
            (
                *(
                    b"\r\n",
                    b"--",
                    b"\r\n--x\r\n",
                    b"\r\n--x--\r\n",
                    b"Content-Disposition: form-data; ",
                    b'name="file"',
                ),
                *(
                    b'name="face"',
                    b'filename="a"',
                    b"filename*=UTF-8''a%00",
                    b"filename*=idna''a",
                    b"; boundary=x",
                ),
                *(
                    b"; charset=utf-16",
                    b"; charset=undefined",
                    b"Content-Transfer-Encoding: base64\r\n",
                    b'"',
                    b"\\",
                ),
            ),
        ),
        "http": Target(
            http,
            (
                *(
                    b"GET ",
                    b"POST ",
                    b"HEAD ",
                    b"CONNECT ",
                    b" HTTP/1.1\r\n",
                    b" HTTP/1.0\r\n",
                    b"\r\n\r\n",
                    b"\r\n",
                ),
                *(
                    b"Host: a\r\n",
                    b"x-api-key: k\r\n",
                    b"Content-Length: 5\r\n",
                    b"Transfer-Encoding: chunked\r\n",
                ),
                *(
                    b"Expect: 100-continue\r\n",
                    b"Connection: close\r\n",
                    b"Upgrade: h2c\r\n",
                    b"0\r\n\r\n",
                    b"5\r\n",
                ),
                *(b"http://a/", b"*", b"//", b"%00", b"%ff", b"\xff", b"?", b"#", b"\t", b"\0"),
            ),
            memory=256 << 20,
            weight=2,
        ),
        "message": Target(message, (b'"kind":', b'"number":', b'"photo"', b'"begun"', b"null", b"-1")),
        "face": Target(
            face,
            (
                *(
                    b'"left":',
                    b'"top":',
                    b'"right":',
                    b'"bottom":',
                    b"NaN",
                    b"-Infinity",
                    b"null",
                    b"true",
                    b"1e400",
                ),
                *(
                    b"{",
                    b"}",
                    b"[" * 200,
                    b"]",
                    b'"',
                    b"\\ud800",
                    b"\xef\xbb\xbf",
                    b"\xff\xfe",
                    b"0.0",
                    b"-0",
                    b",",
                ),
            ),
        ),
        "dat-network": Target(
            dat_network,
            (
                *(
                    b"con_4",
                    b"con_5",
                    b"con_6",
                    b"affine_",
                    b"affine_2",
                    b"bn_con2",
                    b"fc_2",
                    b"fc_3",
                    b"relu_2",
                ),
                *(
                    b"max_pool_2",
                    b"avg_pool_2",
                    b"loss_mmod_",
                    b"loss_metric_2",
                    b"input_rgb_image",
                    b"inf ",
                    b"NaN ",
                ),
                *(
                    b"\x01\x02",
                    b"\x01\x01",
                    b"\x88" + b"\xff" * 8,
                    b"\x08" + b"\xff" * 8,
                    b"\x02\x00\x7d",
                    b"1e999 ",
                ),
            ),
        ),
        "dat-predictor": Target(
            dat_predictor, (b"\x01\x01", b"\x81\x01", b"\x02\xff\xff", b"\x03\x00\x00\x01")
        ),
        "dat-hog": Target(
            dat_hog, (b"\x01\x01", b"\x81\x01", b"\x02\x00\x7d", b"\x02\x01\x7d", b"NaN ", b"1e999 ")
        ),
        "manifest": Target(manifest, (b"null", b"NaN", b"1e999", b"[", b"{", b'"', b"\\ud800", b"\xff")),
        "decoder-request": Target(
            decoder_request,
            (b"null", b"true", b"[", b"]", b", ", b'"HEIF"', b"1e9", b"-1", b"9" * 30, b"NaN"),
        ),
        "decoder-reply": Target(
            decoder_reply,
            (
                *(
                    b"1 ",
                    b"0 ",
                    b"\n",
                    b"[",
                    b"]",
                    b", ",
                    b"true",
                    b"1e9",
                    b"-1",
                    b"9" * 30,
                    b"NaN",
                    b"\\ud800",
                ),
                *_words(b'"header" "pixels" "undecodable" "HEIF" "JPEG"'),
                *(b'"too large"', b'"no memory"', b'"over limit"'),
            ),
        ),
        "keys": Target(
            keys, (b"\n", b"\r", b"#", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\xe2\x80\xa8", b" ")
        ),
    }
)


def corpus_of(name: str) -> list[Path]:
    """The files of a target's corpus, in the order of their names."""
    return sorted((CORPUS / name).iterdir())
