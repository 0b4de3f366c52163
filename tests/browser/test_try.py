"""Photos that are tried on the page of a real service: faces, times, distances, and errors in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.calling import KEY
from tests.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import FileChooser

    from benchmarks.processes.running import Service
    from tests.browser.conftest import VisitPage
    from tests.browser.visits import Visit

pytestmark = [pytest.mark.slow, pytest.mark.browser]

DROP = """
([slot, bytes, name]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name));
  document.querySelector(`[data-slot=${slot}] .drop`).dispatchEvent(
    new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}
"""
PAINTED = """
(slot) => {
  const canvas = document.querySelector(`[data-slot=${slot}] canvas`);
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let boxed = 0;
  for (let at = 0; at < pixels.length; at += 4)
    boxed += pixels[at] === 0x3d && pixels[at + 1] === 0xdb && pixels[at + 2] === 0xd0;
  return { width: canvas.width, height: canvas.height, boxed, shown: canvas.clientWidth };
}
"""
"""Size of a slot's canvas, and the number of its pixels in the colour of a grouped face's box."""


def with_key(visited: Visit) -> Visit:
    visited.enter(KEY)
    return visited


def test_a_dropped_photo_shows_faces_times_and_what_becomes_of_them(
    service: Service, visit: VisitPage, photos: dict[str, Path]
) -> None:
    shown = with_key(visit(service))
    shown.page.evaluate(DROP, ["A", list(photos["astronaut.png"].read_bytes()), "astronaut.png"])
    assert shown.message("A", "found") == "1 face found."
    canvas = shown.page.evaluate(PAINTED, "A")
    assert (canvas["width"], canvas["height"]) == (1095, 1095)  # 512 × 512, scaled to 1.2 megapixels
    assert canvas["boxed"] > 500
    assert shown.page.locator("[data-slot=A] canvas").get_attribute("aria-label") == (
        "Photo A with a box around 1 face"
    )
    face = shown.page.inner_text("[data-slot=A] .faces li")
    assert re.search(r"A1\s+grouped\s+confidence 1\.\d\d, \d+ × \d+ pixels as sent", face)
    times = shown.page.inner_text("[data-slot=A] .times")
    for stage in ("Decoding", "Face detection (CNN)", "Landmarks", "Descriptors", "In all, seen from here"):
        assert re.search(rf"{re.escape(stage)}\s+[\d,.]+ ms", times)


def test_a_photo_can_be_sent_as_it_is(service: Service, visit: VisitPage, photos: dict[str, Path]) -> None:
    shown = with_key(visit(service))
    shown.page.select_option("#area", "0")
    shown.choose("A", photos["astronaut.png"])
    shown.message("A", "found")
    assert shown.page.evaluate(PAINTED, "A")["width"] == 512


def test_two_photos_of_a_person_are_under_the_limit_and_of_two_persons_over_it(
    service: Service, visit: VisitPage, photos: dict[str, Path]
) -> None:
    shown = with_key(visit(service))
    shown.choose("A", photos["obama.jpg"])
    shown.message("A", "found")
    assert not shown.page.locator("#compare").is_visible()
    shown.choose("B", photos["obama2.jpg"])
    shown.page.locator("#compare").wait_for()
    near = float(shown.page.inner_text("#distance"))
    assert near < 0.4
    assert "Nextcloud takes them for the same person" in shown.page.inner_text("#meaning")
    shown.choose("B", photos["biden.jpg"])
    shown.page.locator("#meaning", has_text="not under 0.4. Nextcloud does not connect these two").wait_for()
    assert float(shown.page.inner_text("#distance")) > 0.5
    shown.page.select_option("#second", "A1")
    assert shown.page.inner_text("#distance") == "0.000"


def test_a_small_face_is_kept_and_not_grouped(
    service: Service, visit: VisitPage, photos: dict[str, Path], tmp_path: Path
) -> None:
    """The limit counts in the original photo: here 160 pixels wide, which the page scales up."""
    import cv2

    small = tmp_path / "small.png"
    photo = cv2.imread(str(photos["astronaut.png"]))
    assert photo is not None
    cv2.imwrite(str(small), cv2.resize(photo, (160, 160), interpolation=cv2.INTER_AREA))
    shown = with_key(visit(service))
    shown.choose("A", small)
    message = shown.message("A", "1 face found")
    assert "it skips photos under 512 pixels" in message
    face = shown.page.inner_text("[data-slot=A] .faces li")
    assert "kept, not grouped: " in face
    assert "smaller than 40 pixels in the original photo" in face


def test_a_turned_photo_is_shown_upright(
    service: Service, visit: VisitPage, photos: dict[str, Path], tmp_path: Path
) -> None:
    from PIL import Image

    turned = tmp_path / "turned.jpg"
    with Image.open(photos["obama2.jpg"]) as photo:
        upright = photo.size
        exif = photo.getexif()
        exif[0x0112] = 6  # to be turned by 90° clockwise
        photo.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif)
    shown = with_key(visit(service))
    shown.page.select_option("#area", "0")
    shown.choose("A", turned)
    assert shown.message("A", "found") == "1 face found."
    canvas = shown.page.evaluate(PAINTED, "A")
    assert (canvas["width"], canvas["height"]) == upright


def test_asks_for_the_key_and_sends_the_photo_then(
    service: Service, visit: VisitPage, photos: dict[str, Path]
) -> None:
    shown = visit(service)
    shown.choose("A", photos["obama2.jpg"])
    shown.message("A", "Enter the API key above")
    assert shown.page.evaluate("document.activeElement.id") == "key"
    shown.enter("wröng, ключ")
    assert "The key is wrong. Copy it from the file api.key" in shown.message("A", "Status 401")
    assert shown.page.get_attribute("#key", "aria-invalid") == "true"
    shown.enter(KEY)
    assert shown.message("A", "found") == "1 face found."
    assert shown.page.get_attribute("#key", "aria-invalid") is None


def test_the_key_stays_in_the_tab_and_can_be_forgotten(service: Service, visit: VisitPage) -> None:
    shown = visit(service)
    shown.enter("a key")
    shown.page.reload()
    assert shown.page.input_value("#key") == "a key"
    assert shown.page.evaluate("localStorage.length + document.cookie.length") == 0
    assert visit(service).page.input_value("#key") == ""
    shown.page.click("#forget")
    shown.page.reload()
    assert shown.page.input_value("#key") == ""


def test_says_what_is_wrong_with_a_file_and_how_to_repair_it(
    service: Service, visit: VisitPage, photos: dict[str, Path], tmp_path: Path
) -> None:
    shown = with_key(visit(service))
    text = tmp_path / "letter.jpg"
    text.write_bytes(b"dear all, " * 100)
    shown.choose("A", text)
    assert "not a photo that the service can read. Try a JPEG" in shown.message("A", "Status 415")
    shown.page.select_option("#area", "0")
    shown.choose("A", _large(photos["obama2.jpg"], tmp_path))
    assert "too many pixels. Choose a smaller photo size" in shown.message("A", "Status 412")


def _large(photo: Path, folder: Path) -> Path:
    """The photo enlarged to 16 megapixels."""
    from PIL import Image

    path = folder / "large.jpg"
    with Image.open(photo) as opened:
        opened.resize((4000, 4000)).save(path)
    return path


def test_says_when_the_service_is_gone(service: Service, visit: VisitPage, photos: dict[str, Path]) -> None:
    shown = with_key(visit(service))
    shown.page.route("**/detect", lambda route: route.abort())
    shown.choose("A", photos["obama2.jpg"])
    assert "It may have stopped" in shown.message("A", "No answer from the service.")
    shown.page.unroute("**/detect")
    shown.page.click("[data-slot=A] .again")
    assert shown.message("A", "found") == "1 face found."
    shown.messages[:] = [message for message in shown.messages if "ERR_FAILED" not in message]


def test_the_name_of_the_file_is_not_sent(
    service: Service, visit: VisitPage, photos: dict[str, Path]
) -> None:
    shown = with_key(visit(service))
    with shown.page.expect_response("**/detect") as answer:
        shown.choose("A", photos["obama2.jpg"])
    assert answer.value.json()["filename"] == "photo"


def test_everything_is_within_reach_of_the_keyboard(
    service: Service, visit: VisitPage, photos: dict[str, Path]
) -> None:
    shown = visit(service)
    keyboard = shown.page.keyboard
    dialogs: list[FileChooser] = []
    shown.page.on("filechooser", lambda dialog: dialogs.append(dialog))

    def to(selector: str) -> None:
        for _ in range(40):
            keyboard.press("Tab")
            if shown.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        pytest.fail(f"the key Tab does not reach {selector}")

    keyboard.press("Tab")
    assert shown.page.evaluate("document.activeElement.className") == "skip"
    assert shown.page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    to("#key")
    keyboard.type(KEY)
    for slot, name in (("A", "obama.jpg"), ("B", "obama2.jpg")):
        to(f"[data-slot={slot}] input")
        outline = f"getComputedStyle(document.querySelector('[data-slot={slot}] .drop')).outlineStyle"
        assert shown.page.evaluate(outline) == "solid"
        keyboard.press("Enter")
        eventually("a dialog to choose a file", lambda: shown.page.evaluate("0") or dialogs, 20)
        dialogs.pop().set_files(photos[name])
        shown.message(slot, "found")
    to("#second")
    keyboard.press("ArrowUp")
    assert shown.page.inner_text("#distance") == "0.000"
