"""Invented results that contain everything a report can show."""

import numpy as np

from benchmarks.harness.faces import AnsweredFace
from benchmarks.harness.results import Key, Question, Result, Series, Status, Verdict
from benchmarks.parity.comparison import Problem
from benchmarks.parity.discrepancies import Discrepancy, cut_out
from model_store.models import CNN_DETECTOR, DLIB_RESNET
from service.recognition.geometry import Rectangle

HOSTILE = """<img src=x onerror="alert('1')">&amp;.jpg"""
"""A file name that must stay a file name."""


def rich(
    made: str = "2026-03-01T09:30:00+00:00", times: float = 14.0, processor: str = "AMD EPYC 9354"
) -> Result:
    """Complete full run without a red gate; accuracy abstains for lack of labelled pairs."""
    result = Result(made=made, plan="full", complete=True, seconds=2460)
    result.facts = {
        "machine": {"processor": processor, "cores": 2, "memory": "7.8 GiB", "load before": 0.04},
        "versions": {"commit": "077ca76d4edf", "onnxruntime": "1.26.0", "dlib": "20.0.1", "numpy": "2.3.5"},
        "service": {"FACE_MODEL": 4, "provider": "CPUExecutionProvider", "threads": 2},
        "corpus": {"photos": 100, "megapixels": "0.02 to 14", "faces": 142},
        "run": {"command": "make benchmark PHOTOS=/path/to/photos ARGS='--plan full'", "rounds": 5},
    }
    _parity(result)
    _accuracy(result)
    _throughput(result, times)
    _costs(result)
    gates: tuple[tuple[str, Question, Status, str], ...] = (
        ("faces", "same", "green", "faces differing 0 in all 4 cases; allowed: at most 0"),
        ("landmarks", "same", "green", "faces differing 0 in all 4 cases; allowed: at most 0"),
        ("confidences", "same", "green", "confidence difference 3.2e-6; allowed: at most 1e-05"),
        ("descriptors", "same", "green", "largest difference 4.9e-7; allowed: at most 1e-05"),
        ("accuracy", "accurate", "abstains", "too few to judge: 31 labelled pairs (50 needed)"),
        ("throughput", "faster", "green", "times as fast 14.1 ± 0.9×; required: at least 1"),
        ("memory", "faster", "green", "times less memory 7.2 ± 0.4×; required: at least 1"),
    )
    result.verdicts = [
        Verdict(gate=gate, question=question, status=status, says=says)
        for gate, question, status, says in gates
    ]
    return result


def quick() -> Result:
    """Complete quick run with a single figure of parity."""
    result = Result(made="2026-03-02T10:00:00+00:00", plan="quick", complete=True)
    result.note(Key(section="parity", metric="photos", model=4), 12)
    result.verdicts = [
        Verdict(
            gate="faces",
            question="same",
            status="green",
            says="0 faces; at most 0",
        )
    ]
    return result


def discrepancies(photo: str = "holiday.jpg", *, with_images: bool = False) -> list[Discrepancy]:
    """Face with different confidences, and face that only the baseline has."""
    generator = np.random.default_rng(3)
    ramp = np.linspace(40, 200, 400)[:, None, None] + np.linspace(-30, 30, 600)[None, :, None]
    pixels = np.clip(ramp + generator.normal(0, 8, (400, 600, 3)), 0, 255).astype(np.uint8)
    found = [_face(220, 120, 0.99012), _face(224, 122, 0.98984), _face(40, 260, 0.41)]
    problems = (
        Problem(photo, "confidence differs by 2.8e-04", found[0], found[1]),
        Problem(photo, "missing face at (40, 260, 139, 359)", found[2]),
    )
    return [cut_out(problem, pixels) if with_images else Discrepancy(problem) for problem in problems]


def _face(left: int, top: int, confidence: float) -> AnsweredFace:
    points = ((88, 38), (66, 38), (14, 38), (36, 38), (51, 78))
    landmarks = tuple((left + x, top + y) for x, y in points)
    return AnsweredFace(Rectangle(left, top, left + 99, top + 99), confidence, landmarks, (0.0,) * 128)


def _parity(result: Result) -> None:
    stages: dict[str, dict[str, float]] = {
        "pixels": {"photos": 160, "photos differing": 0, "largest difference": 0},
        "cnn": {"faces": 142, "faces differing": 0, "confidence difference": 3.2e-6},
        "hog": {"faces": 176, "faces differing": 0, "verdicts differing": 0},
        "landmarks 5": {"faces": 142, "faces differing": 0},
        "landmarks 68": {"faces": 142, "faces differing": 0},
        "chips": {"faces": 142, "mean difference": 0.00013, "largest difference": 1},
        "descriptors": {"faces": 142, "largest difference": 4.9e-7},
    }
    for stage, figures in stages.items():
        for metric, value in figures.items():
            result.note(Key(section="parity", stage=stage, metric=metric), value)
    for model, count in ((1, 142), (2, 142), (3, 176), (4, 142)):
        for stage, metric, value in (
            ("", "photos", 100),
            ("", "faces", count),
            ("", "failed", 0),
            ("", "faces differing", 0),
            ("landmarks", "faces differing", 0),
            ("", "confidence difference", 0 if model == 3 else 3.2e-6),
            ("descriptors", "largest difference", 4.9e-7),
            ("", "across 0.99", 0),
            ("", "compute difference", 0),
        ):
            result.note(Key(section="parity", model=model, stage=stage, metric=metric), value)
    generator = np.random.default_rng(1)
    reference = np.concatenate([generator.normal(1.06, 0.03, 110), generator.uniform(0.1, 1.02, 32)])
    candidate = reference + generator.normal(0, 1e-6, reference.size)
    columns = {"reference": reference.tolist(), "candidate": candidate.tolist()}
    result.series.append(Series(name="confidences", model=4, columns=columns))


