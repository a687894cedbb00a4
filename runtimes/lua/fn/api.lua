-- The client's side of the Runtime API: HTTP/1.1 on one kept-alive connection. Head and body leave together, without
-- Nagle's delay, and no read has a time limit: the process is frozen inside `next`, for as long as nothing happens.

local socket = require("socket")

local PREFIX = "/2018-06-01/runtime/"
local Api = {}
Api.__index = Api

-- address: host:port, as in AWS_LAMBDA_RUNTIME_API.
function Api.new(address)
    local host, port = address:match("^(.*):(%d+)$")
    return setmetatable({ address = address, host = host, port = tonumber(port) }, Api)
end

local function lost(why)
    error({ lost = true, message = why }, 0)
end

local function fields(headers)
    local lines = {}
    for _, pair in ipairs(headers) do
        lines[#lines + 1] = pair[1] .. ": " .. pair[2] .. "\r\n"
    end
    return table.concat(lines)
end

function Api:_head(method, path, headers)
    return method .. " " .. PREFIX .. path .. " HTTP/1.1\r\nHost: " .. self.address .. "\r\nUser-Agent: fn-lua\r\n"
        .. fields(headers) .. "\r\n"
end

function Api:_send(bytes)
    if not self.socket then
        local connected, why = socket.connect(self.host, self.port)
        if not connected then lost("cannot connect to " .. self.address .. ": " .. why) end
        connected:setoption("tcp-nodelay", true)
        connected:settimeout(nil)
        self.socket = connected
    end
    local sent, why = self.socket:send(bytes)
    if not sent then lost("cannot send: " .. why) end
end

function Api:_close()
    if self.socket then self.socket:close() end
    self.socket = nil
end

function Api:_receive(pattern)
    if pattern == 0 then return "" end
    local data, why = self.socket:receive(pattern)
    if not data then lost("cannot receive: " .. why) end
    return data
end

-- status, headers with lower-case names, body. A kept connection may have been closed while nobody looked: as long as no
-- answer has begun, the request is made once more. Raises {lost = true, message}.
function Api:request(method, path, body, headers)
    headers = headers or {}
    if body then headers[#headers + 1] = { "Content-Length", #body } end
    local text = self:_head(method, path, headers) .. (body or "")
    local reused = self.socket ~= nil
    local function ask()
        self:_send(text)
        return self:_receive("*l")
    end
    local good, first = pcall(ask)
    if not good then
        self:_close()
        if not reused then error(first, 0) end
        first = ask()
    end
    return self:_answer(first)
end

-- A POST whose body is sent as it comes: then `chunk` for each part, and `finish` for the answer.
function Api:begin(path, headers)
    if self.socket and #socket.select({ self.socket }, nil, 0) > 0 then self:_close() end -- nothing is due: it was closed
    headers[#headers + 1] = { "Transfer-Encoding", "chunked" }
    self:_send(self:_head("POST", path, headers))
end

function Api:chunk(bytes)
    if #bytes > 0 then self:_send(("%x\r\n"):format(#bytes) .. bytes .. "\r\n") end
end

function Api:finish(trailers)
    self:_send("0\r\n" .. fields(trailers or {}) .. "\r\n")
    return self:_answer(self:_receive("*l"))
end

function Api:_headers()
    local found = {}
    while true do
        local line = self:_receive("*l")
        if line == "" then return found end
        local name, value = line:match("^([^:]+):%s*(.-)%s*$")
        if name then found[name:lower()] = value end
    end
end

function Api:_answer(first)
    local status, headers
    repeat
        status = tonumber(first:match("^HTTP/1%.[01] (%d%d%d)")) or lost("this is no HTTP: " .. first)
        headers = self:_headers()
        if status < 200 then first = self:_receive("*l") end
    until status >= 200
    local body
    if (headers["transfer-encoding"] or ""):lower():find("chunked", 1, true) then
        local parts = {}
        while true do
            local size = tonumber(self:_receive("*l"):match("^%x+"), 16)
            if size == 0 then break end
            parts[#parts + 1] = self:_receive(size)
            self:_receive("*l")
        end
        self:_headers() -- trailers
        body = table.concat(parts)
    else
        body = self:_receive(tonumber(headers["content-length"]) or 0)
    end
    if (headers.connection or ""):lower():find("close", 1, true) then self:_close() end
    return status, headers, body
end

return Api
