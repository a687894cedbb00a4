"""`fn dev` as a process: served, reloaded when a file changes, no request dropped, and nothing left when it ends."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloud_support import client
from dev_support import Dev
from e2e_support import get

Start = Callable[..., Dev]

HANDLER = """
use strict; use warnings;
sub handle {
    my ($event, $context) = @_;
    print STDERR "said by hand\\n";
    my $query = $event->{queryStringParameters} || {};
    select undef, undef, undef, $query->{slow} if $query->{slow};
    die "as asked\\n" if $query->{die};
    return { version => 'VERSION' };
}
1;
"""


def write(project: Path, version: str) -> None:
    (project / "handler.pl").write_text(HANDLER.replace("VERSION", version))


def redefine(project: Path, **members: Any) -> None:
    definition = json.loads((project / "function.json").read_text())
    (project / "function.json").write_text(json.dumps({**definition, **members}))


def served(dev: Dev, name: str) -> Any:
    status, answer = get(dev.urls[name])
    return answer["version"] if status == 200 else status


@pytest.fixture
def project(hello: Path) -> Path:
    write(hello, "one")
    redefine(hello, Timeout=30)
    return hello


def twin(project: Path, name: str) -> Path:
    other = project.with_name(name)
    shutil.copytree(project, other)
    redefine(other, FunctionName=name)
    return other


def test_a_change_is_served_and_the_request_under_way_is_not_dropped(
    project: Path, start: Start, tmp_path: Path
) -> None:
    dev = start(project)
    url = dev.urls["hello"]
    assert get(url) == (200, {"version": "one"})
    slow: list[Any] = []
    thread = threading.Thread(target=lambda: slow.append(get(url + "?slow=3")))
    thread.start()
    dev.until(lambda: dev.said.count("hello | said by hand") == 2)
    write(project, "two")
    dev.until(lambda: get(url) == (200, {"version": "two"}))
    thread.join(60)
    assert slow == [(200, {"version": "one"})]
    assert dev.end() == 0
    assert any(" ms (cold, init " in line and line.startswith("hello GET / 200, ") for line in dev.said)
    assert any(line.startswith("hello GET /?slow=3 200, ") for line in dev.said)
    assert not (tmp_path / "state").exists(), "its cloud is its own"


def test_no_request_is_dropped_by_twenty_reloads(project: Path, start: Start) -> None:
    """Asked all the time, through the URL and through Invoke: each answer is of the code that was there when it was
    asked for, or of a newer one, and after a reload is told of no older one."""
    dev = start(project)
    write(project, "0")
    dev.until(lambda: served(dev, "hello") == "0")
    told, over = [0], threading.Event()
    wrong: list[Any] = []
    counts = [0, 0]

    def ask(number: int, call: Callable[[], Any]) -> None:
        while not over.is_set():
            least = told[0]
            answer = call()
            counts[number] += 1
            if not isinstance(answer, str) or not least <= int(answer) <= 20:
                wrong.append((least, answer))

    invoker = client(dev.endpoint)

    def invoke() -> Any:
        answer = invoker.invoke(FunctionName="hello")
        payload = json.loads(answer["Payload"].read())
        return payload.get("version") if answer["StatusCode"] == 200 and "FunctionError" not in answer else payload

    calls = (lambda: served(dev, "hello"), invoke)
    threads = [threading.Thread(target=ask, args=(number, call)) for number, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for version in range(1, 21):
        write(project, str(version))
        seen = dev.reloads("hello")
        dev.until(lambda: dev.reloads("hello") > seen)  # noqa: B023 - asked here
        told[0] = version
        before = list(counts)
        dev.until(lambda: all(now > then for now, then in zip(counts, before, strict=True)))  # noqa: B023
    over.set()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert min(counts) >= 20


def test_a_mistake_is_told_and_what_was_there_goes_on(project: Path, start: Start) -> None:
    dev = start(project)
    text = (project / "function.json").read_text()
    (project / "function.json").write_text(text[:-5])
    dev.until(lambda: dev.says("error: "))
    assert get(dev.urls["hello"]) == (200, {"version": "one"})
    (project / "handler.pl").unlink()
    (project / "function.json").write_text(text)
    dev.until(lambda: dev.says("error: function.json:") and dev.says("the handler file handler.pl does not exist"))
    assert get(dev.urls["hello"]) == (200, {"version": "one"})
    write(project, "three")
    dev.until(lambda: served(dev, "hello") == "three")
    (project / "handler.pl").write_text("sub handle { no sense")
    dev.until(lambda: dev.says("hello does not start as it is now"))
    assert served(dev, "hello") == "three"
    assert dev.says("Can't locate sense.pm")
    (project / "handler.pl").write_text("sub handle { oops")
    dev.until(
        lambda: dev.said.count("hello does not start as it is now; what worked before, if anything, goes on") == 2
    )
    assert served(dev, "hello") == "three"
    write(project, "four")
    dev.until(lambda: served(dev, "hello") == "four")


def test_a_handler_that_is_wrong_from_the_start_answers_with_its_error(project: Path, start: Start) -> None:
    (project / "handler.pl").write_text("sub handle { no sense")
    dev = start(project)
    dev.until(lambda: dev.says("hello does not start as it is now"))
    assert served(dev, "hello") == 502
    write(project, "two")
    dev.until(lambda: served(dev, "hello") == "two")


def test_a_function_that_is_wrong_at_the_start_is_served_when_it_is_mended(project: Path, start: Start) -> None:
    text = (project / "function.json").read_text()
    (project / "function.json").write_text("{")
    dev = start(project, wait=False)
    dev.until(lambda: dev.says("error: "))
    (project / "function.json").write_text(text)
    dev.until(lambda: dev.shown)
    assert served(dev, "hello") == "one"


def test_an_error_is_told_with_its_request(project: Path, start: Start) -> None:
    dev = start(project)
    assert get(dev.urls["hello"] + "?die=1")[0] == 502
    dev.until(lambda: dev.says("hello GET /?die=1 502, "))
    (line,) = [line for line in dev.said if "GET /?die=1 502" in line]
    assert "as asked, request " in line


def test_however_an_editor_writes(project: Path, start: Start) -> None:
    dev = start(project)
    beside = project / ".handler.pl.swp"
    beside.write_text(HANDLER.replace("VERSION", "renamed"))
    beside.replace(project / "handler.pl")
    dev.until(lambda: served(dev, "hello") == "renamed")
    (project / "handler.pl").rename(project / "handler.pl~")
    write(project, "with a backup")
    dev.until(lambda: served(dev, "hello") == "with a backup")
    (project / "handler.pl").unlink()
    write(project, "anew")
    dev.until(lambda: served(dev, "hello") == "anew")


def test_a_directory_that_is_gone_is_told_and_comes_back(project: Path, start: Start) -> None:
    dev = start(project)
    kept = project.with_name("kept")
    shutil.copytree(project, kept)
    shutil.rmtree(project)
    dev.until(lambda: dev.says("the directory is gone"))
    assert served(dev, "hello") == "one"
    write(kept, "back")
    kept.rename(project)
    dev.until(lambda: served(dev, "hello") == "back")
    write(project, "again")
    dev.until(lambda: served(dev, "hello") == "again")


def test_a_function_that_gets_another_name(project: Path, start: Start) -> None:
    dev = start(project)
    old = dev.urls["hello"]
    redefine(project, FunctionName="welcome")
    dev.until(lambda: "welcome" in dev.urls)
    dev.until(lambda: dev.says("hello is now welcome"))
    assert served(dev, "welcome") == "one"
    assert get(old)[0] == 403
    names = [one["FunctionName"] for one in client(dev.endpoint).list_functions()["Functions"]]
    assert names == ["welcome"]


def test_a_layer_outside_of_the_project_and_an_own_runtime_count(project: Path, start: Start) -> None:
    shared = project.with_name("shared")
    shared.mkdir()
    (shared / "word").write_text("one")
    runtimes = Path(__file__).resolve().parents[2] / "runtimes"
    shutil.copytree(runtimes / "perl", project / "runtimes/perl")
    (project / ".lambdaignore").write_text("# ignore-style: gitignore\n/runtimes/\n")
    (project / "handler.pl").write_text(
        "sub handle { open my $f, '<', '/opt/word'; return { version => <$f> . ($ENV{MINE} || '') } } 1;"
    )
    redefine(project, Layers=["runtime:perl", "./../shared"])
    dev = start(project)
    assert served(dev, "hello") == "one"
    (shared / "word").write_text("two")
    dev.until(lambda: served(dev, "hello") == "two")
    entry = project / "runtimes/perl/bootstrap.pl"
    lines = entry.read_text().splitlines(keepends=True)
    at = next(place for place, line in enumerate(lines) if line.startswith("use strict"))
    entry.write_text("".join([*lines[:at], "BEGIN { $ENV{MINE} = '!' }\n", *lines[at:]]))
    dev.until(lambda: served(dev, "hello") == "two!")


def test_what_is_ignored_changes_nothing(project: Path, start: Start) -> None:
    with (project / ".lambdaignore").open("a") as rules:
        rules.write("\n*.log\n")
    dev = start(project)
    write(project, "two")
    dev.until(lambda: dev.reloads("hello") == 1)
    for number in range(20):
        (project / f"{number}.log").write_text("x")
    write(project, "three")
    dev.until(lambda: served(dev, "hello") == "three")
    assert dev.end() == 0
    assert dev.reloads("hello") == 2


def test_five_functions_of_one_repository(project: Path, start: Start) -> None:
    others = [twin(project, name) for name in ("api", "worker", "mail", "nightly")]
    dev = start(project, *others)
    names = ("hello", "api", "worker", "mail", "nightly")
    assert [served(dev, name) for name in names] == ["one"] * 5
    write(others[1], "two")
    dev.until(lambda: served(dev, "worker") == "two")
    assert [served(dev, name) for name in names] == ["one", "one", "two", "one", "one"]
    redefine(others[0], FunctionName="mail")
    dev.until(lambda: dev.says("another directory defines the function mail too"))
    assert served(dev, "api") == "one"
    assert dev.end() == 0
    assert [name for name in names if dev.reloads(name)] == ["worker"]


def test_a_function_of_managed_instances_is_published_with_each_change(project: Path, start: Start) -> None:
    """Its capacity provider is its user's own, and is not in this cloud."""
    arn = "arn:aws:lambda:eu-west-1:123456789012:capacity-provider:theirs"
    instances = {"CapacityProviderArn": arn, "PerExecutionEnvironmentMaxConcurrency": 1}
    redefine(
        project, MemorySize=2048, CapacityProviderConfig={"LambdaManagedInstancesCapacityProviderConfig": instances}
    )
    dev = start(project)
    assert served(dev, "hello") == "one"
    write(project, "two")
    dev.until(lambda: served(dev, "hello") == "two")