def _accuracy(result: Result) -> None:
    for metric, value in (("pairs", 10011.0), ("pairs across 0.4", 0.0), ("pairs across 0.6", 0)):
        result.note(Key(section="accuracy", model=4, metric=metric), value)
    for side in ("candidate", "reference"):
        for metric, value in (("accuracy at 0.4", 0.962), ("accuracy at 0.6", 0.993), ("groups", 38)):
            result.note(Key(section="accuracy", model=4, side=side, metric=metric), value)
    result.note(Key(section="accuracy", model=4, metric="pairs grouped otherwise"), 0)
    edges = np.arange(0, 1.2, 0.02)

    def bell(middle: float, width: float, pairs: int) -> list[float]:
        heights = np.exp(-(((edges - middle) / width) ** 2) / 2) / (width * 2.5)
        return [round(pairs * 0.02 * float(height)) for height in heights]

    same, different = bell(0.33, 0.08, 900), bell(0.83, 0.08, 9000)
    every = [one + two for one, two in zip(same, different, strict=True)]
    columns = {"edges": edges.tolist(), "all": every, "same": same, "different": different}
    result.series.append(Series(name="distances", model=4, columns=columns))


def _throughput(result: Result, times: float) -> None:
    generator = np.random.default_rng(2)

    def rounds(value: float) -> list[float]:
        return [value * float(factor) for factor in generator.normal(1, 0.02, 5)]

    def note(side: str, metric: str, value: float, model: int = 4, callers: int = 8) -> None:
        key = Key(
            section="throughput", side=side, metric=metric, model=model, megapixels=1.2, callers=callers
        )
        result.note(key, *rounds(value))

    for pair, factor in (("service against upstream", times), ("library against dlib", 1.2 * times)):
        note(pair, "times as fast", factor)
        note(pair, "times less memory", 7.2)
    for side, rate, memory in (("service", 0.24 * times, 960), ("upstream", 0.24, 6900)):
        note(side, "photos per second", rate)
        for share, factor in (("median", 1.0), ("95 %", 1.3), ("99 %", 1.5)):
            note(side, f"{share} latency", factor * 8 / rate)
        note(side, "CPU seconds per photo", 1.9 / rate)
        note(side, "peak memory", memory)
    for callers in (1, 2, 4, 8, 16, 32, 64):
        for side, rate in (("service", 3.3), ("upstream", 0.24), ("remote", 2.4)):
            reached = rate * (0.75 if callers == 1 else 1)
            for metric, value in (
                ("photos per second", reached),
                ("median latency", callers / reached),
                ("95 % latency", 1.3 * callers / reached),
                ("99 % latency", 1.5 * callers / reached),
            ):
                result.note(Key(section="callers", side=side, callers=callers, metric=metric), *rounds(value))


def _costs(result: Result) -> None:
    for side, slower in (("library", 1.0), ("dlib", 14.2)):
        for megapixels in (0.3, 0.6, 1.2, *((2.4, 4.8, 8.29) if side == "library" else ())):
            key = Key(section="area", side=side, model=4, megapixels=megapixels, metric="seconds")
            result.note(
                key, *(slower * (0.03 + 0.17 * megapixels) * (1 + noise) for noise in (-0.01, 0, 0.01))
            )
        for stage, seconds in (
            ("cnn_detections", 0.197),
            ("landmarks", 0.0004),
            ("chips", 0.0006),
            ("descriptors", 0.0029),
            ("hog_confirms", 0.031),
        ):
            factor = {"cnn_detections": 14.2, "descriptors": 8.1}.get(stage, 3.4) if side == "dlib" else 1
            key = Key(section="stages", side=side, model=4, megapixels=1.2, stage=stage, metric="seconds")
            result.note(key, seconds * factor)
    for faces, seconds in ((1, 0.21), (32, 0.3)):
        key = Key(section="faces", side="library", model=4, megapixels=1.2, faces=faces, metric="seconds")
        result.note(key, seconds, 1.01 * seconds)
    result.note(Key(section="roofline", metric="matrix product"), 205)
    result.note(Key(section="roofline", metric="memory bandwidth"), 31)
    for stage, speed, intensity in ((CNN_DETECTOR, 164, 58), (DLIB_RESNET, 121, 21)):
        result.note(Key(section="roofline", stage=stage, metric="network"), speed)
        result.note(Key(section="roofline", stage=stage, metric="operations per byte"), intensity)
        result.note(Key(section="roofline", stage=stage, metric="share of matrix product"), speed / 205)
        result.note(Key(section="roofline", stage=stage, metric="share of bandwidth"), speed / intensity / 31)
