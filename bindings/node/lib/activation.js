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
const registry = new FinalizationRegistry((holder) => holder.collected())

/** The part of an activation that outlives the object. */
class Holder {
  #runner
  #id
  /** Whether the object holds the activation from the purchase until it is collected. */
  #isBuyer
  #isCollected = false
  #hold

  constructor(runner, id, isBuyer) {
    this.#runner = runner
    this.#id = id
    this.#isBuyer = isBuyer
    if (isBuyer) this.#hold = runner.holders.hold(id)
  }

  /** Calls a method of the client. The object claims the activation if the call succeeds. */
  async run(name, args) {
    const { holders, run } = this.#runner
    // `markUnclaimed` ends the holds of all objects.
    if (name === 'markUnclaimed') return run(name, this.#id, ...args)
    const hold = holders.hold(this.#id)
    try {
      const result = await run(name, this.#id, ...args)
      this.#replaceHold(this.#isCollected ? undefined : hold)
      if (this.#isCollected) holders.end(hold)
      return result
    } catch (error) {
      // A call that failed claims nothing: the number stays in `unclaimed`.
      if (!this.#isBuyer) this.#replaceHold(undefined)
      holders.end(hold)
      throw error
    }
  }

  #replaceHold(hold) {
    if (this.#hold) this.#runner.holders.end(this.#hold)
    this.#hold = hold
  }

  collected() {
    this.#isCollected = true
    this.#replaceHold(undefined)
    this.#runner.release?.()
  }
}

/** A number that was bought. Dropping the object does not change the order. */
class Activation {
  #holder

  /** `runner` runs the methods of a client. `isBuyer`: the object is the result of a purchase. */
  constructor(runner, document, isBuyer) {
    Object.assign(this, convert(document))
    this.#holder = new Holder(runner, this.id, isBuyer)
    registry.register(this, this.#holder)
  }

  static {
    for (const name of METHODS) {
      const method = {
        async [name](...args) {
          return this.#holder.run(name, args)
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

  constructor(runner, document) {
    super(runner, document, true)
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
    const { isClosed, release, runRetained } = this.#runner
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
      const marked = runRetained('markUnclaimed', this.id).catch(() => {})
      // After an abort this does not wait for a worker: all workers may be busy.
      if (!isAborted) await marked
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
