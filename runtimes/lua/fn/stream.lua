-- An answer that is sent as it comes. A handler that returns a function streams: it is called with a responder, which takes
-- a content type, for an answer over HTTP also its head as a table, and gives this writer.
--
--     return function(respond) local out = respond("text/plain"); out:write("one"); out:write("two") end

local cjson = require("cjson")

local HTTP = "application/vnd.awslambda.http-integration-response"
local Stream = {}
Stream.__index = Stream

function Stream.new(api, path)
    return setmetatable({ api = api, path = path, begun = false, closed = false }, Stream)
end

-- The responder. head: {statusCode = 200, headers = {...}, cookies = {...}}.
function Stream:begin(kind, head)
    if self.begun then error("this answer streams already", 2) end
    self.begun = true
    self.api:begin(self.path, {
        { "Content-Type", head and HTTP or kind or "application/octet-stream" },
        { "Lambda-Runtime-Function-Response-Mode", "streaming" },
        { "Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body" },
    })
    if head then self.api:chunk(cjson.encode(head) .. ("\0"):rep(8)) end
    return self
end

function Stream:write(bytes)
    if self.closed then error("this stream is closed", 2) end
    self.api:chunk(tostring(bytes))
end

function Stream:close()
    self.closed = true
end

local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(bytes)
    local found = {}
    for at = 1, #bytes, 3 do
        local a, b, c = bytes:byte(at, at + 2)
        local number = a * 65536 + (b or 0) * 256 + (c or 0)
        for place = 3, 0, -1 do
            local digit = math.floor(number / 64 ^ place) % 64
            local filled = (place == 1 and not b) or (place == 0 and not c)
            found[#found + 1] = filled and "=" or LETTERS:sub(digit + 1, digit + 1)
        end
    end
    return table.concat(found)
end

-- For the loop: the Runtime API's answer. An error goes into the trailers.
function Stream:finish(kind, failure)
    self.closed = true
    if not kind then return self.api:finish() end
    return self.api:finish({
        { "Lambda-Runtime-Function-Error-Type", kind },
        { "Lambda-Runtime-Function-Error-Body", base64(failure) },
    })
end

return Stream
