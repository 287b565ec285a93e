// A number that was bought, and a lease that settles it.

const { convert } = require('./convert.js')
const { warn } = require('./warnings.js')

/** The methods of the client whose first argument is the id of an activation. */
const METHODS = [
  'getStatus',
  'setStatus',
  'waitForCode',
  'markSmsSent',
  'requestNextCode',
  'complete',
  'cancel',
  'settle',
  'keep',
  'markUnclaimed',
  'regetNumber'
]

/** Ends the holds of objects that were garbage-collected: an open order is then unclaimed. */
const registry = new FinalizationRegistry(({ runner, ticket }) => {
  runner.releaseHold(ticket)
  runner.release?.()
})

/** A number that was bought. Dropping the object does not change the order. */
class Activation {
  #runner

  /** `runner` runs the methods of a client. The ticket holds the number as long as the object. */
  constructor(runner, document, ticket) {
    Object.assign(this, convert(document))
    this.#runner = runner
    registry.register(this, { runner, ticket })
  }

  static {
    for (const name of METHODS) {
      const method = {
        async [name](...args) {
          return this.#runner.run(name, this.id, ...args)
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

/**
 * A number that is settled when the lease ends: the order is completed if a code arrived, and
 * cancelled for its refund if not.
 */
class Lease extends Activation {
  /** Runs the lease's operations, even after the client is closed. */
  #runner
  #ticket
  #isEnded = false
  /** The promise of the settlement, once `close` or `keep` was called. */
  #settlement

  constructor(runner, document, ticket) {
    super(runner, document, ticket)
    this.#runner = runner
    this.#ticket = ticket
  }

  /**
   * Ends the lease and settles the order. Once the order is settled, returns the same settlement
   * again. If the order cannot be settled, throws the error, and `unclaimed` lists the number. If a
   * code has arrived, does not throw, so that no error hides the code that was paid for.
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

  async #settle({ onTooEarly = 'wait', ...options } = {}) {
    const { isClosed, release, releaseHold, runRetained } = this.#runner
    try {
      const settlement = await runRetained('settle', this.id, { onTooEarly, ...options })
      release()
      return settlement
    } catch (error) {
      const isAborted = error.kind === 'cancelled'
      const code = isAborted ? null : await this.#findCode()
      // A closed client cannot list the number, and Promise.all drops all errors but the first.
      if (code || isClosed()) {
        // The error's message may quote a reply that contains the code, so the warning omits it.
        warn(`the order ${this.id} could not be settled (${error.name}): it is open`)
      }
      // Now `unclaimed` lists the number.
      releaseHold(this.#ticket)
      if (!code) throw error
      release()
      return { state: 'code_arrived', code, raw: null }
    }
  }

  /** Returns the code that the core already has or that one last poll finds; null if none. */
  #findCode() {
    return this.#runner.runRetained('waitForCode', this.id, { timeoutMs: 0 }).catch(() => null)
  }

  /** Ends the lease and keeps the order open. A later `close`, as in `finally`, does nothing. */
  async keep(options) {
    this.#isEnded = true
    if (!this.#settlement) {
      this.#settlement = Promise.resolve({ state: 'kept', code: null, raw: null })
      await this.#runner.runRetained('keep', this.id, options).finally(this.#runner.release)
    }
  }

  async [Symbol.asyncDispose]() {
    if (!this.#isEnded) await this.close()
  }
}

module.exports = { Activation, Lease, METHODS }
