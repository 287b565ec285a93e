// What operations give: the core's JSON as objects of JavaScript.

const { errorOf } = require('./errors.js')
const { Intent } = require('./intent.js')
const { parse, rupees, typed } = require('./json.js')

const object = (json) => typed(parse(json))
const intent = (json) => new Intent(parse(json))
const nothing = () => undefined

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
  costMicros: cost_micros,
  count
})

/**
 * A list of a catalogue. The service's reply, which stands behind it, is as long again: it is read when it is asked for.
 * No entry has a member `raw`, and a quote within a text is escaped: the first one is the reply's.
 */
const list = (name, entry) => (json) => {
  const end = json.indexOf(',"raw":')
  const entries = JSON.parse(`${json.slice(0, end)}}`)[name].map(entry)
  const reply = json.slice(end + 7, -1)
  return Object.defineProperty(entries, 'raw', { get: () => JSON.parse(reply) })
}

module.exports = {
  countries: list('countries', typed),
  intent,
  nothing,
  object,
  prices: list('prices', price),
  services: list('services', typed),
  unclaimed
}
