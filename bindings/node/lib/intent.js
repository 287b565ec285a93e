// The intent of a purchase: the record with which `reconcile` finds the order.

const { convert } = require('./convert.js')
const { callNative, native } = require('./native.js')

/** Parses a text; null if it is not JSON, which the core then refuses. */
function parseOrNull(text) {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/**
 * A replacer for JSON.stringify: a value that JSON omits or turns into null becomes text, so that
 * the core refuses it. A maximum price of null would mean any price.
 */
const keepInvalid = (_, value) =>
  Number.isFinite(value) || ['string', 'boolean', 'object'].includes(typeof value)
    ? value
    : String(value)

/** A prepared purchase. `JSON.stringify` saves it, for `Intent.fromJSON` of any language. */
class Intent {
  /** The core's JSON, parsed. */
  #document

  constructor(document) {
    this.#document = document
    const { intentId, id, ...fields } = convert(document)
    // In the document, `id` is the activation whose number is bought again.
    Object.assign(this, { id: intentId }, id === undefined ? {} : { regetOf: id }, fields)
  }

  /** Reads a saved intent: its text, or the object that JSON.parse returns. The core checks it. */
  static fromJSON(saved) {
    const document = typeof saved === 'string' ? parseOrNull(saved) : saved
    const intentOut = new BigUint64Array(1)
    callNative('intent_from_json', JSON.stringify(document, keepInvalid), intentOut)
    native().intent_free(intentOut[0])
    return new Intent(document)
  }

  toJSON() {
    return this.#document
  }
}

module.exports = { Intent }
