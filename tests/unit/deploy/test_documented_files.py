"""Configurations in docs/guide/reverse-proxy.md equal the files of deploy/proxy, apart from comments."""

import re
from pathlib import Path

import pytest
import yaml

from tests import documentation
from tests.documentation import DOCS
from tests.paths import ROOT

FILES = ROOT / "deploy" / "proxy"
PAGE = documentation.text_of(DOCS / "guide" / "reverse-proxy.md")


def bare(text: str) -> list[str]:
    """Lines without comments, empty lines and the indentation; Caddy's variables by their defaults."""
    text = re.sub(r"\{\$\w+:([^}]*)\}", r"\1", text)
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def test_the_page_has_the_caddyfile() -> None:
    (block,) = documentation.code_blocks(PAGE, "caddy")
    assert bare(block) == bare((FILES / "Caddyfile").read_text(encoding="utf-8"))


def test_the_page_has_the_location_of_nginx() -> None:
    (block,) = documentation.code_blocks(PAGE, "nginx")
    server = bare((FILES / "nginx.conf").read_text(encoding="utf-8"))
    assert bare(block) == server[server.index("location / {") : -1]


@pytest.mark.parametrize(
    "file", [*sorted(FILES.rglob("*.*")), FILES / "Caddyfile-path"], ids=lambda path: path.name
)
def test_the_page_names_each_file(file: Path) -> None:
    assert f"`{file.relative_to(ROOT)}`" in PAGE


def test_the_limit_of_memory_in_install_fits_compose() -> None:
    (block,) = documentation.code_blocks(documentation.text_of(DOCS / "guide" / "install.md"), "yaml")
    services = yaml.safe_load(block)["services"]
    known = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert services == {"cpu": {"mem_limit": "2g"}}
    assert services.keys() <= known.keys()
