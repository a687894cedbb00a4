-- The loop of a custom runtime for Lua: load the handler once, then event in, answer out, for ever.
--
-- Contract: AWS's custom runtime API. A handler that cannot be loaded is posted to init/error and ends the process with
-- status 1; one that raises an error, or returns what JSON cannot hold, is posted to its invocation's error, and the loop
-- goes on. Every error is also one line on stderr, which is the function's log.
--
-- Runs on Lua 5.1 to 5.4 and LuaJIT, with LuaSocket and lua-cjson.

local here = arg[1] or arg[0]:match("^(.*)/[^/]*$") or "."
local task = os.getenv("LAMBDA_TASK_ROOT") or "/var/task"

-- The function's own modules win over those of layers, and these over Lua's. Ours are found first, once.
local own = here .. "/?.lua;"
package.path = own .. package.path
local runtime = require("fn.runtime")
local opt = here:match("^(.*)/fn/lua$") or "/opt"
package.path = package.path:gsub("^" .. own:gsub("%p", "%%%0"), "")
package.path = table.concat({ task .. "/?.lua", task .. "/?/init.lua", task .. "/lib/?.lua", opt .. "/lua/?.lua",
    opt .. "/lua/?/init.lua", package.path }, ";")
package.cpath = table.concat({ task .. "/lib/?.so", opt .. "/lua/?.so", package.cpath }, ";")

runtime.run(task)
