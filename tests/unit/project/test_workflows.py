"""The files of .github/ and .pre-commit-config.yaml: schemas, security rules, pins, and the commands they run."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_store.catalog import load_catalog
from model_store.models import CNN_DETECTOR
from tests.paths import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("[0-9]-*.yml"))
SCHEMAS: dict[str, list[Path]] = {
    "vendor.github-workflows": WORKFLOWS,
    "custom.github-workflows-require-timeout": WORKFLOWS,
    "vendor.github-issue-forms": FORMS,
    "vendor.github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "vendor.dependabot": [GITHUB / "dependabot.yml"],
    "vendor.compose-spec": [ROOT / "compose.yaml", ROOT / "deploy" / "truenas" / "app.yaml"],
}
"""Schemas that check-jsonschema contains, and the files they are for."""

PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def _run(tool: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name(tool), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def _jobs(path: Path) -> dict[str, Any]:
    jobs: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return jobs


def _steps() -> Iterator[dict[str, Any]]:
    for path in WORKFLOWS:
        for job in _jobs(path).values():
            yield from job.get("steps", [])


def _scripts() -> list[str]:
    return [step["run"] for step in _steps() if "run" in step]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_follow_their_schemas(schema: str) -> None:
    assert SCHEMAS[schema]
    checked = _run("check-jsonschema", "--builtin-schema", schema, *SCHEMAS[schema])
    assert checked.returncode == 0, checked.stdout


def test_zizmor_finds_no_weakness() -> None:
    linted = _run("zizmor", "--offline", "--no-progress", "--min-severity", "medium", GITHUB)
    assert linted.returncode == 0, linted.stdout


def test_actions_are_pinned_by_commit_and_each_at_one() -> None:
    lines = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    used = {line for line in re.findall(r"uses: (.*)", lines) if not line.startswith("./")}
    assert used
    assert [line for line in used if not PINNED.fullmatch(line)] == []
    assert len({line.partition("@")[0] for line in used}) == len(used)


def test_workflows_start_without_permission_to_write() -> None:
    for path in WORKFLOWS:
        permissions = yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"]
        assert permissions in ({}, {"contents": "read"}), path.name


def test_make_targets_of_workflows_and_hooks_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    used = set(re.findall(r"^make ([a-z-]+)", "\n".join(_scripts()), re.MULTILINE))
    assert {"check", "quick", "test", "test-slow", "audit", "sbom"} <= used <= targets


def test_scripts_are_valid_bash() -> None:
    for script in _scripts():
        checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, ""), script


def test_tests_run_with_the_oldest_and_the_newest_python_on_both_processors() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest, behind = re.findall(r"3\.(\d+)", project["requires-python"])
    matrix = _jobs(GITHUB / "workflows" / "tests.yml")["tests"]["strategy"]["matrix"]
    assert matrix["python"] == [f"3.{oldest}", f"3.{int(behind) - 1}"]
    assert matrix["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]


def test_a_release_resolves_its_sboms_with_the_images_python() -> None:
    (setup,) = [
        step
        for step in _jobs(GITHUB / "workflows" / "release.yml")["verify"]["steps"]
        if step.get("uses", "").startswith("actions/setup-python@")
    ]
    for path in ROOT.glob("Dockerfile.*"):
        assert f"FROM python:{setup['with']['python-version']}." in path.read_text(encoding="utf-8")


def test_a_release_builds_each_dockerfile_and_checks_the_detector() -> None:
    jobs = _jobs(GITHUB / "workflows" / "release.yml")
    built = {entry["image"] for entry in jobs["build"]["strategy"]["matrix"]["include"]}
    assert {f"Dockerfile.{name}" for name in built} == {path.name for path in ROOT.glob("Dockerfile.*")}
    preferred = load_catalog().weight(CNN_DETECTOR).variants[0]
    assert sum(preferred.sha256 in step.get("run", "") for step in jobs["build"]["steps"]) == 1


def test_a_release_gets_its_tags_after_all_tests() -> None:
    jobs = _jobs(GITHUB / "workflows" / "release.yml")
    assert set(jobs["publish"]["needs"]) == jobs.keys() - {"publish", "verify"}
    assert {name for name, job in jobs.items() if job.get("needs") == "verify"} == set(
        jobs["publish"]["needs"]
    )


@pytest.mark.parametrize("form", FORMS[:2], ids=lambda path: path.name)
def test_reports_have_the_check_and_versions_and_no_photo(form: Path) -> None:
    fields = {
        field["id"]: field for field in yaml.safe_load(form.read_text("utf-8"))["body"] if "id" in field
    }
    assert "./face-model check" in fields["check"]["attributes"]["description"]
    for name in ("check", "versions"):
        assert fields[name]["validations"] == {"required": True}
    assert fields["private"]["attributes"]["options"][0]["required"] is True


def test_the_commit_hook_is_make_check() -> None:
    """The hook and the checks workflow run one make target, so that they cannot differ."""
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    (hook,) = repository["hooks"]
    assert (repository["repo"], hook["language"], hook["entry"]) == ("local", "system", "make check")
    assert hook["always_run"] is True
    assert hook["pass_filenames"] is False
    assert "make check" in [
        step.get("run") for step in _jobs(GITHUB / "workflows" / "checks.yml")["checks"]["steps"]
    ]
