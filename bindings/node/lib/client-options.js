// The options of a client, and the native client that is created from them.

const { ConfigError } = require('./errors.js')
const { callNative, native } = require('./native.js')
const { NativeClient } = require('./program-end.js')

/** The constants SASTAOTP_API_KEY_IN_… by option value. */
const API_KEY_LOCATIONS = { header: 0, bearer: 1, query: 2 }

/** The constants SASTAOTP_DURABILITY_… by option value. */
const DURABILITIES = { power: 0, process: 1 }

const CREATING = 'creating a client'

/** Refuses a NUL, which ends a C string. The error omits the value: it may be the API key. */
function text(name, value) {
  if (typeof value === 'string' && !value.includes('\0')) return value
  throw new ConfigError(`${CREATING}: ${name} must be a string without NUL characters`)
}

function integer(name, value, max = 0xffffffff) {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value
  throw new ConfigError(
    `${CREATING}: invalid ${name} ${String(value)}: use a whole number from 0 to ${max}`
  )
}

/** The constant for an option value, from a table of them. */
function constant(name, value, constants) {
  if (Object.hasOwn(constants, value)) return constants[value]
  throw new ConfigError(
    `${CREATING}: invalid ${name}: use one of ${Object.keys(constants).join(', ')}`
  )
}

function flag(name, value) {
  if (typeof value === 'boolean') return value
  throw new ConfigError(`${CREATING}: ${name} must be true or false`)
}

/** Rupees in micros. The core parses the decimal text, so no digit is lost. */
function micros(name, value) {
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw new ConfigError(`${CREATING}: ${name} must be rupees: use a number, or text like '18.50'`)
  }
  const microsOut = new BigInt64Array(1)
  callNative('amount_parse', text(name, String(value)), microsOut)
  return microsOut[0]
}

function pem(name, value) {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
    throw new ConfigError(`${CREATING}: ${name} must be PEM, as a string or bytes`)
  }
  const bytes = Buffer.from(value)
  return [bytes, bytes.length]
}

/** The native function that sets each option, with its arguments. */
const SETTERS = {
  apiKey: (name, value) => ['config_set_api_key', text(name, value)],
  apiKeyLocation: (name, value) => [
    'config_set_api_key_location',
    constant(name, value, API_KEY_LOCATIONS)
  ],
  baseUrl: (name, value) => ['config_set_base_url', text(name, value)],
  userAgent: (name, value) => ['config_set_user_agent', text(name, value)],
  ca: (name, value) => ['config_add_ca_pem', ...pem(name, value)],
  maxConnections: (name, value) => ['config_set_max_connections', integer(name, value)],
  budget: (name, value) => ['config_set_budget', micros(name, value)],
  budgetMicros: (name, value) => [
    'config_set_budget',
    integer(name, value, Number.MAX_SAFE_INTEGER)
  ],
  timeoutMs: (name, value) => ['config_set_timeout_ms', integer(name, value)],
  maxRequestsPerMinute: (name, value) => [
    'config_set_max_requests_per_minute',
    integer(name, value)
  ],
  lateBookingMs: (name, value) => ['config_set_late_booking_ms', integer(name, value)],
  journal: (name, value) => ['config_set_journal', text(name, value)],
  durability: (name, value) => ['config_set_durability', constant(name, value, DURABILITIES)],
  journalOnNetwork: (name, value) => ['config_set_journal_on_network', flag(name, value)]
}

/** Creates a native client with these options. */
function createNativeClient(options) {
  const { config_free, config_new } = native()
  const clientOut = new BigUint64Array(1)
  const config = config_new()
  try {
    for (const [name, value] of Object.entries(options)) {
      if (value === undefined) continue
      if (!Object.hasOwn(SETTERS, name)) {
        const known = Object.keys(SETTERS).join(', ')
        throw new ConfigError(
          `${CREATING}: unknown option ${name}: use ${known}, workers, endWaitMs`
        )
      }
      const [setter, ...args] = SETTERS[name](name, value)
      callNative(setter, config, ...args)
    }
    callNative('client_new', config, clientOut)
    return new NativeClient(clientOut[0], options.apiKey, options.baseUrl)
  } finally {
    config_free(config)
  }
}

module.exports = { API_KEY_LOCATIONS, createNativeClient, DURABILITIES, integer }
