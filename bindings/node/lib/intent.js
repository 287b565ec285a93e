// A purchase that is about to be made: saved before the money is spent, and found again when its reply was lost.

const { parse, typed } = require('./json.js')

/**
 * An order id as JSON.stringify writes it as a number, which is what all languages read. Where it is more than a number of
 * JavaScript holds, Node 20 has text alone.
 */
function number(digits) {
  const value = Number(digits)
  if (Number.isSafeInteger(value)) return value
  return JSON.rawJSON ? JSON.rawJSON(digits) : digits
}

/** The JSON of a text; null, which is no intent, where it has none. */
function parsed(text) {
  try {
    return parse(text)
  } catch {
    return null
  }
}

/** What JSON would leave out or write as null is shown as text, for the core to refuse: no maximum price means any price. */
function shown(_, value) {
  return Number.isFinite(value) || ['string', 'boolean', 'object'].includes(typeof value)
    ? value
    : String(value)
}

/** JSON.stringify(intent) is what to save; Intent.fromJSON reads it, of this language or another. */
class Intent {
  /** As the core wrote it. */
  #document

  constructor(document) {
    const { watermark, ...rest } = document
    const id = watermark == null ? null : String(watermark.rawJSON ?? watermark)
    this.#document = { ...rest, watermark: id === null ? null : number(id) }
    Object.assign(this, typed(rest), { watermark: id })
  }

  /** Reads an intent that was saved, as text or as what JSON.parse made of it. The core says whether it is one. */
  static fromJSON(saved) {
    const document = typeof saved === 'string' ? parsed(saved) : saved
    // Not at the top: an error of the library may hold an intent, so that the library needs this file.
    const { check, library } = require('./library.js')
    const place = new BigUint64Array(1)
    check('intent_from_json', JSON.stringify(document, shown), place)
    library().intent_free(place[0])
    return new Intent(document)
  }

  toJSON() {
    return this.#document
  }
}

module.exports = { Intent }
