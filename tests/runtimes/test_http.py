"""Each runtime's adapters against the one table of HTTP events and answers (http_table.py).

An adapter under test runs a program that answers with what it saw, or with what the row gives it.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fnroll import places
from fnroll.archive import unpack
from fnroll.emulator import managed
from fnroll.layers import build
from runtimes.http_table import REPLIES, REQUESTS, Reply, Row
from runtimes_support import Event, Run, missing_for, run_bootstrap

PSGI = r"""
use strict; use warnings;
use Fn::PSGI; use Fn::Base64;
my $handler = Fn::PSGI->wrap(sub {
    my ($env) = @_;
    my $input = do { local $/; readline $env->{'psgi.input'} };
    return [ 200, [ 'X' => 'y' ], [ join "\n",
        Fn::Base64::encode(defined $input ? $input : ''), $env->{'psgi.url_scheme'},
        map { "$_=" . Fn::Base64::encode($env->{$_}) } grep { !/\./ } keys %$env ] ];
});
sub handle { $handler->(@_) }
"""
PSGI_REPLY = r"""
use strict; use warnings;
use Fn::PSGI; use Fn::Base64;
my $handler = Fn::PSGI->wrap(sub {
    my ($env) = @_;
    my $given = $env->{'fn.event'}{given};
    my $body = Fn::Base64::decode($given->{body});
    my $start = [ $given->{status}, [ map { @$_ } @{ $given->{headers} } ] ];
    return [ @$start, [ $body ] ] if $given->{how} eq 'list';
    return [ @$start, do { open my $file, '<', \$body or die; $file } ] if $given->{how} eq 'file';
    return sub { $_[0]->([ @$start, [ $body ] ]) } if $given->{how} eq 'delayed';
    return sub { my $writer = $_[0]->($start); $writer->write($_) for split //, $body; $writer->close };
});
sub handle { $handler->(@_) }
"""
CGI = r"""
use Fn::CGI;
my $handler = Fn::CGI->wrap('script.cgi');
sub handle { $handler->(@_) }
"""
CGI_SCRIPT = r"""#!/usr/bin/env perl
use MIME::Base64;
my $input = do { local $/; <STDIN> };
print "X: y\n\n", join "\n", encode_base64(defined $input ? $input : '', ''), $ENV{GATEWAY_INTERFACE},
    map { "$_=" . encode_base64($ENV{$_}, '') } keys %ENV;
"""
CGI_REPLY = r"""#!/usr/bin/env perl
use MIME::Base64; use JSON::PP;
binmode STDOUT;
my $given = decode_json(do { local $/; <STDIN> });
print "Status: $given->{status} Whatever\r\n" if $given->{status} != 200;
print "$_->[0]: $_->[1]\r\n" for @{ $given->{headers} };
print "\r\n", decode_base64($given->{body});
"""


RACK = r"""
require 'fn/rack'
APP = Fn::Rack.new(lambda { |env|
  shown = env.reject { |name, _| name.include?('.') }.map { |name, value| "#{name}=#{[value].pack('m0')}" }
  [200, { 'X' => 'y' }, [[[env['rack.input'].read].pack('m0'), env['rack.url_scheme'], *shown].join("\n")]]
})
def handle(event:, context:) = APP.call(event, context)
"""
RACK_REPLY = r"""
require 'fn/rack'
require 'stringio'
APP = Fn::Rack.new(lambda { |env|
  given = env['fn.event']['given']
  body = given['body'].unpack1('m')
  listed = Hash.new { |hash, name| hash[name] = [] }
  given['headers'].each { |name, value| listed[name] << value }
  headers = given['how'] == 'list' ? listed : listed.transform_values { |values| values.join("\n") }
  parts = { 'list' => [body], 'file' => StringIO.new(body), 'call' => ->(out) { out << body } }[given['how']]
  [given['status'], headers, parts]
})
def handle(event:, context:) = APP.call(event, context)
"""
WSGI = r"""
import base64
from fn_wsgi import wrap
def show(environ, start_response):
    start_response("200 OK", [("X", "y")])
    coded = lambda data: base64.b64encode(data).decode()
    names = [name for name in environ if "." not in name]
    lines = [coded(environ["wsgi.input"].read()), environ["wsgi.url_scheme"]]
    lines += [f"{name}={coded(environ[name].encode('latin-1'))}" for name in names]
    return ["\n".join(lines).encode()]
handle = wrap(show)
"""
WSGI_REPLY = r"""
import base64
from fn_wsgi import wrap
def give(environ, start_response):
    given = environ["fn.event"]["given"]
    body = base64.b64decode(given["body"])
    write = start_response(f"{given['status']} Whatever", [tuple(pair) for pair in given["headers"]])
    if given["how"] == "write":
        write(body)
        return []
    return [body[:1], body[1:]]
handle = wrap(give)
"""
SHIPPED = places.share_dir("templates") / "python-wsgi" / "fn_wsgi.py"


@dataclass(frozen=True)
class Adapter:
    """`runtime`, and the files of a function that shows its environment, and of one that gives what it is told."""

    name: str
    runtime: str
    shows: dict[str, str]
    gives: dict[str, str]
    hows: tuple[str, ...] = ("",)
    in_body: bool = False
    """Whether `given` is in the request's body, since the program sees no event."""


ADAPTERS = (
    Adapter("psgi", "perl", {"handler.pl": PSGI}, {"handler.pl": PSGI_REPLY}, ("list", "file", "delayed", "writer")),
    Adapter(
        "cgi",
        "perl",
        {"handler.pl": CGI, "script.cgi": CGI_SCRIPT},
        {"handler.pl": CGI, "script.cgi": CGI_REPLY},
        in_body=True,
    ),
    Adapter("rack", "ruby", {"handler.rb": RACK}, {"handler.rb": RACK_REPLY}, ("list", "file", "call")),
    Adapter("wsgi", "python", {"handler.py": WSGI}, {"handler.py": WSGI_REPLY}, ("list", "write")),
)

Serve = Callable[[str, dict[str, str], list[Any]], Run]


@pytest.fixture(scope="session")
def opts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The unpacked layer of a runtime."""
    made: dict[str, Path] = {}

    def opt(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name) / "opt"
            unpack(build(f"runtime:{name}", tmp_path_factory.mktemp("project")).data, made[name])
        return made[name]

    return opt


@pytest.fixture
def serve(opts: Callable[[str], Path], tmp_path: Path) -> Serve:
    def call(runtime: str, files: dict[str, str], events: list[Any]) -> Run:
        if reason := missing_for(runtime):
            pytest.skip(reason)
        for name, text in files.items():
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        made = [Event(json.dumps(event).encode()) for event in events]
        if runtime == "python":
            shutil.copy(SHIPPED, tmp_path)
            interpreter = managed.find("python3.13")
            assert interpreter is not None and interpreter.interpreter is not None
            bootstrap = interpreter.directory / "bootstrap"
            return run_bootstrap(bootstrap, tmp_path, made, arguments=[str(interpreter.interpreter.path)])
        return run_bootstrap(opts(runtime) / "bootstrap", tmp_path, made)

    return call


def seen(body: str) -> tuple[bytes, str, dict[str, str]]:
    """What the showing program said: the body, the scheme, its variables."""
    first, scheme, *variables = body.split("\n")
    pairs = (line.partition("=") for line in variables)
    env = {name: base64.b64decode(value).decode("utf-8", "surrogateescape") for name, _, value in pairs}
    return base64.b64decode(first), scheme, env


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_a_program_sees_cgis_variables(adapter: Adapter, serve: Serve) -> None:
    """All rows in one process, one after the other: nothing of one request may be left for the next."""
    run = serve(adapter.runtime, adapter.shows, [row.event for row in REQUESTS])
    assert len(run.posts) == len(REQUESTS), run.log
    wrong = [
        (row.name, fault)
        for row, post in zip(REQUESTS, run.posts, strict=True)
        for fault in _faults(adapter, row, json.loads(post.body))
    ]
    assert wrong == []


def _faults(adapter: Adapter, row: Row, answer: dict[str, Any]) -> list[object]:
    body, scheme, env = seen(answer["body"])
    found: list[object] = [(name, env.get(name)) for name, value in row.env.items() if env.get(name) != value]
    found += [name for name in row.absent if name in env]
    found += [body] if body != row.body else []
    if adapter.name != "cgi" and scheme != row.scheme:
        found.append(scheme)
    return found


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_an_answer_is_what_the_event_wants(adapter: Adapter, serve: Serve) -> None:
    rows = [(how, reply) for how in adapter.hows for reply in REPLIES]
    run = serve(adapter.runtime, adapter.gives, [_event(adapter, how, reply) for how, reply in rows])
    assert len(run.posts) == len(rows), run.log
    wrong = [
        (reply.name, how, json.loads(post.body), reply.answer)
        for (how, reply), post in zip(rows, run.posts, strict=True)
        if json.loads(post.body) != reply.answer
    ]
    assert wrong == []


def _event(adapter: Adapter, how: str, reply: Reply) -> dict[str, Any]:
    given = {
        "how": how,
        "status": reply.status,
        "headers": reply.headers,
        "body": base64.b64encode(reply.body).decode(),
    }
    return reply.event | ({"body": json.dumps(given)} if adapter.in_body else {"given": given})


def test_an_event_that_is_no_request_is_an_error_that_says_so(serve: Serve) -> None:
    run = serve("perl", {"handler.pl": PSGI}, [{"name": "world"}, [1], None])
    assert ["no HTTP request" in json.loads(post.body)["errorMessage"] for post in run.posts] == [True] * 3


CGI_FAULTS = [
    ("#!/usr/bin/env perl\nexit 3;\n", "printed no header and ended with status 3"),
    ("#!/usr/bin/env perl\nprint qq(no head\\n\\n);\n", "printed no header"),
    ("#!/usr/bin/env perl\nkill 9, $$;\n", "ended with signal 9"),
]


@pytest.mark.parametrize(("script", "words"), CGI_FAULTS, ids=[row[1] for row in CGI_FAULTS])
def test_a_cgi_program_that_fails_is_an_error_of_that_call(serve: Serve, script: str, words: str) -> None:
    run = serve("perl", {"handler.pl": CGI, "script.cgi": script}, [REQUESTS[0].event])
    assert words in json.loads(run.posts[0].body)["errorMessage"]


def test_a_cgi_redirection_and_its_log(serve: Serve) -> None:
    script = "#!/usr/bin/env perl\nprint STDERR qq(seen\\n); print qq(Location: /x\\n\\n);\n"
    run = serve("perl", {"handler.pl": CGI, "script.cgi": script}, [REQUESTS[0].event])
    assert json.loads(run.posts[0].body)["statusCode"] == 302
    assert run.log == "seen\n"


def test_a_psgi_application_streams_with_its_head_first(serve: Serve) -> None:
    code = PSGI_REPLY.replace("use strict;", "BEGIN { $ENV{AWS_LWA_INVOKE_MODE} = 'RESPONSE_STREAM' } use strict;")
    reply = next(one for one in REPLIES if one.name == "v2-cookies-and-repeated")
    adapter = ADAPTERS[0]
    run = serve("perl", {"handler.pl": code}, [_event(adapter, how, reply) for how in adapter.hows])
    for post in run.posts:
        head, body = post.body.split(b"\0" * 8)
        assert json.loads(head) == {
            "statusCode": 200,
            "headers": {"content-type": "text/plain", "x-a": "1, 2"},
            "cookies": ["a=1", "b=2"],
        }
        assert body == b"hi"
        assert post.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
