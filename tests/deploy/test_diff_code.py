"""The deployed package beside the files here, by name; through a download from the local cloud and without one."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from deploy_support import Project, cloud_session, moto_session
from fnroll.archive import load_rules, pack, scan
from fnroll.aws.code import download_code
from fnroll.aws.functions import find_function
from fnroll.deploy.diff_code import File, file_changes, files_in, files_of
from fnroll.errors import ArchiveError, AwsError


def tree(root: Path, **files: str) -> Path:
    root.mkdir()
    for name, text in files.items():
        (root / name).write_text(text)
    return root


def test_files_are_told_by_what_changed_in_them(tmp_path: Path) -> None:
    before = tree(tmp_path / "before", same="1", changed="short", gone="x", mode="m")
    (before / "sub").mkdir()
    (before / "sub" / "deep").write_text("d")
    (before / "link").symlink_to("same")
    after = tree(tmp_path / "after", same="1", changed="longer now", new="xyz", mode="m")
    (after / "mode").chmod(0o755)
    (after / "sub").mkdir()
    (after / "sub" / "deep").write_text("d")
    (after / "link").symlink_to("changed")
    packed = pack(scan(before, load_rules(before), keep_links=True))
    wanted = files_of(scan(after, load_rules(after), keep_links=True))
    changes = file_changes(files_in(packed.data), wanted)
    assert [(change.name, change.word) for change in changes] == [
        ("changed", "changed"),
        ("gone", "removed"),
        ("link", "changed"),
        ("mode", "mode"),
        ("new", "added"),
    ]
    assert [(change.deployed and change.deployed.size, change.wanted and change.wanted.size) for change in changes] == [
        (5, 10),
        (1, None),
        (4, 7),
        (1, 1),
        (None, 3),
    ]


def test_the_same_tree_is_the_same_whoever_packed_it(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", a="1", b="2")
    foreign = io.BytesIO()
    with zipfile.ZipFile(foreign, "w") as made:
        made.writestr("./b", "2")
        made.writestr("a", "1")
    assert file_changes(files_in(foreign.getvalue()), files_of(scan(root, load_rules(root)))) == ()


def test_a_file_in_the_place_of_a_link_is_a_change() -> None:
    assert [c.word for c in file_changes({"a": File(1, "x", link=True)}, {"a": File(1, "x")})] == ["changed"]


def test_what_is_no_zip_is_said_so() -> None:
    with pytest.raises(ArchiveError, match="no readable zip"):
        files_in(b"PK nothing")


def test_each_version_is_downloaded_as_it_was_deployed(tmp_path: Path) -> None:
    with cloud_session(tmp_path / "state") as (session, role):
        (tmp_path / "project").mkdir()
        project = Project(tmp_path / "project", role)
        first = project.desired().package
        project.deploy(session)
        project.code("second")
        second = project.desired().package
        project.deploy(session)
        assert first is not None and second is not None
        assert download_code(session, "hello") == second.data
        assert download_code(session, "hello", "1") == first.data
        assert download_code(session, "hello", "current") == second.data


def test_a_package_that_cannot_be_fetched_is_one_clear_error(tmp_path: Path) -> None:
    """moto names an address where nothing is; the message says so without the address, which carries a signature."""
    with moto_session() as (session, role):
        (tmp_path / "project").mkdir()
        Project(tmp_path / "project", role).deploy(session)
        location = session.control.get_function(FunctionName="hello")["Code"]["Location"]
        assert find_function(session.control, "hello") is not None
        with pytest.raises(AwsError, match="could not be downloaded") as caught:
            download_code(session, "hello")
        assert location not in str(caught.value)
