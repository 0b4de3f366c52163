"""Comparisons with a reference, in words: at the conversion, at the start, and of photos since then."""

import logging
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from model_store import manifest
from model_store.manifest import GraphError, Validation
from model_store.models import CNN_DETECTOR, Model
from model_store.store import WeightStore
from service.messages import DeviceReport, ScanReport, StageReport
from service.settings import Settings
from service.web.page.stages import NOT_SHOWN, without_path
from service.web.page.status import Proof

log = logging.getLogger(__name__)

COMPARED: Mapping[str, str] = MappingProxyType(
    {
        "confidences": "a confidence",
        "points": "a landmark, in pixels,",
        "single": "one of the 128 numbers of a face",
    }
)
"""Compared values of a manifest, for people."""

SUBJECTS: Mapping[str, str] = MappingProxyType(
    {"confidences": "CNN face detector", "points": "landmark predictor", "single": "descriptor network"}
)
"""Compared values of a manifest to the networks that compute them."""

COMPILED = Proof(
    passed=True,
    sentence="HOG and the cut-outs of faces are compared with dlib by the tests of each version, "
    "and not on this machine.",
)


def of_conversion(settings: Settings, model: Model) -> list[Proof]:
    """Origin of the weights, and comparisons with dlib at the conversion, by the manifests. Reads and hashes files."""
    if settings.engine != "onnx":
        return []
    detectors = (CNN_DETECTOR,) if model.detector == "cnn" else ()
    graphs = (*detectors, model.landmarks, model.network)
    return [*_of_weights(settings, graphs), *_of_manifests(settings, graphs), COMPILED]


def _of_weights(settings: Settings, names: tuple[str, ...]) -> Iterator[Proof]:
    """Weights that are valid and not those of the app."""
    for status in WeightStore(settings.store).status(names):
        if status.caution:
            yield Proof(passed=False, sentence=f"The weights {status.weight.file_name} are {status.caution}.")


def _of_manifests(settings: Settings, graphs: tuple[str, ...]) -> Iterator[Proof]:
    for graph in graphs:
        try:
            validation = manifest.load(settings.store, graph).validation
        except GraphError as error:
            log.debug("no comparison is shown: %s", error)
            continue
        yield _compared(validation)


def _compared(validation: Validation) -> Proof:
    value = next(name for name in COMPARED if name in validation.largest_difference)
    difference, allowed = validation.largest_difference[value], validation.tolerance[value]
    pictures = f"{validation.inputs} pictures"
    return Proof(
        passed=difference <= allowed,
        sentence=f"When it was converted, the {SUBJECTS[value]} was compared with {validation.reference} on "
        f"{pictures}: {COMPARED[value]} differed by at most {difference:.2g} ({allowed:.2g} allowed).",
    )


def of_stages(stages: Mapping[str, StageReport], scan_stopped: str | None) -> Iterator[Proof]:
    """Comparisons at the start of the worker, and of photos since then."""
    for stage in stages.values():
        if stage.device_proof:
            yield _of_device(stage.device_proof)
        if stage.trial:
            yield Proof(passed=True, sentence=_trial(stage))
        if stage.scan_refused:
            yield Proof(
                passed=False,
                sentence="The CNN detector computes in float32 alone, without its scan, which is slower: "
                f"{without_path(stage.scan_refused)}.",
            )
        if stage.scan and stage.scan.checked and not stage.scan.stopped:
            yield Proof(passed=True, sentence=_checked(stage.scan))
    if scan_stopped:
        yield Proof(
            passed=False,
            sentence="The scan has stopped itself, and float32 computes all photos until the next start, "
            f"which is slower: {without_path(scan_stopped)}.",
        )


def _trial(stage: StageReport) -> str:
    assert stage.trial is not None
    used = "is used" if stage.precision != "float32" else "saves too little time here, and is not used"
    return (
        "At the start, the face detector's scan was compared with float32 on a test picture: a score differed "
        f"by at most {stage.trial.largest_error:.3f}. It takes {stage.trial.time_ratio:.0%} of the time, and {used}; "
        "scores near the threshold are always computed in float32."
    )


def _checked(scan: ScanReport) -> str:
    return (
        f"Of {scan.photos:,} photos scanned since the start, {scan.checked:,} were computed in float32 as "
        "well: no score of a face differed."
    )


def _of_device(proof: DeviceReport) -> Proof:
    device = f"{proof.device} ({proof.driver})" if proof.driver else proof.device
    if not proof.passed:
        return Proof(
            passed=False,
            sentence=f"{device} failed its comparison with the CPU, and the CPU computes instead: "
            f"{without_path(proof.reason or NOT_SHOWN)}.",
        )
    differences = [
        f"{name} by {difference:.1g}"
        for name, difference in (
            ("a score of the face detector", proof.score_difference),
            (COMPARED["single"], proof.descriptor_difference),
        )
        if difference is not None
    ]
    time = "" if proof.time_ratio is None else f" It takes {proof.time_ratio:.2g} of the CPU's time"
    used = ", too much for it to be used: the CPU computes." if proof.reason else "."
    return Proof(
        passed=True,
        sentence=f"{device} was compared with the CPU on a test picture: the same faces; at most, "
        f"{' and '.join(differences)} differed.{time}{used if time else ''}",
    )
