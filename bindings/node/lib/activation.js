// A number that was bought, and a lease that settles it.

const { convert } = require('./convert.js')

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
  'markUnclaimed',
  'regetNumber'
]

/** A number that was bought. Dropping the object does not change the order. */
class Activation {
  #client

  constructor(client, document) {
    this.#client = client
    Object.assign(this, convert(document))
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

/**
 * A number that is settled when the lease ends: the order is completed if a code arrived, and
 * cancelled for its refund if not.
 */
class Lease extends Activation {
  /** Runs the lease's operations, even after the client is closed. */
  #runner
  #isEnded = false
  /** The promise of the settlement, once `close` or `keep` was called. */
  #settlement

  constructor(client, document, runner) {
    super(client, document)
    this.#runner = runner
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
    try {
      const settlement = await this.#runner.run('settle', this.id, { onTooEarly, ...options })
      this.#runner.release()
      return settlement
    } catch (error) {
      const isAborted = error.kind === 'cancelled'
      const code = isAborted ? null : await this.#findCode()
      // A closed client cannot list the number, and Promise.all drops all errors but the first.
      if (code || this.#runner.isClosed()) {
        // The error's message may quote a reply that contains the code, so the warning omits it.
        process.emitWarning(
          `the order ${this.id} could not be settled (${error.name}): it is open`,
          'SastaotpWarning'
        )
      }
      const marked = this.#runner.run('markUnclaimed', this.id).catch(() => {})
      // After an abort this does not wait for a worker: all workers may be busy.
      if (!isAborted) await marked
      if (!code) throw error
      this.#runner.release()
      return { state: 'code_arrived', code, raw: null }
    }
  }

  /** Returns the code that the core already has or that one last poll finds; null if none. */
  #findCode() {
    return this.#runner.run('waitForCode', this.id, { timeoutMs: 0 }).catch(() => null)
  }

  /** Ends the lease and keeps the order open. A later `close`, as in `finally`, does nothing. */
  keep() {
    this.#isEnded = true
    if (!this.#settlement) {
      this.#settlement = Promise.resolve({ state: 'kept', code: null, raw: null })
      this.#runner.release()
    }
    return this
  }

  async [Symbol.asyncDispose]() {
    if (!this.#isEnded) await this.close()
  }
}

module.exports = { Activation, Lease, METHODS }
