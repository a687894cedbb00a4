import json
from urllib.parse import parse_qs

from fn_wsgi import wrap


def application(environ, start_response):
    """Any WSGI application: yours, or Flask's, Django's, Bottle's."""
    name = parse_qs(environ["QUERY_STRING"]).get("name", ["world"])[0]
    print(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} by {name}")
    body = json.dumps({"message": f"Hello, {name}", "path": environ["PATH_INFO"]}).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]


handle = wrap(application)
