// The options of a client, and the native client that is created from them.

const { ConfigError } = require('./errors.js')
const { callNative, newConfig } = require('./native.js')
const { NativeClient } = require('./program-end.js')

/** The constants SASTAOTP_API_KEY_IN_… by option value. */
const API_KEY_LOCATIONS = { header: 0, bearer: 1, query: 2 }

/** The constants SASTAOTP_ROOTS_… by option value. */
const ROOTS = { web: 0, system: 1, both: 2 }

/** The constants SASTAOTP_DURABILITY_… by option value. */
const DURABILITIES = { power: 0, process: 1 }

const CREATING = 'creating a client'

/** Refuses a NUL, which ends a C string. The error omits the value: it may be a secret. */
function text(name, value) {
  if (typeof value === 'string' && !value.includes('\0')) return value
  throw new ConfigError(`${CREATING}: ${name} must be a string without NUL characters`)
}

/** A text that programs often have as a URL object. */
function address(name, value) {
  if (!(value instanceof URL)) return text(name, value)
  throw new ConfigError(`${CREATING}: ${name} must be a string: use url.href`)
}

function integer(name, value, { min = 0, max = 0xffffffff } = {}) {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new ConfigError(
    `${CREATING}: invalid ${name} ${String(value)}: use a whole number from ${min} to ${max}`
  )
}

/** A number of at least 1. The core reads 0 as its default. */
const count = (name, value) => integer(name, value, { min: 1 })

/** A duration, with 1 for 0: the core reads 0 as its default. */
const millis = (name, value) => Math.max(1, integer(name, value))

/** The constant for an option value, from a table of them. */
function constant(name, value, constants) {
  if (Object.hasOwn(constants, value)) return constants[value]
  throw new ConfigError(
    `${CREATING}: invalid ${name} ${String(value)}: use one of ${Object.keys(constants).join(', ')}`
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
  // koffi passes an empty buffer as NULL, so the text ends with a NUL, which does not count.
  return { ca_pem: Buffer.concat([bytes, Buffer.alloc(1)]), ca_pem_length: bytes.length }
}

/** The fields of sastaotp_config that each option sets. */
const FIELDS = {
  apiKey: (name, value) => ({ api_key: text(name, value) }),
  apiKeyLocation: (name, value) => ({ api_key_location: constant(name, value, API_KEY_LOCATIONS) }),
  baseUrl: (name, value) => ({ base_url: address(name, value) }),
  userAgent: (name, value) => ({ user_agent: text(name, value) }),
  proxy: (name, value) => ({ proxy: address(name, value) }),
  roots: (name, value) => ({ roots: constant(name, value, ROOTS) }),
  caPem: pem,
  maxConnections: (name, value) => ({ max_connections: count(name, value) }),
  budget: (name, value) => ({ budget_micros: micros(name, value) }),
  budgetMicros: (name, value) => ({
    budget_micros: integer(name, value, { max: Number.MAX_SAFE_INTEGER })
  }),
  timeoutMs: (name, value) => ({ timeout_ms: millis(name, value) }),
  maxRequestsPerMinute: (name, value) => ({ max_requests_per_minute: count(name, value) }),
  lateBookingMs: (name, value) => ({ late_booking_ms: millis(name, value) }),
  journal: (name, value) => ({ journal: text(name, value) }),
  durability: (name, value) => ({ durability: constant(name, value, DURABILITIES) }),
  journalOnNetwork: (name, value) => ({ journal_on_network: flag(name, value) })
}

/** Creates a native client with these options. One that is undefined or null is not stated. */
function createNativeClient(options) {
  const config = newConfig()
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (!Object.hasOwn(FIELDS, name)) {
      const known = Object.keys(FIELDS).join(', ')
      throw new ConfigError(`${CREATING}: unknown option ${name}: use ${known}, workers, endWaitMs`)
    }
    if (value === null) continue
    Object.assign(config, FIELDS[name](name, value))
  }
  const clientOut = new BigUint64Array(1)
  callNative('client_new', config, clientOut)
  return new NativeClient(clientOut[0], options.apiKey, options.baseUrl)
}

module.exports = { API_KEY_LOCATIONS, count, createNativeClient, DURABILITIES, integer, ROOTS }
