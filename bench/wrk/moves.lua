-- Each thread (of one connection) moves an alias of its own to and fro, so that every request
-- is a real move. Arguments: method, a path with %d for the thread's number ("" if it has none),
-- and two bodies, with %d likewise.
local tell = require("summary")
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local requests, turn = {}, 0

function init(args)
  wrk.headers["Content-Type"] = "application/json"
  local path = string.format(args[2], number)
  for version = 1, 2 do
    requests[version] = wrk.format(args[1], path, nil, string.format(args[2 + version], number))
  end
end

function request()
  turn = turn % 2 + 1
  return requests[turn]
end

function done(summary) tell(summary) end
