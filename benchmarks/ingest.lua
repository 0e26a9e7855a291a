-- wrk's requests: calls with ids of their own, one a request or `batch` of them (wrk ... -- BATCH RUN).
-- Every event has about 400 bytes, as the calls of Segment's Python client do.
local threads = 0
local event = '{"type":"track","event":"Report Created","userId":"user-%d","messageId":"%s-%d",'
  .. '"timestamp":"2026-03-01T10:00:00.000Z","context":{"library":{"name":"analytics-python","version":"2.4.0"},"groupId":"account-%d"},'
  .. '"properties":{"report":"weekly revenue by plan","rows":%d,"shared":true,"filters":["plan","region"],"source":"dashboard"},"integrations":{}}'

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  batch = tonumber(args[1])
  prefix = args[2] .. "-" .. number
  made = 0
  headers = {
    ["Content-Type"] = "application/json",
    ["Authorization"] = "Basic d3JpdGVrZXk6",
  }
end

local function one()
  made = made + 1
  return string.format(event, made % 5000, prefix, made, made % 500, made % 1000)
end

function request()
  if batch == 1 then
    return wrk.format("POST", "/v1/track", headers, one())
  end
  local calls = {}
  for i = 1, batch do calls[i] = one() end
  local body = '{"batch":[' .. table.concat(calls, ",") .. '],"sentAt":"2026-03-01T10:00:01.000Z"}'
  return wrk.format("POST", "/v1/batch", headers, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"failed":%d}\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
