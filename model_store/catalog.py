"""The catalogue of weights: `catalog.toml` as typed data."""

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
class Variant:
    """One valid content of a weight file. The detector has two: two trainings of one network."""

    sha256: str
    """Lower-case hex, of the uncompressed .dat."""
    size: int
    """Bytes of the uncompressed .dat."""
    origin: str
    """Publisher."""
    caution: str = ""
    """Consequence for photos that are analysed already; empty for the preferred variant."""


@dataclass(frozen=True)
class Weight:
    """One weight file."""

    name: str
    purpose: str
    licence: str
    licence_note: str
    sources: tuple[SourceName, ...]
    """Sources in order of preference; empty if the weight is not downloaded."""
    variants: tuple[Variant, ...]
    """Preferred one first; empty if no hash is known, and then the weight is not downloaded."""

    @property
    def file_name(self) -> str:
        return f"{self.name}.dat"

    def variant(self, sha256: str) -> Variant | None:
        return next((variant for variant in self.variants if variant.sha256 == sha256), None)


@dataclass(frozen=True)
class Catalog:
    """All weights by name, and the two network sources."""

    weights: Mapping[str, Weight]
    upstream_url: str
    """URL of a .dat.bz2, with the placeholder {name}."""
    sdist_requirement: Path
    """Requirements file for pip, with the sdist's hash."""
    sdist_member: str
    """Path in the sdist, with the placeholder {name}."""

    def weight(self, name: str) -> Weight:
        """The weight of this name. Raises UnknownWeightError, which lists the known names."""
        if name not in self.weights:
            raise UnknownWeightError(
                f"no weight is called {name!r}; the catalogue has {', '.join(self.weights)}"
            )
        return self.weights[name]

    def url(self, weight: Weight) -> str:
        return self.upstream_url.format(name=weight.name)

    def downloadable(self) -> tuple[str, ...]:
        """Names of the weights with a known hash."""
        return tuple(weight.name for weight in self.weights.values() if weight.variants)


def load_catalog() -> Catalog:
    data = tomllib.loads((PACKAGE / "catalog.toml").read_text("utf-8"))
    weights = (
        Weight(
            name=entry["name"],
            purpose=entry["purpose"],
            licence=entry["licence"],
            licence_note=entry.get("licence_note", ""),
            sources=_source_names(entry["sources"]),
            variants=tuple(Variant(**variant) for variant in entry["variants"]),
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
    return tuple(source for name in names for source in known if source == name)
