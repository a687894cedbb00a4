"""Several deploys of one function at once: every version published has one deployer's code with that one's settings.

Five rounds here, a hundred of two and of eight deployers in `make soak`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy_support import Project
from faults_support import ROLE, session_on
from fnroll import cloud
from fnroll.aws.aliases import get_alias
from fnroll.aws.versions import list_versions
from fnroll.errors import AwsError, DeployError

Pair = tuple[str, int]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cloud.embedded(tmp_path_factory.mktemp("state"), tier="process") as found:
        yield found.url


@pytest.mark.parametrize(
    ("deployers", "rounds"),
    [
        (2, 5),
        (8, 5),
        pytest.param(2, 100, marks=pytest.mark.soak),
        pytest.param(8, 100, marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)
def test_no_version_is_half_of_one_and_half_of_another(
    deployers: int, rounds: int, endpoint: str, tmp_path: Path
) -> None:
    name = f"shared-{deployers}-{rounds}"
    sessions = [session_on(endpoint) for _ in range(deployers)]
    projects = [project(tmp_path / str(number), name) for number in range(deployers)]
    asked: set[Pair] = set()
    won = 0
    with ThreadPoolExecutor(deployers) as pool:
        for turn in range(rounds):
            for number, each in enumerate(projects):
                each.code(f"{turn} {number}")
                each.definition["MemorySize"] = 128 + 10 * turn + number
                package = each.desired().package
                assert package is not None
                asked.add((package.code_sha256, each.definition["MemorySize"]))
            won += sum(pool.map(deployed, projects, sessions))
    published = {row.version: row for row in list_versions(sessions[0].control, name)}
    del published["$LATEST"]
    found = {(row.code_sha256, row.configuration["MemorySize"]) for row in published.values()}
    assert found <= asked
    assert get_alias(sessions[0].control, name, "current").version in published
    assert won >= rounds / 2, "somebody gets through"


def project(directory: Path, name: str) -> Project:
    directory.mkdir()
    made = Project(directory, ROLE)
    made.definition["FunctionName"] = name
    return made


def deployed(project: Project, session: object) -> bool:
    try:
        project.deploy(session)  # type: ignore[arg-type]
    except (DeployError, AwsError):
        return False
    return True
