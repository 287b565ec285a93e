// Converts between the core's JSON and JavaScript: names, amounts and times.

const camelCaseNames = new Map()

/** `max_price` as `maxPrice`. Remembers each name: a list of prices repeats them 80,000 times. */
function camelCase(name) {
  let result = camelCaseNames.get(name)
  if (result === undefined) {
    result = name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())
    camelCaseNames.set(name, result)
  }
  return result
}

/** `maxPrice` as `max_price`. */
const snakeCase = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** Micros in rupees: the nearest number, for display and comparison. */
const rupees = (micros) => (micros === null ? null : micros / 1e6)

/** The micros themselves, or null if a number cannot hold them exactly (above 9 billion rupees). */
const exactMicros = (micros) => (Number.isSafeInteger(micros) ? micros : null)

/** Milliseconds since 1970 as a Date, or null if a Date cannot hold them (in 275,000 years). */
function dateOf(millis) {
  const date = new Date(millis)
  return millis === null || Number.isNaN(date.getTime()) ? null : date
}

/**
 * Converts a value of the core's JSON. Names become camel case, `price_micros` becomes `price` and
 * `priceMicros`, and `created_at_ms` becomes the Date `createdAt`. The service's reply, `raw`, and
 * `parameters` are not changed. A field that the core adds later needs no change here.
 */
function convert(value) {
  if (Array.isArray(value)) return value.map(convert)
  if (value === null || typeof value !== 'object') return value
  const result = {}
  for (const name in value) {
    const field = value[name]
    // The names of parameters are the caller's.
    if (name === 'raw' || name === 'parameters') result[name] = field
    else if (name.endsWith('_micros')) {
      result[camelCase(name.slice(0, -7))] = rupees(field)
      result[camelCase(name)] = exactMicros(field)
    } else if (name.endsWith('_at_ms')) result[camelCase(name.slice(0, -3))] = dateOf(field)
    else result[camelCase(name)] = convert(field)
  }
  return result
}

module.exports = { camelCase, convert, exactMicros, rupees, snakeCase }
