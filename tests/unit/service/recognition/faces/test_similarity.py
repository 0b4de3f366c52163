"""Similarity transforms bit for bit, against values printed in hexadecimal by a dlib without LAPACK."""

import math
import random

import pytest

from service.recognition.faces.similarity import _singular_values, similarity

Four = tuple[float, float, float, float]


@pytest.mark.parametrize(
    ("matrix", "u", "values", "v"),
    [
        (
            (3.25, 1.5, -0.75, 2.125),
            ("-0x1.fda73c8b021dp-1", "0x1.87b7cf7d704b2p-4", "-0x1.87b7cf7d704b2p-4", "-0x1.fda73c8b021dp-1"),
            ("0x1.cb74f1d892cf2p+1", "0x1.1e63ee3e4ab38p+1"),
            (
                *("-0x1.c337c8d844319p-1", "0x1.e3ed612790e63p-2"),
                *("-0x1.e3ed612790e63p-2", "-0x1.c337c8d844319p-1"),
            ),
        ),
        (
            (1.0, 2.0, 2.0, 4.0),
            (
                *("0x1.c9f25c5bfedd9p-1", "-0x1.c9f25c5bfedd7p-2"),
                *("-0x1.c9f25c5bfedd8p-2", "-0x1.c9f25c5bfedd8p-1"),
            ),
            ("0x0p+0", "0x1.4000000000002p+2"),
            (
                *("0x1.c9f25c5bfeddap-1", "-0x1.c9f25c5bfeddap-2"),
                *("-0x1.c9f25c5bfedd8p-2", "-0x1.c9f25c5bfedd8p-1"),
            ),
        ),
        (
            (0.0, 0.0, 0.0, 0.0),
            ("0x1p+0", "0x0p+0", "0x0p+0", "0x1p+0"),
            ("0x0p+0", "0x0p+0"),
            ("0x1p+0", "0x0p+0", "0x0p+0", "0x1p+0"),
        ),
    ],
)
def test_singular_values_equal_dlibs(
    matrix: Four, u: tuple[str, ...], values: tuple[str, ...], v: tuple[str, ...]
) -> None:
    u_rows, found, v_rows = _singular_values(*matrix)
    assert [*u_rows[0], *u_rows[1]] == [float.fromhex(text) for text in u]
    assert list(found) == [float.fromhex(text) for text in values]
    assert [*v_rows[0], *v_rows[1]] == [float.fromhex(text) for text in v]


def test_decomposition_multiplies_to_the_matrix() -> None:
    state = random.Random(1)
    for _ in range(2000):
        matrix = [state.choice([0.0, 1.0, state.gauss(0, 1), state.gauss(0, 1e6)]) for _ in range(4)]
        u, (first, second), v = _singular_values(*matrix)
        assert first >= 0 <= second
        product = [row[0] * first * column[0] + row[1] * second * column[1] for row in u for column in v]
        assert product == pytest.approx(matrix, abs=1e-12 * max(1.0, *map(abs, matrix)))


@pytest.mark.parametrize("angle", [0.0, 1.0, math.pi / 2, -3.0])
@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
def test_finds_rotation_scale_and_shift(angle: float, scale: float) -> None:
    source = [(0.0, 0.0), (1.0, 0.1), (0.4, 0.9), (-0.3, 0.2)]
    along, across = scale * math.cos(angle), scale * math.sin(angle)
    target = [(along * x - across * y + 7, across * x + along * y - 3) for x, y in source]
    found = similarity(source, target)
    expected = (along, -across, across, along, 7, -3)
    assert tuple(found) == pytest.approx(expected, rel=1e-12, abs=1e-12 * scale)


def test_fits_a_rotation_to_a_mirrored_face() -> None:
    source = [(0.0, 0.0), (1.0, 0.1), (0.4, 0.9), (-0.3, 0.2)]
    found = similarity(source, [(-x, y) for x, y in source])
    assert found.xx * found.yy - found.xy * found.yx > 0
