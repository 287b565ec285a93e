// The core's JSON and JavaScript's habits: names, amounts and times.

/** Members that are a time; other `…_ms` are durations and stay numbers. */
const TIMES = new Set(['expires_at_ms', 'created_ms', 'started_ms'])

const camelled = new Map()
const camel = (name) => {
  let is = camelled.get(name)
  if (is === undefined) {
    is = name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())
    camelled.set(name, is)
  }
  return is
}
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** Reads JSON of the core. The one number that may be more than a number of JavaScript holds, an order id, becomes text then. */
function parse(text) {
  return JSON.parse(text.replace(/"watermark":(\d{16,})/g, '"watermark":"$1"'))
}

/** Rupees of micro-rupees: the nearest number, for showing and comparing. */
const rupees = (micros) => (micros === null ? null : micros / 1e6)

/** Micro-rupees; null where no number holds them exactly, above 9 billion rupees. */
const exact = (micros) => (Number.isSafeInteger(micros) ? micros : null)

/** A time; null where no Date reaches it, in 275,000 years. */
function date(millis) {
  const result = new Date(millis)
  return millis === null || Number.isNaN(result.getTime()) ? null : result
}

/**
 * The same value under names and in types of JavaScript: `price_micros` becomes `price` beside `priceMicros`, a time a Date.
 * The service's own reply, `raw`, stays as it is. A member that the core adds shows without a change here.
 */
function typed(value) {
  if (Array.isArray(value)) return value.map(typed)
  if (value === null || typeof value !== 'object') return value
  const result = {}
  for (const name in value) {
    const member = value[name]
    if (name === 'raw') result.raw = member
    else if (name.endsWith('_micros')) {
      result[camel(name.slice(0, -7))] = rupees(member)
      result[camel(name)] = exact(member)
    } else if (TIMES.has(name)) result[camel(name.slice(0, -3))] = date(member)
    else result[camel(name)] = typed(member)
  }
  return result
}

module.exports = { camel, exact, parse, rupees, snake, typed }
