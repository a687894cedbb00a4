"""Extensions that the emulator's tests run: one external program of python3, told by variables what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emulator_support import function
from fnroll.emulator import FunctionConfig

PYTHON = "/usr/bin/python3"

AGENT = r"""#!/usr/bin/python3 -IS
import http.client, http.server, json, os, socketserver, sys, threading
NAME = os.path.basename(sys.argv[0])
DO = json.loads(os.environ.get("AGENT_" + NAME.upper(), "{}"))
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

def say(*words):
    print(NAME, *words, flush=True)

def call(method, path, body=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    api.request(method, path, None if body is None else json.dumps(body), headers)
    answer = api.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read().decode()

if "pid" in DO:
    with open(DO["pid"], "w") as file:
        file.write(str(os.getpid()))
if DO.get("exit") == "start":
    sys.exit(7)
wanted = {"events": DO.get("events", ["INVOKE", "SHUTDOWN"])}
status, headers, body = call("POST", "/2020-01-01/extension/register", wanted, Lambda_Extension_Name=NAME)
me = headers["Lambda-Extension-Identifier"]
say("registered", status, body)
if "show" in DO:
    say("sees", sorted(name for name in os.environ if name.startswith(("AWS_LAMBDA", "LAMBDA", "_"))))
if "telemetry" in DO:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_POST(self):
            for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
                with open(DO["telemetry"] + ".new", "a") as file:
                    file.write(json.dumps([self.headers["Sequence-Id"], event]) + "\n")
            self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
        def log_message(self, *_): pass
    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True
    server = Server(("0.0.0.0", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    uri = "http://sandbox.localdomain:%d/x" % server.server_address[1]
    wanted = {"schemaVersion": "2022-12-13", "types": ["platform", "function"],
              "buffering": {"timeoutMs": DO.get("timeout", 25)}, "destination": {"protocol": "HTTP", "URI": uri}}
    say("subscribed", *call("PUT", "/2022-07-01/telemetry", wanted, Lambda_Extension_Identifier=me)[::2])
if "error" in DO:
    say(*call("POST", "/2020-01-01/extension/%s/error" % DO["error"], {}, Lambda_Extension_Identifier=me,
              Lambda_Extension_Function_Error_Type="Agent.Bad")[::2])
    sys.exit(1)
count = 0
while True:
    status, headers, body = call("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=me)
    event = json.loads(body)
    say(event["eventType"], event.get("requestId", event.get("shutdownReason")))
    if event["eventType"] == "SHUTDOWN":
        if DO.get("shutdown") == "hang":
            threading.Event().wait()
        if "outlives" in DO:
            try:
                while True:
                    os.kill(int(open(DO["outlives"]).read()), 0)
            except ProcessLookupError:
                say("outlived it")
        if "telemetry" in DO and os.path.exists(DO["telemetry"] + ".new"):
            os.rename(DO["telemetry"] + ".new", DO["telemetry"])
        say("bye")
        sys.exit(0)
    count += 1
    if DO.get("exit") == count:
        sys.exit(3)
    if DO.get("hang") == count:
        threading.Event().wait()
"""


def extended(directory: Path, *names: str, program: str = AGENT, init: str = "", **changes: Any) -> FunctionConfig:
    """A function with external extensions of these names; what each does stands in the variable AGENT_<NAME>."""
    opt = directory / "opt"
    (opt / "extensions").mkdir(parents=True, exist_ok=True)
    for name in names:
        path = opt / "extensions" / name
        path.write_text(program)
        path.chmod(0o755)
    environment = {"INIT": init, "LANG": "C", **changes.pop("environment", {})}
    return function(directory, opt=opt, environment=environment, **changes)
