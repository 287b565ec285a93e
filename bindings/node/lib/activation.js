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
      Object.defineProperty(Activation.prototype, name, { value: method[name], writable: true, configurable: true })
    }
  }
}

/** A number that is settled when the lease ends: completed when a code came, else cancelled for its refund. */
class Lease extends Activation {
  /** What it settles on, also when the client was closed meanwhile. */
  #hold
  #isEnded = false

  constructor(client, document, hold) {
    super(client, document)
    this.#hold = hold
  }

  /** Ends the lease. Where the order cannot be settled the error is thrown, and the number listed by `unclaimed`. */
  async close({ waitOut = true, ...options } = {}) {
    this.#isEnded = true
    try {
      const settlement = await this.#hold.run('settle', this.id, { waitOut, ...options })
      this.#hold.release()
      return settlement
    } catch (error) {
      await this.#leave(error)
      throw error
    }
  }

  /** Sees to it that somebody finds the number, which could not be settled. */
  async #leave({ message }) {
    if (this.#hold.isClosed()) {
      // Nobody can ask the client, and the error is lost where it is one of several: Promise.all throws the first.
      process.emitWarning(`the order ${this.id} is open: ${message}`, 'SastaotpWarning')
    } else await this.#hold.run('leave', this.id).catch(() => {})
  }

  /** Ends the lease and leaves the order as it is. */
  keep() {
    this.#isEnded = true
    this.#hold.release()
    return this
  }

  async [Symbol.asyncDispose]() {
    if (!this.#isEnded) await this.close()
  }
}

module.exports = { Activation, Lease, METHODS }
