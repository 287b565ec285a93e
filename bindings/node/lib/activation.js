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
  #isEnded = false

  /** Ends the lease. Where the order cannot be settled the error is thrown, and the number listed by `unclaimed`. */
  async close({ waitOut = true, ...options } = {}) {
    this.#isEnded = true
    try {
      return await this.settle({ waitOut, ...options })
    } catch (error) {
      await this.leave().catch(() => {})
      throw error
    }
  }

  /** Ends the lease and leaves the order as it is. */
  keep() {
    this.#isEnded = true
    return this
  }

  async [Symbol.asyncDispose]() {
    if (!this.#isEnded) await this.close()
  }
}

module.exports = { Activation, Lease, METHODS }
