from model_store.catalog import load_catalog
from model_store.models import CNN_DETECTOR, GRAPHS, LANDMARK_POINTS, MODELS, weights_of


def test_models_are_those_of_the_app() -> None:
    assert sorted(MODELS) == [1, 2, 3, 4, 6]
    assert all(number == model.number for number, model in MODELS.items())


def test_only_model_3_has_no_cnn_weights() -> None:
    without = [model.number for model in MODELS.values() if CNN_DETECTOR not in model.weights]
    assert without == [3]


def test_models_that_detect_or_confirm_by_hog_use_it() -> None:
    assert [model.number for model in MODELS.values() if model.uses_hog] == [3, 4, 6]


def test_every_weight_has_a_converted_file() -> None:
    assert {weights_of(name) for name in (*GRAPHS, *LANDMARK_POINTS)} == set(load_catalog().weights)
