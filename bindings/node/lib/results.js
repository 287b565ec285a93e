// Decodes the JSON that operations return, results and errors.

const { camelCase, convert, exactMicros, rupees } = require('./convert.js')
const { createError, ProtocolError } = require('./errors.js')
const { Intent } = require('./intent.js')
const { warnOfPurchase } = require('./warnings.js')

const object = (json) => convert(JSON.parse(json))
const intent = (json) => new Intent(JSON.parse(json))
const nothing = () => undefined

function balance(json) {
  const result = object(json)
  if (result.amountMicros !== null) return result
  throw new ProtocolError(
    'reading the balance: it is above 9 billion rupees, which a number cannot hold exactly',
    {
      kind: 'protocol',
      phase: 'decode'
    }
  )
}

/** `document` is an error of the core, `reason` the reason of the call's AbortSignal, if any. */
const error = (document, reason) =>
  createError(document, { intent: document.intent && new Intent(document.intent), reason })

const unclaimed = (entries) =>
  entries.map(({ outcome, intent, purchase, error: failure, message }) => {
    if (purchase) warnOfPurchase(convert(purchase))
    return {
      outcome,
      intent: new Intent(intent),
      purchase: convert(purchase),
      error: failure && error(failure),
      message
    }
  })
const settledLeases = (json) =>
  JSON.parse(json).leases.map(({ unclaimed: listed, settlement, error: failure }) => ({
    unclaimed: unclaimed([listed])[0],
    settlement: convert(settlement),
    error: failure && error(failure)
  }))
const unclaimedList = (json) => unclaimed(JSON.parse(json).unclaimed)

/** Does the work of `convert` without a loop: there are 80,000 prices. */
const price = (entry) => ({
  country: entry.country,
  service: entry.service,
  operator: entry.operator ?? null,
  price: rupees(entry.price_micros),
  priceMicros: exactMicros(entry.price_micros),
  available: entry.available
})

/** Separates the entries of a list from the service's reply. */
const SEPARATOR = ',"raw":'
/** The end of SEPARATOR, which is rare in a list: it is found fast in millions of characters. */
const SEPARATOR_END = 'w":'

/**
 * Decodes a list. The service's reply follows the entries and is as long as they are, so it is
 * parsed on first use of `raw`. The first SEPARATOR is the right one: no entry has a field `raw`,
 * and a quote inside a text is escaped. Numbers such as `total` may follow the entries.
 */
const list = (name, convertEntry) => (json) => {
  let found = json.indexOf(SEPARATOR_END)
  while (found >= 0 && !json.endsWith(SEPARATOR, found + SEPARATOR_END.length)) {
    found = json.indexOf(SEPARATOR_END, found + 1)
  }
  const replyStart = found + SEPARATOR_END.length
  const entriesEnd = replyStart - SEPARATOR.length
  const listEnd = json.lastIndexOf(']', entriesEnd - 1) + 1
  const entries = JSON.parse(json.slice(`{"${name}":`.length, listEnd))
  // Converts in place, so that each parsed entry can be freed before the next is converted.
  for (let index = 0; index < entries.length; index++) entries[index] = convertEntry(entries[index])
  const reply = json.slice(replyStart, -1)
  if (listEnd < entriesEnd) {
    const further = JSON.parse(`{${json.slice(listEnd + 1, entriesEnd)}}`)
    for (const [member, value] of Object.entries(further)) {
      Object.defineProperty(entries, camelCase(member), { value })
    }
  }
  let raw
  return Object.defineProperty(entries, 'raw', {
    get() {
      raw ??= JSON.parse(reply)
      return raw
    }
  })
}

const offers = (json) => convert(JSON.parse(json).offers)

module.exports = {
  balance,
  countries: list('countries', convert),
  error,
  intent,
  nothing,
  object,
  offers,
  prices: list('prices', price),
  services: list('services', convert),
  settledLeases,
  unclaimed,
  unclaimedList
}
