-- Calls Stepgate with HAProxy's own HTTP client and stores the answer in variables of the transaction for
-- haproxy.cfg. Without an answer no variable is set, and haproxy.cfg refuses the request.

-- Longer than the timeouts of `backend stepgate`, which apply first.
local TIMEOUT_MS = 2000

-- Only listed headers are sent, with every line, so that no client header is mistaken for one of HAProxy's.
local FORWARDED = {
  'authorization', 'cookie', 'user-agent', 'accept', 'accept-language', 'referer', 'sec-fetch-mode', 'sec-fetch-dest', 'x-requested-with', 'x-step-up-token', 'x-stepgate-device', 'x-request-id',
  'secure-session-skipped', 'sec-ch-ua', 'sec-ch-ua-platform', 'sec-ch-ua-mobile',
  'x-stepgate-device-proof', 'dpop',
  -- These two mark a preflight.
  'origin', 'access-control-request-method',
  -- An application may obey these, so Stepgate must see them.
  'x-http-method-override', 'x-http-method', 'x-method-override', 'x-http-verb-override', 'x-tunneled-method',
  -- Set by haproxy.cfg itself, after it has removed the client's.
  'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-stepgate-has-body',
}

local ANSWERED = {
  'decision', 'score', 'level', 'reasons', 'subject', 'action', 'check', 'request-id', 'degraded', 'error',
}

local socket = assert(os.getenv('STEPGATE_SOCKET'), 'STEPGATE_SOCKET is not set')
local key = assert(os.getenv('STEPGATE_KEY'), 'STEPGATE_KEY is not set')

-- The lines of one header, counted from 1; HAProxy counts them from 0.
local function lines(headers, name)
  local values = headers[name]
  if values == nil then return nil end
  local list = {}
  for i = 0, #values do
    if values[i] ~= nil then list[#list + 1] = values[i] end
  end
  return list
end

core.register_action('stepgate', { 'http-req' }, function(txn)
  local received = txn.http:req_get_headers()
  local headers = {
    ['x-stepgate-key'] = { key },
    ['x-stepgate-redirect'] = { '1' },
    ['x-forwarded-method'] = { txn.f:method() },
    ['x-forwarded-uri'] = { txn.f:pathq() },
  }
  for _, name in ipairs(FORWARDED) do headers[name] = lines(received, name) end
  -- One line for Stepgate and for the application: HTTP/2 clients may send several (RFC 9113, section 8.2.3), and applications
  -- differ in how they read those.
  if headers['cookie'] ~= nil then
    local cookies = table.concat(headers['cookie'], '; ')
    headers['cookie'] = { cookies }
    txn.http:req_set_header('Cookie', cookies)
  end

  local answer = core.httpclient():get({
    url = 'http://stepgate/forward-auth', dst = 'unix@' .. socket, headers = headers, timeout = TIMEOUT_MS,
  })
  if answer == nil or answer.status == nil or answer.status == 0 then return end

  local function told(name)
    local list = lines(answer.headers or {}, name)
    return list ~= nil and list[1] or ''
  end
  local function keep(name, value)
    if value ~= '' then txn:set_var('txn.stepgate_' .. name, value) end
  end
  for _, name in ipairs(ANSWERED) do keep(name:gsub('-', '_'), told('x-stepgate-' .. name)) end
  keep('challenge', told('www-authenticate'))
  keep('redirect', told('location'))
  keep('cookie', told('set-cookie'))
  keep('session', told('secure-session-registration'))
  -- A refusal that a person looks at.
  if told('content-type'):find('^text/html') then
    keep('page', answer.body or '')
    keep('policy', told('content-security-policy'))
    keep('language', told('content-language'))
  end
  txn:set_var('txn.stepgate_status', answer.status)
end)
