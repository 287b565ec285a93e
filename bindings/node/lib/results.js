// What operations give: the core's JSON as objects of JavaScript.

const { ProtocolError, errorOf } = require('./errors.js')
const { Intent } = require('./intent.js')
const { exact, parse, rupees, typed } = require('./json.js')

const object = (json) => typed(parse(json))
const intent = (json) => new Intent(parse(json))
const nothing = () => undefined

function balance(json) {
  const result = object(json)
  if (result.amountMicros !== null) return result
  throw new ProtocolError('reading the balance: it is more than a number holds exactly', {
    status: 'protocol',
    phase: 'decode'
  })
}

const unclaimed = (json) =>
  parse(json).unclaimed.map(({ intent, outcome, purchase, error }) => ({
    outcome,
    intent: new Intent(intent),
    purchase: typed(purchase),
    error: error && errorOf(error)
  }))

/** By hand: there are eighty thousand of them. */
const price = ({ country, service, cost_micros, count }) => ({
  country,
  service,
  cost: rupees(cost_micros),
  costMicros: exact(cost_micros),
  count
})

/** What stands between a list and the reply, and its rarest part: this is searched in millions of characters. */
const REPLY = ',"raw":'
const RARE = 'w":'

/**
 * A list of a catalogue. The service's reply, which stands behind it, is as long again: it is read when it is asked for.
 * No entry has a member `raw`, and a quote within a text is escaped: what looks like the beginning of the reply is it.
 */
const list = (name, entry) => (json) => {
  let rare = json.indexOf(RARE)
  while (rare >= 0 && !json.endsWith(REPLY, rare + RARE.length)) rare = json.indexOf(RARE, rare + 1)
  const behind = rare + RARE.length
  const entries = JSON.parse(json.slice(`{"${name}":`.length, behind - REPLY.length))
  // In its place, so that what was read can go while this is under way.
  for (let index = 0; index < entries.length; index++) entries[index] = entry(entries[index])
  const reply = json.slice(behind, -1)
  let raw
  return Object.defineProperty(entries, 'raw', { get: () => (raw ??= JSON.parse(reply)) })
}

module.exports = {
  balance,
  countries: list('countries', typed),
  intent,
  nothing,
  object,
  prices: list('prices', price),
  services: list('services', typed),
  unclaimed
}
