-- What fn runtime test asks of a runtime's handler: framework/fnroll/conformance/cases.py has the table.

local verbs = {}

function verbs.echo(event) return event.value end
function verbs.error(event) error(event.text) end
function verbs.exit(event) os.exit(event.size) end
function verbs.large(event) return ("x"):rep(event.size - 2) end
function verbs.measure(event) return #event.text end
function verbs.print(event) io.write(event.text) end
function verbs.process() return io.open("/proc/self/stat"):read("*n") end
function verbs.unencodable() return 0 / 0 end

function verbs.context(_, context)
    return {
        request_id = context.aws_request_id,
        arn = context.invoked_function_arn,
        remaining = context:remaining_ms(),
        trace = context.trace_id,
        ["function"] = context.function_name,
        version = context.function_version,
        memory = context.memory_limit_in_mb,
    }
end

function verbs.stream(event)
    return function(respond)
        local out = respond("text/plain")
        for _, part in ipairs(event.parts) do out:write(part) end
        out:close()
    end
end

verbs["break"] = function(event)
    return function(respond)
        respond("text/plain"):write(event.text)
        error("broke off")
    end
end

function handle(event, context)
    if type(event) == "table" and event["do"] then return verbs[event["do"]](event, context) end
    return event
end
