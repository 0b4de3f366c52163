"""Libraries that each process loads: none that only another process needs."""

import subprocess
import sys

import pytest

PROGRAM = "import sys, importlib; importlib.import_module(sys.argv[1]); print(*sys.modules)"

DECODERS = {"cv2", "PIL", "pillow_heif"}
COMPUTING = {"onnxruntime", "numba", "dlib"}
HTTP = {"starlette", "uvicorn", "h11", "python_multipart"}
TERMINAL = {"rich"}


@pytest.mark.not_quick
@pytest.mark.parametrize(
    ("module", "absent", "present"),
    [
        (
            "service.web.server.http_server",
            DECODERS | COMPUTING | TERMINAL | {"numpy", "jinja2", "opentelemetry"},
            HTTP,
        ),
        ("service.supervision", DECODERS | COMPUTING | HTTP | {"numpy"}, {"pydantic"}),
        (
            "service.hosting.asgi",
            DECODERS | COMPUTING | TERMINAL | {"numpy", "jinja2", "opentelemetry"},
            {"starlette"},
        ),
        ("service.commands.main", DECODERS | COMPUTING | HTTP | TERMINAL | {"numpy", "pydantic"}, {"click"}),
        ("service.commands.serve", DECODERS | COMPUTING | HTTP | TERMINAL | {"numpy"}, {"pydantic"}),
        ("service.commands.check.command", DECODERS | COMPUTING | HTTP | TERMINAL | {"numpy"}, {"pydantic"}),
        (
            "service.commands.analyse.command",
            DECODERS | COMPUTING | HTTP | TERMINAL | {"numpy"},
            {"pydantic"},
        ),
        (
            "service.commands.estimate.command",
            DECODERS | COMPUTING | HTTP | TERMINAL | {"numpy"},
            {"pydantic"},
        ),
        ("service.worker.assembly", DECODERS | HTTP | {"dlib"}, {"numpy", "onnxruntime", "numba"}),
        ("service.decoders.fork_server", COMPUTING | HTTP | {"pydantic", "asyncio"}, DECODERS),
    ],
)
def test_loads_no_library_of_another_process(module: str, absent: set[str], present: set[str]) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, module], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & absent
    assert present <= loaded


APPLICATION = """
import sys
from service.memory.capacity import Capacity
from service.memory.largest_photo import plan
from service.settings import Settings
from service.supervision import Supervisor, launch_worker
from service.web.app import create_app
from service.web.keys import KeyRing

settings, capacity = Settings.model_validate({"FACE_TRACES": sys.argv[1] or None}), Capacity(1, 1, 1)
create_app(settings, KeyRing([]), capacity, plan(settings, capacity), Supervisor(launch_worker, print))
print(*sys.modules)
"""


@pytest.mark.not_quick
@pytest.mark.parametrize(("traces", "loaded"), [("", False), ("http://localhost:4318", True)])
def test_loads_opentelemetry_for_traces_alone(traces: str, loaded: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", APPLICATION, traces], capture_output=True, text=True, check=True
    )
    assert ("opentelemetry" in done.stdout.split()) is loaded
