-- The same request over and over: the URL that wrk was given.
local tell = require("summary")

function done(summary) tell(summary) end
