"""Error-compensating rounding, and weights that no processor saturates."""

import numpy as np
from numpy.typing import NDArray

from conversion.dat.layers import Conv, ConvSpec
from conversion.graphs.quantisation import LARGEST_VALUE, LARGEST_WEIGHT, calibrated, quantised, rounded
from tests.unit.conversion.emulated_int8 import HIGHEST, LOWEST, values_of


def _layers(state: np.random.RandomState) -> list[Conv]:
    specs = (ConvSpec(4, 8, 3, 1, 0), ConvSpec(8, 16, 5, 2, 0), ConvSpec(16, 16, 5, 1, 2))
    return [
        Conv(
            spec,
            state.normal(
                0, 1 / (spec.kernel * spec.channels), (spec.filters, spec.channels, *(spec.kernel,) * 2)
            ).astype(np.float32),
            state.normal(0, 0.1, spec.filters).astype(np.float32),
            (),
        )
        for spec in specs
    ]


def test_error_of_correlated_inputs_is_half_of_that_of_plain_rounding() -> None:
    state = np.random.RandomState(1)
    inputs = state.normal(size=(2000, 12)) @ state.normal(size=(12, 60)) + 0.1 * state.normal(size=(2000, 60))
    weights = state.normal(size=(16, 60))
    units, scales = rounded(weights, inputs.T @ inputs)
    plain = np.rint(weights / scales[:, None])

    def error(integers: NDArray[np.float64]) -> float:
        return float(np.std(inputs @ (integers * scales[:, None] - weights).T))

    np.testing.assert_array_equal(units, np.rint(units))
    assert np.abs(units).max() == LARGEST_WEIGHT
    assert error(units) < error(plain) / 2


def test_weights_of_independent_inputs_are_rounded_to_the_nearest() -> None:
    """No weight can compensate the error of another one."""
    weights = np.random.RandomState(2).normal(size=(3, 20))
    units, scales = rounded(weights, np.eye(20))
    np.testing.assert_array_equal(units, np.rint(weights / scales[:, None]))


def test_a_pair_of_products_never_saturates_16_bits() -> None:
    assert LOWEST <= -2 * LARGEST_VALUE * LARGEST_WEIGHT
    assert 2 * LARGEST_VALUE * LARGEST_WEIGHT <= HIGHEST


def test_weights_of_zero_stay_zero() -> None:
    state = np.random.RandomState(4)
    inputs = state.normal(size=(200, 3)) @ state.normal(size=(3, 9))
    weights = state.normal(size=(8, 9))
    weights[:, 4], weights[5] = 0, 0
    units, scales = rounded(weights, inputs.T @ inputs)
    assert not units[weights == 0].any()
    assert scales[5] == 1


def test_the_same_pictures_give_the_same_layers_close_to_float32() -> None:
    state = np.random.RandomState(3)
    layers = _layers(state)
    pictures = [state.randint(0, 256, (1, 4, 40, 30)).astype(np.uint8) for _ in range(2)]
    one, other = (quantised(layers, calibrated(layers, pictures)) for _ in range(2))
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours.weights, theirs.weights)
        np.testing.assert_array_equal(ours.bias, theirs.bias)
        assert np.abs(ours.weights.astype(int)).max() <= LARGEST_WEIGHT
    highest = values_of(one, pictures[0][0]).max()
    assert 200 < highest <= LARGEST_VALUE
