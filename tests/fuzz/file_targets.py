"""Parsers of the model store's files: dlib's .dat files and manifests."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.fuzz.target import Loaded, Target, words


def dat_network() -> Loaded:
    """Dlib's networks, read with two small topologies that contain every kind of layer."""
    from conversion.dat.kinds import network_loss
    from conversion.dat.primitives import DatError
    from conversion.dat.read_network import read_network
    from tests.fuzz.dat_files import SMALL_DESCRIPTOR, SMALL_DETECTOR

    def execute(data: bytes) -> None:
        is_detector = network_loss(data) == "loss_mmod_"
        network = read_network(data, SMALL_DETECTOR if is_detector else SMALL_DESCRIPTOR)
        network.fingerprint()
        assert (network.options is not None) == is_detector

    return Loaded(execute, (DatError,))


def dat_predictor() -> Loaded:
    """Dlib's shape predictors."""
    import numpy as np

    from conversion.dat.primitives import DatError
    from conversion.dat.read_predictor import read_predictor

    def execute(data: bytes) -> None:
        predictor = read_predictor(data, 5)
        assert predictor.initial.shape == (5, 2)
        assert np.isfinite(predictor.leaves).all()

    return Loaded(execute, (DatError,))


def dat_hog() -> Loaded:
    """Dlib's HOG detectors."""
    from conversion.dat.primitives import DatError
    from conversion.hog import read_detector

    return Loaded(read_detector, (DatError,))


def manifest() -> Loaded:
    """Manifest of a converted model."""
    import tempfile

    from model_store.manifest import GraphError, graph_path, load, manifest_path
    from model_store.models import DLIB_RESNET

    store = Path(tempfile.mkdtemp())
    path = manifest_path(store, DLIB_RESNET)
    path.parent.mkdir()
    graph_path(store, DLIB_RESNET).write_bytes(b"")

    def execute(data: bytes) -> None:
        path.write_bytes(data)
        load(store, DLIB_RESNET)

    return Loaded(execute, (GraphError,))


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "dat-network": Target(
            dat_network,
            (
                *words(b"con_4 con_5 con_6 affine_ affine_2 bn_con2 fc_2 fc_3 relu_2 max_pool_2 avg_pool_2"),
                *words(b"loss_mmod_ loss_metric_2 input_rgb_image"),
                *(b"inf ", b"NaN ", b"1e999 ", b"\x01\x02", b"\x01\x01", b"\x02\x00\x7d"),
                *(b"\x88" + b"\xff" * 8, b"\x08" + b"\xff" * 8),
            ),
        ),
        "dat-predictor": Target(
            dat_predictor, (b"\x01\x01", b"\x81\x01", b"\x02\xff\xff", b"\x03\x00\x00\x01")
        ),
        "dat-hog": Target(
            dat_hog, (b"\x01\x01", b"\x81\x01", b"\x02\x00\x7d", b"\x02\x01\x7d", b"NaN ", b"1e999 ")
        ),
        "manifest": Target(manifest, words(b'null NaN 1e999 [ { " \\ud800 \xff')),
    }
)
