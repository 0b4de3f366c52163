"""The catalogue as typed data: `catalog.toml`, read once."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from model_store.errors import UnknownWeightError

PACKAGE = Path(__file__).parent

SourceName = Literal["sdist", "upstream"]


@dataclass(frozen=True)
class Edition:
    """One right content of a weight file: lower-case hex sha256 and bytes of the plain .dat, and who publishes it."""

    sha256: str
    size: int
    origin: str


@dataclass(frozen=True)
class Weight:
    """One weight file. `editions` (preferred first) is empty where no hash is known: then nothing downloads it."""

    name: str
    purpose: str
    licence: str
    licence_note: str
    sources: tuple[SourceName, ...]
    editions: tuple[Edition, ...]

    @property
    def file_name(self) -> str:
        return f"{self.name}.dat"

    def edition(self, sha256: str) -> Edition | None:
        return next((edition for edition in self.editions if edition.sha256 == sha256), None)


@dataclass(frozen=True)
class Catalog:
    """All weights by name, and the two places on the network that have them."""

    weights: Mapping[str, Weight]
    upstream_url: str  # with a {name} to fill in; gives a .dat.bz2
    sdist_requirement: Path
    sdist_member: str  # with a {name} to fill in; a path in the sdist

    def weight(self, name: str) -> Weight:
        """Raises UnknownWeightError, naming what there is."""
        if name not in self.weights:
            raise UnknownWeightError(
                f"no weight is called {name!r}; the catalogue has {', '.join(self.weights)}"
            )
        return self.weights[name]

    def url(self, weight: Weight) -> str:
        return self.upstream_url.format(name=weight.name)

    def downloadable(self) -> tuple[str, ...]:
        """Names of the weights that a hash is known for."""
        return tuple(weight.name for weight in self.weights.values() if weight.editions)


def load_catalog() -> Catalog:
    data = tomllib.loads((PACKAGE / "catalog.toml").read_text("utf-8"))
    weights = (
        Weight(
            name=entry["name"],
            purpose=entry["purpose"],
            licence=entry["licence"],
            licence_note=entry.get("licence_note", ""),
            sources=_source_names(entry["sources"]),
            editions=tuple(Edition(**edition) for edition in entry["editions"]),
        )
        for entry in data["weight"]
    )
    return Catalog(
        weights=MappingProxyType({weight.name: weight for weight in weights}),
        upstream_url=data["upstream"]["url"],
        sdist_requirement=PACKAGE / data["sdist"]["requirement"],
        sdist_member=data["sdist"]["member"],
    )


def _source_names(names: Iterable[str]) -> tuple[SourceName, ...]:
    known: tuple[SourceName, ...] = get_args(SourceName)
    unknown = set(names) - set(known)
    if unknown:
        raise ValueError(
            f"catalog.toml: no source is called {', '.join(sorted(unknown))}; there are {', '.join(known)}"
        )
    return tuple(name for wanted in names for name in known if name == wanted)
