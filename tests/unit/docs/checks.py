"""Checks of a page: each is a function from a text to its faults, so that a test can plant a fault."""

import re
from pathlib import Path

from service import settings
from service.web import app
from tests import documentation
from tests.paths import ROOT
from tests.unit.docs.commands import MAKE_VARIABLES

OTHER_VARIABLES = settings.OTHER_VARIABLES | {"PYTHONPATH", "NUMBA_CACHE_DIR", "HTTPS_PROXY"}
"""Variables in the documentation that are neither settings nor the Makefile's."""
OUTPUTS = frozenset(
    {
        "benchmark/report.html",
        "benchmark/result.json",
        "fuzz-findings/",
        "gpu-check/gpu-check.html",
        "gpu-check/gpu-check.json",
        "image/jpeg",
        "image/png",
        "multipart/form-data",
        "service/recognition/__pycache__",
    }
)
"""Outputs of commands, and media types: like a path in form."""
PATH = re.compile(r"^(?:[\w.-]+/[\w./-]*|[\w-]+\.(?:md|py|sh|toml|yaml)|Dockerfile\.\w+)$")
ENDPOINT = re.compile(r"^(?:GET |POST )?(/\w+)$")


def missing_paths(text: str) -> list[str]:
    """Paths from the root in inline code that do not exist."""
    paths = [code for code in documentation.inline_code(text) if PATH.match(code) and code not in OUTPUTS]
    return [path for path in paths if not path.startswith(("/", ".")) and not (ROOT / path).exists()]


def dead_links(page: Path, text: str) -> list[str]:
    """Links to pages or headings that do not exist."""
    dead = []
    for link in documentation.links(text):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists():
            dead.append(link)
        elif anchor:
            there = text if target == page else documentation.text_of(target)
            dead += [] if anchor in documentation.anchors(there) else [link]
    return dead


def unknown_settings(text: str) -> list[str]:
    """Names of variables, alone or in front of a command, that nothing reads."""
    named = set(re.findall(r"\bFACE_[A-Z_]+\b", text))
    for command in documentation.commands(text):
        named |= command.variables.keys()
    known = settings.variables().keys() | MAKE_VARIABLES | OTHER_VARIABLES
    return sorted(named - known)


def unknown_endpoints(text: str) -> list[str]:
    """Endpoints in inline code that the service does not have."""
    named = [match[1] for code in documentation.inline_code(text) if (match := ENDPOINT.match(code))]
    return [path for path in named if path not in app.PATHS]
