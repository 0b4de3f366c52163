from pathlib import Path

import pytest

from benchmarks import running


@pytest.mark.slow
def test_a_service_can_be_asked_thousands_of_times(store: Path) -> None:
    """Its log has to go somewhere: a pipe that nobody reads is full after some 750 requests."""
    with running.service({"FACE_STORE": str(store), "FACE_MODEL": "3"}) as client:
        assert {client.get("/health").status_code for _ in range(2000)} == {200}


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(running.ServiceDied, match="python -m model_store fetch"),
        running.service({"FACE_STORE": str(tmp_path)}),
    ):
        pass
