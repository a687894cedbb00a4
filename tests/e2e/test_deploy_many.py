"""fn deploy DIR...: several functions side by side, through the real process."""

from __future__ import annotations

import json
from pathlib import Path
from secrets import token_hex

from e2e_support import Fn
from fnroll.aws import AwsOptions, Session


def projects(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).mkdir()
        (directory / name / "bootstrap").write_text("#!/bin/sh\n")
        (directory / name / "bootstrap").chmod(0o755)
        definition = {
            "FunctionName": name,
            "Role": "arn:aws:iam::000000000000:role/fn",
            "Runtime": "provided.al2023",
            "Handler": "h.h",
        }
        (directory / name / "function.json").write_text(json.dumps(definition))


def test_all_are_deployed_and_unchanged_the_second_time(fn: Fn, tmp_path: Path, cloud: str) -> None:
    projects(tmp_path, "one", "two", "three")
    done = fn("deploy", "--local", "--output", "json", "one", "two", "three")
    rows = json.loads(done.stdout)
    assert [(row["name"], row["outcome"], row["version"]) for row in rows] == [
        ("one", "deployed", "1"),
        ("two", "deployed", "1"),
        ("three", "deployed", "1"),
    ]
    assert {line.split()[0] for line in done.stderr.splitlines() if "serves version 1" in line} == {
        "one",
        "two",
        "three",
    }
    assert fn("deploy", "--local", "one", "two", "three").stdout.count("unchanged") == 3


def test_one_that_fails_does_not_keep_the_others(fn: Fn, tmp_path: Path, cloud: str) -> None:
    projects(tmp_path, "good", "bad", "fine")
    path = tmp_path / "bad" / "function.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"Layers": ["arn:aws:lambda:us-east-1:123456789012:layer:no:1"]})
    )
    done = fn("deploy", "--local", "good", "bad", "fine", status=1)
    assert "1 of 3 functions failed: bad" in done.stderr
    assert "current serves version 1 of fine" in done.stderr
    done = fn("deploy", "--local", "--fail-fast", "--jobs", "1", "--dry-run", "good", "fine")
    assert done.stdout.count("planned") == 2


def test_a_definition_that_is_wrong_stops_all_before_anything_is_sent(fn: Fn, tmp_path: Path, cloud: str) -> None:
    projects(tmp_path, "one", "two")
    (tmp_path / "two" / "function.json").write_text("{")
    fn("deploy", "--local", "one", "two", status=1)
    assert "does not exist" in fn("status", "--local", cwd=tmp_path / "one", status=1).stderr.replace(
        "not found", "does not exist"
    )


def test_two_directories_of_one_function_are_refused(fn: Fn, tmp_path: Path) -> None:
    projects(tmp_path, "one", "two")
    (tmp_path / "two" / "function.json").write_text((tmp_path / "one" / "function.json").read_text())
    assert "two directories define the function one" in fn("deploy", "--local", "one", "two", status=2).stderr


def test_options_that_exclude_each_other(fn: Fn, tmp_path: Path) -> None:
    projects(tmp_path, "one")
    for words, text in {
        ("--skip-function", "--keep-versions", "3"): "exclude each other",
        ("--ignore", "Environment"): "no path at column 1",
        ("--skip-archive",): "needs Code.S3Bucket and Code.S3Key",
    }.items():
        assert text in fn("deploy", "--local", *words, cwd=tmp_path / "one", status=2).stderr


def test_a_zip_as_source_is_written_anew(fn: Fn, tmp_path: Path, cloud: str) -> None:
    projects(tmp_path, "one")
    fn("archive", "--dest", str(tmp_path / "one.zip"), cwd=tmp_path / "one")
    (tmp_path / "one" / "bootstrap").unlink()
    fn("deploy", "--local", "--src", str(tmp_path / "one.zip"), cwd=tmp_path / "one")
    assert "no changes" in fn("deploy", "--local", "--src", str(tmp_path / "one.zip"), cwd=tmp_path / "one").stderr


def test_code_that_lies_on_s3_already(fn: Fn, tmp_path: Path, cloud: str) -> None:
    projects(tmp_path, "one")
    here, bucket = tmp_path / "one", f"code-{token_hex(8)}"
    path = here / "function.json"
    code = {"Code": {"S3Bucket": bucket, "S3Key": "one.zip"}}
    path.write_text(json.dumps(json.loads(path.read_text()) | code))
    session = Session(AwsOptions(endpoint=cloud, local=True))
    session.service("s3").create_bucket(Bucket=bucket)
    fn("archive", "--dest", str(tmp_path / "one.zip"), cwd=here)
    session.service("s3").put_object(Bucket=bucket, Key="one.zip", Body=(tmp_path / "one.zip").read_bytes())
    fn("deploy", "--local", "--skip-archive", cwd=here)
    (here / "bootstrap").write_text("#!/bin/sh\n# changed\n")
    # What lies on S3 is what counts, and the same code and configuration are the same version.
    assert json.loads(fn("deploy", "--local", "--skip-archive", "--output", "json", cwd=here).stdout)["version"] == "1"
    assert json.loads(fn("deploy", "--local", "--output", "json", cwd=here).stdout)["version"] == "2"


def test_another_alias_another_exclude_file_and_links_as_links(fn: Fn, tmp_path: Path, cloud: str) -> None:
    projects(tmp_path, "one")
    here = tmp_path / "one"
    (here / "kept.txt").write_text("kept")
    (here / "link.txt").symlink_to("kept.txt")
    (here / "dropped.txt").write_text("dropped")
    (tmp_path / "excludes").write_text("dropped.txt\n")
    words = ("--alias", "staging", "--exclude-file", str(tmp_path / "excludes"), "--symlink")
    done = json.loads(fn("deploy", "--local", "--output", "json", *words, cwd=here).stdout)
    assert (done["alias"], done["version"]) == ("staging", "1")
    found = fn("diff", "--local", "--code-only", "--qualifier", "1", "--output", "json", cwd=here).stdout
    assert "dropped.txt" in found
    assert "kept.txt" not in found.replace("link.txt", "")
