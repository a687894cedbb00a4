import logging
import os

logging.getLogger().setLevel(os.environ.get("LOG_LEVEL", "INFO"))

# Runs once per execution environment: import modules and open connections up here.


def handle(event, context):
    # From the function URL (…?name=you) or from a plain event ({"name": "you"}).
    query = event.get("queryStringParameters") or {}
    name = query.get("name") or event.get("name") or "world"
    logging.info("hello to %s", name)

    # Becomes the JSON answer; a function URL sends it with status 200. For another status or other headers return
    # {"statusCode": 404, "headers": {"content-type": "text/plain"}, "body": "not here"}.
    return {"message": f"Hello, {name}", "function": context.function_name, "version": context.function_version}
