"""Write the software bill of materials (SBOM) of an image, in CycloneDX 1.6 with licences.

`python -m requirements.sbom FILE LOCK...`, from the root; a lock is the name of a .txt file in this folder. Packages
are those that pip would install on this machine, as its dry run resolves the locks; licences are from their metadata.
The weights are those of the models in the images. Needs the packages of audit.txt, and the package registry.
"""

import subprocess
import sys
from collections.abc import Iterator
from json import loads
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from model_store.catalog import load_catalog
from model_store.models import MODELS
from requirements.environment import Failure, reason
from service.versions import DISTRIBUTION, own_version

LOCKS = Path(__file__).parent
IN_IMAGES = MODELS[4].weights
"""Weights that `make image` downloads: those of the default model, which contain those of models 1 and 3."""


def main(output: Path, names: list[str]) -> None:
    """Write the file. Raises Failure."""
    service = Component(
        name=DISTRIBUTION,
        version=own_version(),
        type=ComponentType.APPLICATION,
        licenses=[LicenseFactory().make_from_string("MIT")],
        purl=PackageURL("pypi", None, DISTRIBUTION, own_version()),
    )
    contents = [*_packages(names), *_weights()]
    bom = Bom(components=contents)
    bom.metadata.component = service
    bom.register_dependency(service, contents)
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise Failure(f"{output}: not valid CycloneDX: {error}")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text + "\n", encoding="utf-8")
    print(f"{output}: {len(contents)} components")


def _packages(names: list[str]) -> Iterator[Component]:
    locks = [word for name in names for word in ("-r", str(LOCKS / f"{name}.txt"))]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    dry_run = ["--dry-run", "--ignore-installed", "--report", "-", "--require-hashes", "--only-binary=:all:"]
    done = subprocess.run([*pip, *dry_run, *locks], capture_output=True, check=False)
    if done.returncode:
        raise Failure(reason("The packages cannot be looked up", done.stderr.decode(errors="replace")))
    for package in loads(done.stdout)["install"]:
        metadata = package["metadata"]
        yield Component(
            name=metadata["name"],
            version=metadata["version"],
            description=metadata.get("summary"),
            hashes=[_sha256(package["download_info"]["archive_info"]["hashes"]["sha256"])],
            licenses=[LicenseFactory().make_from_string(licence) for licence in _licences(metadata)],
            purl=PackageURL("pypi", None, metadata["name"], metadata["version"]),
        )


def _licences(metadata: dict[str, Any]) -> list[str]:
    """The SPDX expression, else the first line of the older field, else the classifiers."""
    if (
        expression := metadata.get("license_expression")
        or metadata.get("license", "").partition("\n")[0].strip()
    ):
        return [expression]
    classifiers = metadata.get("classifier", [])
    return [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License :: ")]


def _weights() -> Iterator[Component]:
    catalog = load_catalog()
    for weight in map(catalog.weight, IN_IMAGES):
        preferred = weight.variants[0]
        yield Component(
            name=weight.file_name,
            version=preferred.sha256[:12],
            type=ComponentType.MACHINE_LEARNING_MODEL,
            description=f"{weight.purpose}; {preferred.origin}",
            hashes=[_sha256(preferred.sha256)],
            licenses=[LicenseFactory().make_from_string(weight.licence)],
        )


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2:])
    except Failure as failure:
        sys.exit(str(failure))
