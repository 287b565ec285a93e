// A number that was bought, and a lease on one.

const { typed } = require('./json.js')

/** The methods of the client that take the id of an activation first. */
const METHODS = [
  'getStatus',
  'setStatus',
  'waitForCode',
  'markSmsSent',
  'requestNextCode',
  'complete',
  'cancel',
  'settle',
  'leave',
  'regetNumber'
]

/** A number that was bought. Losing the object does nothing to the order; a Lease is settled when it ends. */
class Activation {
  #client

  constructor(client, document) {
    this.#client = client
    Object.assign(this, typed(document))
  }

  static {
    for (const name of METHODS) {
      const method = {
        [name](...args) {
          return this.#client[name](this.id, ...args)
        }
      }
      Object.defineProperty(Activation.prototype, name, {
        value: method[name],
        writable: true,
        configurable: true
      })
    }
  }
}

/** A number that is settled when the lease ends: completed when a code came, else cancelled for its refund. */
class Lease extends Activation {
  /** What it settles on, also when the client was closed meanwhile. */
  #hold
  #isEnded = false
  /** What became of the order, or comes of it: a promise. */
  #settlement

  constructor(client, document, hold) {
    super(client, document)
    this.#hold = hold
  }

  /**
   * Ends the lease; once it is settled, gives the same again. Where the order cannot be settled the error is thrown, and the
   * number listed by `unclaimed`. Not thrown where a code is there: an error would hide what was paid for.
   */
  async close(options) {
    this.#isEnded = true
    this.#settlement ??= this.#settle(options)
    try {
      return await this.#settlement
    } catch (error) {
      this.#settlement = undefined
      throw error
    }
  }

  async #settle({ waitOut = true, ...options } = {}) {
    try {
      const settlement = await this.#hold.run('settle', this.id, { waitOut, ...options })
      this.#hold.release()
      return settlement
    } catch (error) {
      const isAborted = error.status === 'cancelled'
      const code = isAborted ? null : await this.#lateCode()
      // Nobody can ask a closed client, and the error is lost where it is one of several: Promise.all throws the first.
      if (code || this.#hold.isClosed()) {
        // Without the message: it may show a part of a reply, and so a code.
        process.emitWarning(
          `the order ${this.id} could not be settled (${error.name}): it is open`,
          'SastaotpWarning'
        )
      }
      const leaving = this.#hold.run('leave', this.id).catch(() => {})
      // Whoever aborted does not wait for a worker, of which all may be busy.
      if (!isAborted) await leaving
      if (!code) throw error
      this.#hold.release()
      return { state: 'code_arrived', code, raw: null }
    }
  }

  /** The code that the core knows, or that shows in a last look; null where there is none. Within a second. */
  #lateCode() {
    return this.#hold.run('waitForCode', this.id, { timeoutMs: 0 }).catch(() => null)
  }

  /** Ends the lease and leaves the order as it is. A `close` that comes later, as in a `finally`, does nothing. */
  keep() {
    this.#isEnded = true
    if (!this.#settlement) {
      this.#settlement = Promise.resolve({ state: 'kept', code: null, raw: null })
      this.#hold.release()
    }
    return this
  }

  async [Symbol.asyncDispose]() {
    if (!this.#isEnded) await this.close()
  }
}

module.exports = { Activation, Lease, METHODS }
