from model_store.models import MODELS


def test_the_models_are_those_of_the_app() -> None:
    assert sorted(MODELS) == [1, 2, 3, 4, 6]
    assert all(number == model.number for number, model in MODELS.items())


def test_only_model_3_needs_no_cnn_weights() -> None:
    without = [model.number for model in MODELS.values() if "mmod_human_face_detector" not in model.weights]
    assert without == [3]


def test_hog_is_used_by_the_models_that_detect_or_confirm_with_it() -> None:
    assert [model.number for model in MODELS.values() if model.uses_hog] == [3, 4, 6]
