"""States of the service, with values as they occur, and with hostile ones."""

from service.web.page.status import (
    Activity,
    Estimate,
    Failure,
    Memory,
    Minute,
    Option,
    Proof,
    StageStatus,
    Status,
    UnusedGpu,
)

CPU = "CPU: 4 cores, AVX-VNNI, 12th Gen Intel(R) Core(TM) i3-12100"
GPU = "NVIDIA GeForce RTX 3060"
FIRST_MINUTE = 1_796_034_000
"""30 Nov 2026, 11:00 UTC."""
HOSTILE = "<script>alert(1)</script>\"'>&{{ 7*7 }}"


def stages(*, gpu: bool = False) -> list[StageStatus]:
    network = (GPU, "CUDAExecutionProvider", "float32") if gpu else (CPU, "CPUExecutionProvider", "int8 scan")
    rows = [
        ("cnn_detections", "Face detection (CNN)", "onnx", *network),
        ("landmarks", "Landmarks: eyes and nose", "compiled", CPU, "cpu", "float32"),
        ("chips", "Cut-outs of the faces", "compiled", CPU, "cpu", "uint8"),
        ("descriptors", "Descriptors: 128 numbers of a face", "onnx", *network[:2], "float32"),
        ("hog_confirms", "Confirmation of the faces (HOG)", "compiled", CPU, "cpu", "float32"),
    ]
    return [
        StageStatus(
            name=name,
            title=title,
            engine=engine,
            device=device,
            provider=provider,
            is_gpu=device == GPU,
            precision=precision,
            fallbacks=0,
            on_cpu=0,
        )
        for name, title, engine, device, provider, precision in rows
    ]


def minutes(*, photos: int = 96) -> list[Minute]:
    """An hour whose second half is busy, with two failed photos."""
    return [
        Minute(
            start=FIRST_MINUTE + 60 * index,
            photos=0 if index < 22 else max(photos - (index * 7) % 23, 0),
            failed=2 if index == 40 and photos else 0,
        )
        for index in range(60)
    ]


def failure(second: int, **values: object) -> Failure:
    usual: dict[str, object] = {
        "time": f"2026-11-30T11:{second // 60:02}:{second % 60:02}Z",
        "status": 415,
        "reason": "the file is no image in a known format",
        "repair": "Replace or delete the file in Nextcloud: no program can open it.",
        "bytes": 48_211,
        "format": None,
        "width": None,
        "height": None,
    }
    return Failure.model_validate({**usual, **values})


def too_large(second: int) -> Failure:
    return failure(
        second,
        status=412,
        reason="the image has 24,000,000 pixels; the limit is 8,812,800",
        repair="Choose a smaller photo size in Nextcloud's admin settings, or raise FACE_MAXIMUM_AREA.",
        bytes=6_200_000,
        format="JPEG",
        width=6000,
        height=4000,
    )


def ready(**values: object) -> Status:
    """A service at work on a CPU."""
    usual: dict[str, object] = {
        "state": "ready",
        "version": "0.1.0",
        "versions": {
            "service": "0.1.0",
            "onnxruntime": "1.32.0",
            "numpy": "2.4.0",
            "dlib": "20.0.1",
            "onnxruntime-gpu": None,
        },
        "model": 4,
        "model_description": "CNN detector; faces that HOG does not confirm are not grouped",
        "started": "2026-11-30T08:12:40Z",
        "address_hint": "192.168.1.123:5000",
        "stages": stages(),
        "proofs": [
            Proof(
                passed=True,
                sentence="The scan in int8 was compared with float32 on test pictures: largest difference of a "
                "score 0.012, and it took 0.43 of the time.",
            )
        ],
        "unused_gpu": None,
        "activity": Activity(
            photos_last_minute=91,
            photos_today=12_480,
            photos_total=12_480,
            failed_today=2,
            waiting=3,
            in_work=5,
            retried=1,
            worker_restarts=1,
            memory=Memory(used=1_288_490_189, limit=4_187_593_113),
            last_hour=minutes(),
        ),
        "estimate": Estimate(
            photos=40_000,
            hours=7.33,
            photos_per_minute=91.0,
            mean_megapixels=1.2,
            busy_share=0.93,
            at_once=4,
            sample=1_820,
            options=[
                Option(
                    change="photos of 0.6 megapixels in place of 1.2; finds fewer small faces",
                    hours=4.19,
                    source="time grows with the area: 57% of a photo's time",
                ),
                Option(
                    change="8 cores in place of 4",
                    hours=3.98,
                    source="a second core gave 1.84 times the photos",
                ),
            ],
        ),
        "failures": [failure(40 * 60 + 31), too_large(40 * 60 + 2), failure(39 * 60)],
    }
    return Status.model_validate({**usual, **values})


def idle(**values: object) -> Status:
    """A service that has answered nothing yet."""
    activity = Activity(
        photos_last_minute=0,
        photos_today=0,
        photos_total=0,
        failed_today=0,
        waiting=0,
        in_work=0,
        retried=0,
        worker_restarts=0,
        memory=Memory(used=310_000_000, limit=4_187_593_113),
        last_hour=minutes(photos=0),
    )
    return ready(**{"activity": activity, "estimate": None, "failures": [], **values})


def starting(**values: object) -> Status:
    """A service whose worker loads the networks."""
    return idle(**{"state": "starting", "stages": [], "proofs": [], **values})


def on_gpu() -> Status:
    return ready(stages=stages(gpu=True))


def with_unused_gpu() -> Status:
    return ready(
        unused_gpu=UnusedGpu(
            reason="The installed ONNX Runtime is the one for CPUs.",
            remedy="Install the one for NVIDIA: `make serve ACCELERATOR=cuda`.",
        )
    )


def hostile() -> Status:
    """Each text of the state is markup."""
    stage = stages()[0].model_copy(
        update=dict.fromkeys(("title", "engine", "device", "precision", "provider"), HOSTILE)
    )
    usual = ready()
    guess = usual.estimate
    assert guess
    option = Option(change=HOSTILE, hours=1, source=HOSTILE)
    return ready(
        version=HOSTILE,
        versions={HOSTILE: HOSTILE},
        model_description=HOSTILE,
        address_hint=HOSTILE,
        stages=[stage],
        proofs=[Proof(passed=False, sentence=HOSTILE)],
        unused_gpu=UnusedGpu(reason=HOSTILE, remedy=HOSTILE),
        estimate=guess.model_copy(update={"options": [option]}),
        failures=[failure(1, reason=HOSTILE, repair=HOSTILE, format=HOSTILE)],
    )
