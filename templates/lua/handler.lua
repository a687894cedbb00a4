-- Runs once per execution environment: require modules and open connections up here.

function handle(event, context)
    -- From the function URL (…?name=you) or from a plain event ({"name": "you"}).
    local query = event.queryStringParameters or {}
    local name = query.name or event.name or "world"
    print("hello to " .. name)

    -- Becomes the JSON answer; a function URL sends it with status 200. For another status or other headers return
    -- { statusCode = 404, headers = { ["content-type"] = "text/plain" }, body = "not here" }.
    return { message = "Hello, " .. name, ["function"] = context.function_name, version = context.function_version }
end
