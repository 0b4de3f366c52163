"""The table of statuses has those of all exceptions, and docs/reference/http-api.md has the table."""

import re

from service.activity import CLIENT_CLOSED_REQUEST
from service.messages import RefusalStatus
from service.pipeline import refusals
from service.web import errors
from service.web.authentication import WrongKey
from service.web.openapi.document import document
from service.web.openapi.statuses import ERRORS, KEYED, PHOTO, markdown_rows
from tests import documentation
from tests.documentation import DOCS
from tests.paths import ROOT


def test_has_the_statuses_of_all_exceptions() -> None:
    sent = {*errors.STATUS.values(), *RefusalStatus.__args__} - {CLIENT_CLOSED_REQUEST}  # type: ignore[attr-defined]
    for file in ("connections/framing.py", "access_log.py"):
        source = (ROOT / "service" / "web" / file).read_text(encoding="utf-8")
        sent |= set(map(int, re.findall(r"(?:return |hint=|error_response\()([45]\d\d)\b", source)))
    assert sent | {404, 405, 431, 501} == set(ERRORS), "the last four are of Starlette and h11"


def test_refused_photos_and_wrong_keys_are_documented_at_their_paths() -> None:
    paths = document()["paths"]
    for path in PHOTO:
        for status in refusals.STATUS.values():
            assert (str(status) in paths[path]["post"]["responses"]) == (path == "/compute" or status != 422)
    wrong_key = str(errors.STATUS[WrongKey])
    for path, methods in paths.items():
        for operation in methods.values():
            assert (
                (wrong_key in operation["responses"])
                == bool(operation["security"])
                == (path in (*KEYED, "/metrics"))
            )


def test_is_the_table_of_the_documentation() -> None:
    text = documentation.text_of(DOCS / "reference" / "http-api.md")
    table = ["| " + " | ".join(cells) + " |" for cells in documentation.rows(text, "Errors")]
    assert [" ".join(row.split()) for row in table] == markdown_rows()
    assert str(CLIENT_CLOSED_REQUEST) in text
