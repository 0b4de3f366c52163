"""Settings for the resources that a cluster's scheduler has reserved for a replica.

The scheduler only counts what it has reserved: processes see all cores and all memory of the machine.
"""

from collections.abc import Mapping

from service.memory.capacity import CONTAINER_SHARE


def settings_for(resources: Mapping[str, float], environment: Mapping[str, str]) -> dict[str, str]:
    """Settings for a reservation, without those that the environment has already.

    One core for each photo, or FACE_THREADS of the environment, and as many photos at a time as fit into the reserved
    cores. A FACE_THREADS of 0 (all cores of the machine) or above the reservation wins, and exceeds it.

    Args:
        resources: by Ray's names: `CPU` and `GPU` (numbers, also fractions), `memory` (bytes). Absent: none reserved.
        environment: variables of the replica. An empty value counts as absent.
    """
    photos = max(int(resources.get("CPU", 1)) // _threads(environment), 1)
    settings = {"FACE_THREADS": "1", "GUNICORN_WORKERS": str(photos)}
    if memory := resources.get("memory"):
        # The rest is for Ray's part of the process, and for bodies that Ray reads ahead of the service.
        settings["FACE_MEMORY"] = str(int(memory * CONTAINER_SHARE))
    if not resources.get("GPU"):
        # Ray hides the GPUs of a node from replicas with a part of one, and shows all to those without.
        settings["FACE_PROVIDERS"] = "cpu"
    return {name: value for name, value in settings.items() if not environment.get(name)}


def _threads(environment: Mapping[str, str]) -> int:
    """Cores for each photo, at least one: of a text as the settings accept it, such as `2`, ` 2 ` and `2.0`."""
    try:
        return max(int(float(environment.get("FACE_THREADS") or 1)), 1)
    except (ValueError, OverflowError):
        return 1  # the settings refuse it when they are loaded