def test_a_function_with_tenants_is_reloaded_too(project: Path, start: Start) -> None:
    redefine(project, TenancyConfig={"TenantIsolationMode": "PER_TENANT"}, Fn={})
    dev = start(project)
    write(project, "two")
    dev.until(lambda: dev.reloads("hello") == 1)
    answer = client(dev.endpoint).invoke(FunctionName="hello", TenantId="blue")
    assert json.loads(answer["Payload"].read()) == {"version": "two"}


def test_lines_for_programs(project: Path, start: Start) -> None:
    dev = start(project, words=("--output", "json"))
    (serving,) = dev.records
    assert (serving["event"], serving["function"]) == ("serving", "hello")
    assert get(serving["url"])[0] == 200
    write(project, "two")
    dev.until(lambda: len(dev.shown) == 3)
    (project / "function.json").write_text("{")
    dev.until(lambda: len(dev.shown) == 4)
    assert dev.end() == 0
    _, request, reloaded, error = dev.records
    assert {name: request[name] for name in ("event", "function", "asked", "status", "cold", "memory_mb", "error")} == {
        "event": "request",
        "function": "hello",
        "asked": "GET /",
        "status": 200,
        "cold": True,
        "memory_mb": 128,
        "error": None,
    }
    assert (reloaded["event"], reloaded["function"]) == ("reloaded", "hello")
    assert (error["event"], error["directory"]) == ("error", str(project))


