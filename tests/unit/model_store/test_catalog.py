"""Rules for the data of the catalogue."""

import re
from itertools import chain
from urllib.parse import urlsplit

import pytest

from model_store.catalog import Catalog, load_catalog
from model_store.errors import UnknownWeightError
from model_store.models import CNN_DETECTOR, MODELS, SIXTY_EIGHT_POINTS, TAGUCHI_RESNET


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def test_catalogue_has_exactly_the_weights_of_all_models(catalog: Catalog) -> None:
    used = set(chain.from_iterable(model.weights for model in MODELS.values()))

    assert used == set(catalog.weights)


def test_hashes_and_sizes_are_well_formed_and_unique(catalog: Catalog) -> None:
    variants = [variant for weight in catalog.weights.values() for variant in weight.variants]

    assert all(re.fullmatch("[0-9a-f]{64}", variant.sha256) for variant in variants)
    assert all(variant.size > 0 and variant.origin for variant in variants)
    assert len({variant.sha256 for variant in variants}) == len(variants)


def test_only_weights_with_a_known_hash_have_sources(catalog: Catalog) -> None:
    for weight in catalog.weights.values():
        assert bool(weight.sources) == bool(weight.variants), weight.name

    assert set(catalog.weights) - set(catalog.downloadable()) == {TAGUCHI_RESNET}


def test_the_detector_of_the_nextcloud_app_is_preferred(catalog: Catalog) -> None:
    detector = catalog.weight(CNN_DETECTOR)

    assert detector.sources[0] == "upstream"
    assert "Nextcloud" in detector.variants[0].origin


def test_every_weight_states_its_models_and_licence(catalog: Catalog) -> None:
    for weight in catalog.weights.values():
        assert weight.purpose
        assert weight.licence
        models = {str(model.number) for model in MODELS.values() if weight.name in model.weights}
        assert set(re.findall(r"\b\d\b", weight.purpose)) == models, weight.name


def test_only_the_68_point_predictor_has_a_licence_note(catalog: Catalog) -> None:
    restricted = [weight.name for weight in catalog.weights.values() if weight.licence_note]

    assert restricted == [SIXTY_EIGHT_POINTS]
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


def test_unknown_name_error_lists_the_known_names(catalog: Catalog) -> None:
    with pytest.raises(
        UnknownWeightError, match=r"'resnet50'; the catalogue has mmod_human_face_detector, shape"
    ):
        catalog.weight("resnet50")
