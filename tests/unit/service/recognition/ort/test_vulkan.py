"""Vulkan's list of adapters: on software Vulkan if this machine has it, and without a loader."""

import json
import os
import subprocess
import sys

import pytest

from service.recognition.ort import vulkan
from tests.paths import ROOT
from tests.software_vulkan import software_vulkan

VARIABLES = software_vulkan()

_LIST = "import json; from service.recognition.ort.vulkan import adapters; print(json.dumps(adapters()))"


def test_a_missing_loader_is_one_line_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vulkan, "LOADER", "libvulkan-missing.so.1")
    vulkan.adapters.cache_clear()
    with pytest.raises(vulkan.VulkanError, match=r"there is no Vulkan loader .*libvulkan1"):
        vulkan.adapters()


@pytest.mark.skipif(isinstance(VARIABLES, str), reason=str(VARIABLES))
def test_software_vulkan_is_an_adapter_of_the_kind_software_with_a_name_and_a_driver() -> None:
    assert not isinstance(VARIABLES, str)
    done = subprocess.run(
        [sys.executable, "-c", _LIST],
        cwd=ROOT,
        env={**os.environ, **VARIABLES},
        check=True,
        capture_output=True,
        text=True,
    )
    ((name, driver, kind),) = json.loads(done.stdout)
    assert "SwiftShader" in name or "llvmpipe" in name
    assert driver
    assert kind == "software"
