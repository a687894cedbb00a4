-- The loop; see loop.lua.

local cjson = require("cjson")
local socket = require("socket")
local Api = require("fn.api")
local Stream = require("fn.stream")

pcall(cjson.encode_number_precision, 16) -- 14 digits is all that older ones have
cjson.encode_invalid_numbers(false)
cjson.encode_sparse_array(true)
if cjson.decode_array_with_array_mt then cjson.decode_array_with_array_mt(true) end

local ERROR_JSON = "application/vnd.aws.lambda.error+json"
local has_ffi, ffi = pcall(require, "ffi")
if has_ffi then ffi.cdef("int setenv(const char *, const char *, int); int unsetenv(const char *);") end

local runtime = {}
local api

-- One line, whatever the message: a line is one event in the log.
local function log(message)
    io.stderr:write("[ERROR] ", (message:gsub("%s+$", ""):gsub("%s*\n%s*", " | ")), "\n")
end

local function refused(path, status, said)
    if status >= 300 then log("Runtime API refused " .. path .. " with " .. status .. ": " .. said) end
end

-- errors

local function fault(kind, message)
    return { fault = true, errorType = kind, errorMessage = message, stackTrace = {} }
end

-- What an error looks like when it is posted. `raised`: a string, or a table that may have a message and a type.
local function described(raised, trace)
    if type(raised) == "table" and raised.fault then return raised end
    local kind, message = "Error", raised
    if type(raised) == "table" then
        kind = tostring(raised.type or raised.errorType or "Error")
        local speaks = getmetatable(raised) and getmetatable(raised).__tostring
        message = not speaks and (raised.message or raised.errorMessage) or raised
        if type(message) == "table" and not speaks then
            local good, text = pcall(cjson.encode, message)
            message = good and text or tostring(message)
        end
    end
    return { errorType = kind, errorMessage = tostring(message), stackTrace = trace or {} }
end

