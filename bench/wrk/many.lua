-- Many URLs in turn. Arguments: how many, and a path with %d for the number of each.
local tell = require("summary")
local requests, count, last = {}, 0, 0

function init(args)
  count = tonumber(args[1])
  for number = 1, count do
    requests[number] = wrk.format("GET", string.format(args[2], number - 1))
  end
end

function request()
  last = last % count + 1
  return requests[last]
end

function done(summary) tell(summary) end
