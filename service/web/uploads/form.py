"""Reading of a photo from a multipart request: bounded, in memory, never on disk."""

import asyncio
import posixpath
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from service.messages import FACE_FIELD
from service.web.connections import READ_AT_ONCE
from service.web.connections.minimum_rate import MINIMUM_RATE, MinimumRate
from service.web.uploads.budget import UploadShare
from service.web.uploads.multipart import extended_filename, without_preamble

PHOTO_FIELD = "file"

MAXIMUM_PARTS = 32
"""Maximum number of files, and of other fields, in a form. The app sends one or two parts. The bound is against bodies
that consist of part headers."""


class MalformedUpload(Exception):
    """The body is not a multipart form with a photo in it."""


class UploadTooLarge(Exception):
    """The body is larger than the limit."""


class EmptyUpload(Exception):
    """The photo has no bytes."""


class Stalled(Exception):
    """The upload has stopped, or is slower than MINIMUM_RATE."""


@dataclass(frozen=True)
class Upload:
    """An upload as received."""

    name: str
    """Base name of the file, which may be empty. Private: for the answer only, never for a log."""
    data: bytes
    """The encoded photo."""
    face: bytes | None
    """The part `face`, text in UTF-8; None if the form has none."""


class _InMemoryParser(MultiPartParser):
    # 0: tempfile.SpooledTemporaryFile never moves the data to disk.
    spool_max_size = 0
    complete = False

    def on_headers_finished(self) -> None:
        part = self._current_part
        disposition = part.content_disposition or b""
        extended, name = extended_filename(disposition)
        if extended:
            # A part with either form of file name is a file, but Starlette reads the plain `filename` only. Therefore
            #     form-data; name="file"; filename*=utf-8''%C3%A9.jpg
            # becomes
            #     form-data; filename=""; name="file"; filename*=utf-8''%C3%A9.jpg
            # and a plain `filename` of the sender, which comes after the empty one, overrides it.
            part.content_disposition = disposition.replace(b";", b'; filename="";', 1)
        super().on_headers_finished()
        if name is not None and part.file is not None:  # RFC 6266, section 4.3: preferred to the plain one
            part.file.filename = name

    def on_end(self) -> None:
        self.complete = True


def size_of(request: Request, maximum: int) -> int:
    """Bytes of the request's body by its Content-Length; `maximum` if it has none. Reads nothing of the body.

    Raises UploadTooLarge, or MalformedUpload for a body that is no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise MalformedUpload("the body is not multipart/form-data: send the photo as a form upload")
    declared = request.headers.get("content-length", "")
    if not declared.isdecimal():
        return maximum
    if int(declared) > maximum:
        raise UploadTooLarge(_too_large(maximum))
    return int(declared)


async def read_upload(request: Request, share: UploadShare, *, maximum: int, patience: float) -> Upload:
    """The photo in the field `file` of a multipart request of at most `maximum` bytes.

    Each block stays unread in the connection until `share` holds its bytes (back-pressure). At the end `share` holds
    the size of the body.

    Raises MalformedUpload, UploadTooLarge or EmptyUpload, starlette's ClientDisconnect, and Stalled if no byte arrives
    for `patience` seconds, or fewer than MINIMUM_RATE a second.
    """
    most = size_of(request, maximum)
    form = await _read_form(request, _bounded(request, share, most, patience))
    try:
        photos = form.getlist(PHOTO_FIELD)
        if not photos:
            raise MalformedUpload(f"the form has no field {PHOTO_FIELD!r}: send the photo as a file in it")
        photo = photos[0]
        if not isinstance(photo, UploadFile):
            raise MalformedUpload(
                f"the field {PHOTO_FIELD!r} has no file name: send the photo as a file, not as text"
            )
        data = await photo.read()
        if not data:
            raise EmptyUpload("the photo has 0 bytes")
        return Upload(base_name(photo.filename or ""), data, await _face(form.get(FACE_FIELD)))
    finally:
        await form.close()


async def _face(part: UploadFile | str | None) -> bytes | None:
    """The bytes of a part, which is text or, with a file name, a file."""
    if isinstance(part, UploadFile):
        return await part.read()
    return part if part is None else part.encode(errors="surrogatepass")


def base_name(sent: str) -> str:
    """The last part of the file name or path in a Content-Disposition header.

    Browsers and libcurl write a quotation mark in a name as %22 (HTML standard, "multipart form data").
    """
    return posixpath.basename(sent.replace("%22", '"'))


async def _read_form(request: Request, body: AsyncGenerator[bytes, None]) -> FormData:
    _, parameters = parse_options_header(request.headers["content-type"])
    boundary = parameters.get(b"boundary")
    if boundary is None:
        raise MalformedUpload("the content type names no boundary")

    async def whole_body() -> AsyncGenerator[bytes, None]:
        async for chunk in without_preamble(body, boundary):
            yield chunk
        if not parser.complete:
            raise MalformedUpload("the body ends before its closing boundary")

    parser = _InMemoryParser(request.headers, whole_body(), max_files=MAXIMUM_PARTS, max_fields=MAXIMUM_PARTS)
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise MalformedUpload(error.message) from None
    except ValueError:
        # Raised by Python's codecs: UnicodeError by "idna" and "undefined", ValueError for a name with a NUL.
        raise MalformedUpload("the form is not in the charset that its content type names") from None


async def _bounded(
    request: Request, share: UploadShare, most: int, patience: float
) -> AsyncGenerator[bytes, None]:
    """The chunks of the body. Raises UploadTooLarge beyond `most` bytes, and Stalled."""
    received = 0
    body = request.stream()
    rate = MinimumRate(patience)
    loop = asyncio.get_running_loop()
    while True:
        # Before this, no byte of the block is read. The first read sends `100 Continue`.
        await share.grow(min(received + READ_AT_ONCE, most))
        started = loop.time()
        try:
            async with asyncio.timeout(rate.left):
                chunk = await anext(body)
        except StopAsyncIteration:
            share.complete(received)
            return
        except TimeoutError:
            raise Stalled(
                f"{received} bytes arrived, then none for {patience:g} seconds or fewer than {MINIMUM_RATE} a second"
            ) from None
        rate.count(loop.time() - started, len(chunk))
        received += len(chunk)
        if received > most:
            raise UploadTooLarge(_too_large(most))
        yield chunk


def _too_large(maximum: int) -> str:
    return f"the upload has more than {maximum} bytes; the limit is the setting FACE_MAXIMUM_UPLOAD"
