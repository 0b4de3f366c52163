"""Parsers of requests: HTTP, forms, faces, and API keys."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.fuzz.target import Loaded, Target, words


def multipart() -> Loaded:
    """Multipart parser. The first line is the content type, the rest the body, which arrives in pieces."""
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

    return Loaded(
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


def http() -> Loaded:
    """HTTP server with a recogniser that finds a fixed face. The input is all bytes of a connection."""
    from tests.fuzz.http_server import HttpServer

    return Loaded(HttpServer().exchange, ())


def face() -> Loaded:
    """JSON of a known face, and the answer that repeats it."""
    import numpy as np

    from service.pipeline import answers, face_part
    from service.recognition.recognizer import Face

    landmarks, descriptor = np.zeros((5, 2), np.int64), np.zeros(128, np.float32)

    def execute(data: bytes) -> None:
        known = face_part.parse_face(data)
        assert known.rectangle.left < known.rectangle.right
        assert known.rectangle.top < known.rectangle.bottom
        answers.computed("", known.echo, Face(known.rectangle, 1.0, landmarks, descriptor))

    return Loaded(execute, (face_part.BadFace,))


def keys() -> Loaded:
    """Key file, and keys in requests."""
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

    return Loaded(execute, (NoKey,))


# fmt: off
TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "multipart": Target(
            multipart,
            (
                b"\r\n", b"--", b"\r\n--x\r\n", b"\r\n--x--\r\n",
                b"Content-Disposition: form-data; ", b'name="file"', b'name="face"', b'filename="a"',
                b"filename*=UTF-8''a%00", b"filename*=idna''a",
                b"; boundary=x", b"; charset=utf-16", b"; charset=undefined",
                b"Content-Transfer-Encoding: base64\r\n", b'"', b"\\",
            ),
        ),
        "http": Target(
            http,
            (
                b"GET ", b"POST ", b"HEAD ", b"CONNECT ", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n\r\n", b"\r\n",
                b"Host: a\r\n", b"x-api-key: k\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
                b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\n", b"0\r\n\r\n", b"5\r\n",
                b"http://a/", b"*", b"//", b"%00", b"%ff", b"\xff", b"?", b"#", b"\t", b"\0",
            ),
            memory=256 << 20,
            weight=2,
        ),
        "face": Target(
            face,
            (
                *words(b'"left": "top": "right": "bottom": NaN -Infinity null true 1e400 { }'),
                b"[" * 200,
                *words(b'] " \\ud800 \xef\xbb\xbf \xff\xfe 0.0 -0 ,'),
            ),
        ),
        "keys": Target(
            keys, (b"\n", b"\r", b"#", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\xe2\x80\xa8", b" ")
        ),
    }
)
# fmt: on
