// A purchase that is about to be made: saved before the money is spent, and found again when its reply was lost.

const { parse, typed } = require('./json.js')

/** JSON.stringify(intent) is what to save; Intent.fromJSON reads it, of this language or another. */
class Intent {
  /** As the core wrote it. */
  #document

  constructor(document) {
    this.#document = document
    const { watermark, ...rest } = document
    Object.assign(this, typed(rest), { watermark: watermark === null ? null : String(watermark) })
  }

  static fromJSON(saved) {
    return new Intent(typeof saved === 'string' ? parse(saved) : saved)
  }

  toJSON() {
    return this.#document
  }
}

module.exports = { Intent }
