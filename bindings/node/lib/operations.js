// The operations of the core's queue: how each method's arguments are encoded, its result decoded.

const { snakeCase } = require('./convert.js')
const { ConfigError } = require('./errors.js')
const { Intent } = require('./intent.js')
const results = require('./results.js')

/** Decodes the result of a purchase. */
const purchase = (json, bought) => bought(JSON.parse(json))

/**
 * Each operation with the names of its positional arguments and the function that decodes its
 * result. All other arguments are options, `signal` included. The second argument of `purchase`
 * creates an activation.
 */
const OPERATIONS = {
  getBalance: [[], results.balance],
  getServices: [[], results.services],
  getPrices: [[], results.prices],
  getOffers: [['service'], results.offers],
  getCountries: [[], results.countries],
  findCountry: [['name'], results.countries],
  getOrders: [[], results.object],
  getNumber: [['service'], purchase],
  lease: [['service'], purchase],
  intend: [['service'], results.intent],
  buy: [['intent'], purchase],
  regetNumber: [['id'], purchase],
  getStatus: [['id'], results.object],
  setStatus: [['id', 'status'], results.object],
  waitForCode: [['id'], results.object],
  markSmsSent: [['id'], results.nothing],
  requestNextCode: [['id'], results.nothing],
  complete: [['id'], results.object],
  cancel: [['id'], results.object],
  settle: [['id'], results.object],
  keep: [['id'], results.nothing],
  markUnclaimed: [['id'], results.nothing],
  reconcile: [['intent'], results.object],
  resolve: [['intent'], results.nothing],
  settleLeftoverLeases: [[], results.settledLeases],
  unclaimed: [[], results.unclaimedList],
  finish: [[], results.unclaimedList],
  budgetLeft: [[], results.object]
}

/** The names of prices, which may be numbers of rupees. */
const PRICES = new Set(['maxPrice', 'minPrice'])

/** Checks a value of a list or an object of texts: the core refuses all other types. */
const encodeText = (action, name, value) => {
  if (typeof value === 'string') return value
  throw new ConfigError(`${action}: ${name} contains a value of the type ${typeof value}: use text`)
}

/** The encoders of the arguments that are lists or objects. */
const ENCODERS = {
  countries: (action, value) =>
    Array.from(value, (country) => encodeText(action, 'countries', country)),
  offers: (action, value) =>
    Array.from(value, (offer) => ({
      country: encodeText(action, 'offers', offer?.country),
      operator: offer.operator ?? null,
      price_micros: offer.priceMicros ?? null
    })),
  parameters: (action, value) =>
    Object.fromEntries(
      Object.entries(value).map(([name, text]) => [name, encodeText(action, 'parameters', text)])
    )
}

/**
 * Prepares an argument for JSON.stringify. A price becomes text, which the core reads exactly. A
 * value that JSON omits or turns into null is refused: the core takes it for an absent argument.
 */
function encode(action, name, value) {
  if (name === 'intent') return value instanceof Intent ? value : Intent.fromJSON(value)
  if (typeof value === 'number' && Number.isFinite(value)) {
    return PRICES.has(name) ? String(value) : value
  }
  if (Object.hasOwn(ENCODERS, name) && typeof value === 'object' && value !== null) {
    return ENCODERS[name](action, value)
  }
  if (value === undefined || value === null || ['string', 'boolean'].includes(typeof value)) {
    return value
  }
  const found = typeof value === 'number' ? value : `of the type ${typeof value}`
  throw new ConfigError(`${action}: ${name} is ${found}: use text or a number, or omit it`)
}

/** Encodes a call: the method, its positional arguments by name, and its options. */
function encodeOperation(method, positional, options) {
  const op = snakeCase(method)
  const action = op.replaceAll('_', ' ')
  const operation = {}
  // Positional arguments come last, so that no option replaces them.
  for (const [name, value] of [...Object.entries(options), ...Object.entries(positional)]) {
    operation[snakeCase(name)] = encode(action, name, value)
  }
  return { ...operation, op }
}

module.exports = { encodeOperation, OPERATIONS }
