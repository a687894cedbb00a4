"""States from where they lie: files, backends that are followed, http with its token, Terraform Cloud, S3."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fnroll.aws import AwsOptions, Session
from fnroll.errors import FnError
from fnroll.lookups import http
from fnroll.lookups.states import _apart, read_state

PLAIN = {"version": 4, "outputs": {"x": {"value": 1, "type": "number"}}, "resources": []}


def no_session() -> Session:
    raise AssertionError("no session was needed")


def read(url: str, directory: Path, env: Mapping[str, str] | None = None, **more: Any) -> Any:
    return read_state(url, env or {}, directory, no_session, **more).lookup("output.x")


def write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def test_a_path_starts_from_the_directory_and_a_url_from_the_root(tmp_path: Path) -> None:
    write(tmp_path / "dir" / "t.tfstate", PLAIN)
    assert read("dir/t.tfstate", tmp_path) == 1
    assert read(f"file://{tmp_path}/dir/t.tfstate", Path("/nowhere")) == 1


@pytest.mark.parametrize(
    ("name", "words", "hint"),
    [
        ("none.tfstate", "cannot be read: No such file", None),
        (".terraform/terraform.tfstate", "cannot be read: No such file", "terraform init writes it"),
        (".", "cannot be read: Is a directory", None),
    ],
)
def test_a_file_that_cannot_be_read(name: str, words: str, hint: str | None, tmp_path: Path) -> None:
    with pytest.raises(FnError, match=words) as caught:
        read(name, tmp_path)
    assert (caught.value.where, caught.value.hint) == (name, hint)


def answers(table: Mapping[str, Any], seen: list[tuple[str, str | None]]) -> Any:
    def get(url: str, token: str | None, limit: int) -> bytes:
        seen.append((url, token))
        return json.dumps(table[url]).encode()

    return get


CLOUD = "https://app.terraform.io/api/v2"


@pytest.mark.parametrize(
    ("env", "beside", "workspace"),
    [({}, None, "default"), ({}, "dev\n", "dev"), ({"TF_WORKSPACE": "prod"}, "dev", "prod"), ({}, "", "default")],
)
def test_a_local_note_of_a_backend_is_followed(
    env: dict[str, str], beside: str | None, workspace: str, tmp_path: Path
) -> None:
    config = {"organization": "o", "workspaces": [{"prefix": "app-"}], "token": None}
    write(
        tmp_path / ".terraform" / "terraform.tfstate", {"version": 3, "backend": {"type": "remote", "config": config}}
    )
    if beside is not None:
        (tmp_path / ".terraform" / "environment").write_text(beside)
    seen: list[tuple[str, str | None]] = []
    table = {
        f"{CLOUD}/organizations/o/workspaces/app-{workspace}": {"data": {"id": "ws-1"}},
        f"{CLOUD}/workspaces/ws-1/current-state-version": {
            "data": {"attributes": {"hosted-state-download-url": "https://archive/state"}}
        },
        "https://archive/state": PLAIN,
    }
    found = read(".terraform/terraform.tfstate", tmp_path, {"TFE_TOKEN": "t", **env}, get=answers(table, seen))
    assert found == 1
    assert seen == [(url, "t") for url in table]


def test_terraform_cloud_needs_a_token_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(FnError, match="there is no token") as caught:
        read("remote://h/o/w", tmp_path)
    assert caught.value.hint == "export TFE_TOKEN=..."


def test_an_answer_of_terraform_cloud_without_a_state_is_told(tmp_path: Path) -> None:
    get = answers({"https://h/api/v2/organizations/o/workspaces/w": {"errors": []}}, [])
    with pytest.raises(FnError, match=r"answered without data\.id"):
        read("remote://h/o/w", tmp_path, {"TFE_TOKEN": "t"}, get=get)


@pytest.mark.parametrize("scheme", ["gs", "azurerm"])
def test_a_cloud_whose_package_is_not_there_names_the_extra(scheme: str, tmp_path: Path) -> None:
    try:
        __import__("google.cloud.storage" if scheme == "gs" else "azure.storage.blob")
        pytest.skip("the package is installed")
    except ImportError:
        pass
    with pytest.raises(FnError, match=f"{scheme}:// needs a package") as caught:
        read({"gs": "gs://b/k", "azurerm": "azurerm://g/a/c/k"}[scheme], tmp_path)
    assert caught.value.hint == f"pip install 'fnroll[{scheme}]'"


def test_a_backend_has_a_session_of_its_own() -> None:
    base = AwsOptions(region="us-east-1", profile="mine")
    block = {"region": "eu-west-1", "role_arn": "arn:r", "access_key": "a", "secret_key": "s", "bucket": "b"}
    assert _apart(base, block) == AwsOptions(region="eu-west-1", profile="mine", assume_role="arn:r", keys=("a", "s"))
    assert _apart(base, {"access_key": "a"}) == base


# http


class Server(BaseHTTPRequestHandler):
    seen: list[tuple[str, str | None]]
    redirect = ""

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization")))
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", self.redirect)
            self.end_headers()
            return
        known = self.path == "/state"
        body = json.dumps(PLAIN).encode() if known else b"no"
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[Server]]]:
    class Handler(Server):
        seen: list[tuple[str, str | None]] = []  # noqa: RUF012 - one list for each server

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}", Handler
        made.shutdown()
        thread.join(30)


def test_a_state_over_http_with_and_without_a_token(server: tuple[str, type[Server]], tmp_path: Path) -> None:
    url, handler = server
    assert read(f"{url}/state", tmp_path) == 1
    assert read(f"{url}/state", tmp_path, {"TFE_TOKEN": "t"}) == 1
    assert handler.seen == [("/state", None), ("/state", "Bearer t")]


def test_a_token_does_not_follow_to_another_host(server: tuple[str, type[Server]], tmp_path: Path) -> None:
    url, handler = server
    handler.redirect = url.replace("127.0.0.1", "localhost") + "/state"
    assert read(f"{url}/away", tmp_path, {"TFE_TOKEN": "t"}) == 1
    assert handler.seen == [("/away", "Bearer t"), ("/state", None)]


def test_an_address_that_refuses_and_one_that_is_not_there(server: tuple[str, type[Server]], tmp_path: Path) -> None:
    url, _ = server
    with pytest.raises(FnError, match="answered 404") as caught:
        read(f"{url}/none?secret=1", tmp_path)
    assert caught.value.where == f"{url}/none"
    with pytest.raises(FnError, match="could not be read"):
        read("http://127.0.0.1:1/state", tmp_path)


def test_more_than_the_limit_is_refused(server: tuple[str, type[Server]]) -> None:
    with pytest.raises(FnError, match="is larger than 5 bytes"):
        http.get(f"{server[0]}/state", None, 5)
