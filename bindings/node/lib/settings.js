// The settings of a client: one row each, with the C function that takes it.

const { ConfigError } = require('./errors.js')
const { check, library } = require('./library.js')

/** SASTAOTP_API_KEY_IN_… */
const KEY_IN = { header: 0, bearer: 1, query: 2 }

const MAKING = 'making a client'

/** Refuses what would not arrive as it is: a text of C ends with its first NUL. Shows no value: it may be the key. */
function text(name, value) {
  if (typeof value === 'string' && !value.includes('\0')) return value
  throw new ConfigError(`${MAKING}: ${name} must be a string without a NUL`)
}

function whole(name, value, most = 0xffffffff) {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value
  throw new ConfigError(`${MAKING}: ${name} is ${String(value)}: give a whole number, up to ${most}`)
}

function place(name, value) {
  if (Object.hasOwn(KEY_IN, value)) return KEY_IN[value]
  throw new ConfigError(`${MAKING}: ${name} is none of ${Object.keys(KEY_IN).join(', ')}`)
}

/** Micro-rupees of rupees, which are read as they are written. */
function micros(name, value) {
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw new ConfigError(`${MAKING}: ${name} must be rupees, as a number or a text such as '18.50'`)
  }
  const amount = new BigInt64Array(1)
  check('amount_parse', text(name, String(value)), amount)
  return amount[0]
}

function pem(name, value) {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw new ConfigError(`${MAKING}: ${name} must be PEM, as a string or bytes`)
  }
  const bytes = Buffer.from(value)
  return [bytes, bytes.length]
}

/** How each is given to the configuration. */
const SETTINGS = {
  apiKey: (name, value) => ['config_set_api_key', text(name, value)],
  keyIn: (name, value) => ['config_set_key_in', place(name, value)],
  baseUrl: (name, value) => ['config_set_base_url', text(name, value)],
  userAgent: (name, value) => ['config_set_user_agent', text(name, value)],
  ca: (name, value) => ['config_add_ca_pem', ...pem(name, value)],
  maxConnections: (name, value) => ['config_set_max_connections', whole(name, value)],
  budget: (name, value) => ['config_set_budget', micros(name, value)],
  budgetMicros: (name, value) => ['config_set_budget', whole(name, value, Number.MAX_SAFE_INTEGER)],
  timeoutMs: (name, value) => ['config_set_timeout_ms', whole(name, value)],
  maxRequestsPerMinute: (name, value) => ['config_set_max_requests_per_minute', whole(name, value)]
}

/** Calls `use` with a client of the core that has these settings. */
function withClient(settings, use) {
  const { client_free, config_free, config_new } = library()
  const client = new BigUint64Array(1)
  const config = config_new()
  try {
    for (const [name, value] of Object.entries(settings)) {
      if (value === undefined) continue
      if (!Object.hasOwn(SETTINGS, name)) {
        const known = Object.keys(SETTINGS).join(', ')
        throw new ConfigError(`${MAKING}: there is no setting ${name}: there are ${known}, workers`)
      }
      const [set, ...values] = SETTINGS[name](name, value)
      check(set, config, ...values)
    }
    check('client_new', config, client)
    return use(client[0])
  } finally {
    client_free(client[0])
    config_free(config)
  }
}

module.exports = { KEY_IN, SETTINGS, whole, withClient }