-- The traceback's lines above the call that this file made.
local function lines_of(traceback)
    local found = {}
    for line in traceback:gmatch("\n\t([^\n]+)") do
        if line:find("/fn/runtime.lua:", 1, true) then break end
        found[#found + 1] = line
    end
    return found
end

-- result, or nil and a failure. os.exit leaves.
local function attempt(call, ...)
    local arguments, count = { ... }, select("#", ...)
    local failure
    local good, result = xpcall(function()
        return call((table.unpack or unpack)(arguments, 1, count))
    end, function(raised)
        if type(raised) == "table" and raised.lost then return raised end
        failure = described(raised, lines_of(debug.traceback("", 2)))
    end)
    if good then return result end
    if not failure then error(result, 0) end -- of the connection
    return nil, failure
end

-- Lambda takes (Runtime|Function).Xxx and calls anything else Runtime.Unknown.
local function header_of(failure)
    if failure.errorType:find("^Runtime%.%u%a+$") then return failure.errorType end
    local letters = failure.errorType:gsub("%A", "")
    return "Function." .. (#letters > 1 and letters:sub(1, 1):upper() .. letters:sub(2) or "Error")
end

local function encoded(failure)
    local trace = #failure.stackTrace > 0 and cjson.encode(failure.stackTrace) or "[]"
    return ('{"errorMessage":%s,"errorType":%s,"stackTrace":%s}'):format(
        cjson.encode(failure.errorMessage), cjson.encode(failure.errorType), trace)
end

local function report(path, failure)
    io.stdout:flush()
    log(failure.errorType .. ": " .. failure.errorMessage)
    local headers = { { "Content-Type", ERROR_JSON }, { "Lambda-Runtime-Function-Error-Type", header_of(failure) } }
    local status, _, said = api:request("POST", path, encoded(failure), headers)
    refused(path, status, said)
end

-- finding the handler

-- "lib/foo.handle" is the function `handle` of the table that lib/foo.lua returns, else the global one.
local function find(task, name)
    local file, key = name:match("^(.+)%.([%a_][%w_]*)$")
    if not file then
        return nil, fault("Runtime.MalformedHandlerName", "Bad handler '" .. name .. "': want FILE.FUNCTION, as in handler.handle")
    end
    local path = (file:sub(1, 1) == "/" and file or task .. "/" .. file) .. ".lua"
    local opened = io.open(path, "r")
    if not opened then
        return nil, fault("Runtime.ImportModuleError", "Unable to load '" .. file .. ".lua': no such readable file in " .. task)
    end
    opened:close()
    local chunk, why = loadfile(path)
    if not chunk then return nil, fault("Runtime.UserCodeSyntaxError", why) end
    local module, failure = attempt(chunk, file)
    if failure then
        if failure.errorMessage:find("module '[^']+' not found") then failure.errorType = "Runtime.ImportModuleError" end
        return nil, failure
    end
    local found = type(module) == "table" and module[key] or rawget(_G, key)
    if type(found) ~= "function" then
        return nil, fault("Runtime.HandlerNotFound", "Handler '" .. name .. "': there is no function " .. key .. " after loading " .. file .. ".lua")
    end
    return found
end

-- the context

local Context = {}

function Context.remaining_ms(self)
    return math.max(0, (self.deadline_ms or 0) - math.floor(socket.gettime() * 1000))
end

local function context_of(headers)
    local function decoded(name)
        local text = headers[name]
        return text and text ~= "" and cjson.decode(text) or nil
    end
    return setmetatable({
        aws_request_id = headers["lambda-runtime-aws-request-id"],
        invoked_function_arn = headers["lambda-runtime-invoked-function-arn"],
        deadline_ms = tonumber(headers["lambda-runtime-deadline-ms"]),
        trace_id = headers["lambda-runtime-trace-id"],
        tenant_id = headers["lambda-runtime-aws-tenant-id"],
        client_context = decoded("lambda-runtime-client-context"),
        identity = decoded("lambda-runtime-cognito-identity"),
        function_name = os.getenv("AWS_LAMBDA_FUNCTION_NAME"),
        function_version = os.getenv("AWS_LAMBDA_FUNCTION_VERSION"),
        memory_limit_in_mb = tonumber(os.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")),
        log_group_name = os.getenv("AWS_LAMBDA_LOG_GROUP_NAME"),
        log_stream_name = os.getenv("AWS_LAMBDA_LOG_STREAM_NAME"),
    }, { __index = Context })
end

-- the loop

-- Let the handler's function stream its answer; a failure where nothing has been sent.
local function stream(path, body)
    local made = Stream.new(api, path)
    local _, failure = attempt(body, function(...) return made:begin(...) end)
    io.stdout:flush()
    if not made.begun then
        return failure or fault("Runtime.MarshalError", "the result is a function that asked for no stream, which JSON cannot represent")
    end
    local status, said, _
    if failure then
        log(failure.errorType .. ": " .. failure.errorMessage)
        status, _, said = made:finish(header_of(failure), encoded(failure))
    else
        status, _, said = made:finish()
    end
    refused(path, status, said)
end

local function answer(handler, body, context)
    local decoded, event = pcall(cjson.decode, body)
    if not decoded then return nil, fault("Runtime.UnmarshalError", event) end
    local result, failure = attempt(handler, event, context)
    if failure then return nil, failure end
    if type(result) == "function" then return result end
    if result == nil then return "null" end
    local good, text = pcall(cjson.encode, result)
    if not good then return nil, fault("Runtime.MarshalError", text) end
    return text
end

local function serve(handler)
    local status, headers, body = api:request("GET", "invocation/next")
    if status ~= 200 then error({ lost = true, message = "next answered " .. status .. ": " .. body }, 0) end
    local context = context_of(headers)
    if has_ffi then
        if context.trace_id then ffi.C.setenv("_X_AMZN_TRACE_ID", context.trace_id, 1)
        else ffi.C.unsetenv("_X_AMZN_TRACE_ID") end
    end
    local path = "invocation/" .. context.aws_request_id
    local result, failure = answer(handler, body, context)
    io.stdout:flush()
    if type(result) == "function" then
        failure = stream(path .. "/response", result)
        if not failure then return end
    end
    if failure then return report(path .. "/error", failure) end
    local code, _, said = api:request("POST", path .. "/response", result, { { "Content-Type", "application/json" } })
    refused(path .. "/response", code, said)
end

function runtime.run(task)
    io.stdout:setvbuf("line")
    io.stderr:setvbuf("no")
    local address = os.getenv("AWS_LAMBDA_RUNTIME_API")
    if not address then
        log("AWS_LAMBDA_RUNTIME_API is not set: this program is started by Lambda, or by fn run")
        os.exit(1)
    end
    api = Api.new(address)
    local _, ended = pcall(function()
        local handler, failure = find(task, os.getenv("_HANDLER") or "")
        if failure then return report("init/error", failure) end
        while true do serve(handler) end
    end)
    if ended then log("Runtime API: " .. tostring(type(ended) == "table" and ended.message or ended)) end
    os.exit(1)
end

return runtime
