#!/usr/bin/env bash
# The main job from start to end on the local cloud, each command printed before its output. Run by `make demo`.
# Everything happens in a directory of its own, which is removed at the end together with the cloud.
set -euo pipefail

work=$(mktemp -d)
export FN_STATE=$work/state FN_CACHE=$work/cache NO_COLOR=1
unset AWS_PROFILE AWS_ENDPOINT_URL FN_ENDPOINT FN_PROFILE 2>/dev/null || true
trap 'fn local down >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
cd "$work"

say() { printf '\n# %s\n' "$*"; }
play() { printf '\n$ %s\n' "$*"; eval "$*"; }

# GET over HTTP without curl: a function URL's host (*.lambda-url.REGION.localhost) is this machine.
get() {
  python3 - "$1" <<'PY'
import http.client, sys, urllib.parse
url = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection("127.0.0.1", url.port, timeout=30)
connection.request("GET", (url.path or "/") + (f"?{url.query}" if url.query else ""), headers={"Host": url.netloc})
answer = connection.getresponse()
print(answer.status, answer.read().decode())
PY
}

# Stop here unless TEXT holds WORD: a demo that shows something else than it says is a failure.
expect() {
  case $1 in
    *"$2"*) ;;
    *) printf 'the demo expected %s in:\n%s\n' "$2" "$1" >&2; exit 1 ;;
  esac
}

say "A function from the Perl template, run here in a sandbox: a cold invocation, then a warm one."
play "fn init --runtime perl hello"
play "cd hello"
play "fn run --event event.json --repeat 2"

say "A local cloud in the background, and the first deploy to it."
play "fn local up --detach --port 0"
play "fn deploy --local"

say "The alias serves version 1: cold (with Init Duration), then warm (without)."
play "fn invoke --local --log-tail -e '{\"name\": \"world\"}'"
play "fn invoke --local --log-tail -e '{\"name\": \"world\"}'"
url=$(fn status --local --output json | python3 -c 'import json, sys; print(json.load(sys.stdin)["function_url"])')
play "get '${url}?name=web'"
expect "$(get "$url")" '"version":"1"'

say "An edit and a second deploy: the same URL now answers from version 2."
play "sed -i.bak 's/Hello/Good morning/' handler.pl && rm handler.pl.bak"
play "fn deploy --local"
play "get '${url}?name=web'"
expect "$(get "$url")" '"version":"2"'

say "A deploy without changes says so and sends no write."
play "fn deploy --local"
play "fn status --local"
play "fn versions --local"

say "The way back: the alias goes to the version it served before."
play "fn rollback --local"
play "get '${url}?name=web'"
expect "$(get "$url")" '"version":"1"'

play "fn delete --local --yes"
play "fn local down"
say "That was all of it."
