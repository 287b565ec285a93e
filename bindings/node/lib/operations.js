// The operations of the core's queue: how each method's arguments are encoded, its result decoded.

const { camelCase, snakeCase } = require('./convert.js')
const { ConfigError } = require('./errors.js')
const { Intent } = require('./intent.js')
const results = require('./results.js')
const { warnOfPurchase } = require('./warnings.js')

/** Decodes an activation that was claimed. */
const claimed = (json, create) => create(JSON.parse(json))

/** Decodes the result of a purchase. */
function purchase(json, create) {
  const activation = create(JSON.parse(json))
  warnOfPurchase(activation.purchase, true)
  return activation
}

/**
 * Each operation with the names of its positional arguments and the function that decodes its
 * result. All other arguments are options, `signal` included. The second argument of `claimed` and
 * `purchase` creates an activation.
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
  claim: [['id'], claimed],
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

/** Checks a text of a list or an object: the core refuses all other types. */
const encodeText = (action, place, value) => {
  if (typeof value === 'string') return value
  throw new ConfigError(`${action}: ${place} is of the type ${typeof value}: use text`)
}

/** The elements of a list. An object without an iterator would be an empty list. */
const elements = (action, name, value) => {
  if (typeof value[Symbol.iterator] === 'function') return Array.from(value)
  throw new ConfigError(`${action}: ${name} is one object: use a list`)
}

const encodeOffer = (action, offer) => {
  if (typeof offer?.country !== 'string') {
    throw new ConfigError(`${action}: offers contains something else: use offers of getOffers`)
  }
  return {
    country: offer.country,
    operator: offer.operator ?? null,
    price_micros: offer.priceMicros ?? null
  }
}

/** The encoders of the arguments that are lists or objects. */
const ENCODERS = {
  countries: (action, value) =>
    elements(action, 'countries', value).map((country) =>
      encodeText(action, 'an element of countries', country)
    ),
  offers: (action, value) =>
    elements(action, 'offers', value).map((offer) => encodeOffer(action, offer)),
  parameters: (action, value) =>
    Object.fromEntries(
      Object.entries(value).map(([name, text]) => [
        name,
        encodeText(action, `parameters.${name}`, text)
      ])
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

/**
 * Refuses an option that would replace another one in the core: `max_price` beside `maxPrice`,
 * `op`, or the name of a positional argument.
 */
function checkOption(action, name, positional) {
  if (camelCase(name) !== name) {
    throw new ConfigError(`${action}: there is no option ${name}: use ${camelCase(name)}`)
  }
  if (name === 'op') throw new ConfigError(`${action}: there is no option op: leave it out`)
  if (Object.hasOwn(positional, name)) {
    throw new ConfigError(`${action}: ${name} is both an argument and an option: omit the option`)
  }
}

/** Encodes a call: the method, its positional arguments by name, and its options. */
function encodeOperation(method, positional, options) {
  const op = snakeCase(method)
  const action = op.replaceAll('_', ' ')
  const operation = {}
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    checkOption(action, name, positional)
    operation[snakeCase(name)] = encode(action, name, value)
  }
  for (const [name, value] of Object.entries(positional)) {
    operation[snakeCase(name)] = encode(action, name, value)
  }
  return { ...operation, op }
}

module.exports = { encodeOperation, OPERATIONS }
