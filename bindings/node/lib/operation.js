// An operation of the core's queue, made of the arguments of a method.

const { ConfigError } = require('./errors.js')
const { Intent } = require('./intent.js')
const { snake } = require('./json.js')

/**
 * An argument as JSON has it: a price as text, for it is read exactly. What JSON would leave out or write as null is refused:
 * the core would take it for one that is not given, and buy in any country.
 */
function plain(doing, name, value) {
  if (name === 'intent') return value instanceof Intent ? value : Intent.fromJSON(value)
  if (typeof value === 'number' && Number.isFinite(value))
    return name === 'maxPrice' ? String(value) : value
  if (
    value === undefined ||
    value === null ||
    typeof value === 'string' ||
    typeof value === 'boolean'
  )
    return value
  const what = typeof value === 'number' ? value : `of the type ${typeof value}`
  throw new ConfigError(`${doing}: ${name} is ${what}: give text or a number, or leave it out`)
}

/** The operation of a method: `first` are the arguments that come before the options. */
function operation(method, first, options) {
  const op = snake(method)
  const doing = op.replaceAll('_', ' ')
  const result = {}
  // Last come those that no option may stand for.
  for (const [name, value] of [...Object.entries(options), ...Object.entries(first)]) {
    result[snake(name)] = plain(doing, name, value)
  }
  return { ...result, op }
}

module.exports = { operation }
