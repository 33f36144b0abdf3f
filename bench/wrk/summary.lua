-- Tells the program that started wrk what came out.
return function(summary)
  local e = summary.errors
  io.write(string.format(
    'SUMMARY {"requests":%d,"seconds":%.6f,"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
    summary.requests, summary.duration / 1e6, e.connect, e.read, e.write, e.status, e.timeout))
end