def marked(mark: str) -> list[str]:
    """The processes that have `mark` in their environment: whatever was started, in a sandbox or not."""
    found = []
    for pid in (each.name for each in Path("/proc").iterdir() if each.name.isdigit()):
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue  # another user's, or gone by now
        if mark.encode() in variables:
            found.append(pid)
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc here")
@pytest.mark.parametrize("busy", [False, True])
def test_nothing_is_left_after_ctrl_c(project: Path, start: Start, tmp_path: Path, busy: bool) -> None:
    mark = f"mark-{tmp_path}"
    redefine(project, Environment={"Variables": {"MARK": mark}})
    (tmp_path / "tmp").mkdir()
    dev = start(project, MARK=mark, TMPDIR=str(tmp_path / "tmp"))
    url = dev.urls["hello"]
    assert get(url)[0] == 200
    assert len(marked(mark)) >= 2, "fn, and the function"
    thread = threading.Thread(target=lambda: _endless(url))
    if busy:
        thread.start()
        dev.until(lambda: dev.said.count("hello | said by hand") == 2)
    assert dev.end() == 0
    if busy:
        thread.join(60)
    assert marked(mark) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert [line for line in dev.said if "Traceback" in line or "Exception" in line] == []


def _endless(url: str) -> None:
    try:
        get(url + "?slow=25")
    except (OSError, ValueError):
        pass  # its end is the test's own


def test_words_that_do_not_go_together(project: Path, fn: Any) -> None:
    done = fn("dev", "--endpoint", "http://127.0.0.1:1", cwd=project, status=2)
    assert "fn dev has a cloud of its own" in done.stderr
    twins = [project, twin(project, "copy")]
    redefine(twins[1], FunctionName="hello")
    ports = itertools.count(65535)
    done = fn("dev", "--debug-port", str(next(ports)), *map(str, twins), cwd=project, status=2)
    assert "there is none after 65535" in done.stderr
    done = fn("dev", "--debug-port", "65535", "--network", "nat", cwd=project, status=2)
    assert "--debug-port and --network nat exclude each other" in done.stderr
