// The client: one method for each operation of the core's queue, plus leases and the order history.

const { setTimeout: sleep } = require('node:timers/promises')
const { Activation, Lease } = require('./activation.js')
const { count, createNativeClient, integer } = require('./client-options.js')
const { encodeOperation, OPERATIONS } = require('./operations.js')
const { report } = require('./program-end.js')
const { Queue } = require('./queue.js')
const results = require('./results.js')
const { warn } = require('./warnings.js')

/** How long purchases in flight keep the process alive by default, in milliseconds. */
const END_WAIT = 10_000
/** The pause between two checks for the reply to an abandoned purchase, in milliseconds. */
const CHECK_PAUSE = 100

/** Frees the queues of clients that were garbage-collected. */
const registry = new FinalizationRegistry((queue) => queue.abandon())

/**
 * Settles the number of a lease whose client was closed during the purchase: the program cannot
 * call `unclaimed` on a closed client.
 */
async function settleAfterClose(runner, { intent, name }, endWaitMs) {
  const wanted = JSON.stringify(intent)
  const end = performance.now() + endWaitMs
  try {
    for (;;) {
      const unclaimed = await runner.runRetained('unclaimed')
      const found = unclaimed.find((entry) => JSON.stringify(entry.intent) === wanted)
      if (found?.outcome === 'bought') {
        await runner.runRetained('settle', found.purchase.activationId, { onTooEarly: 'wait' })
        break
      }
      // A purchase that is not listed was not made.
      if (!found) break
      if (found.outcome === 'unknown') throw found.error
      await sleep(CHECK_PAUSE, undefined, { ref: performance.now() < end })
    }
  } catch {
    warn(
      `the purchase of ${intent.service} for a lease may have been made (${name}), ` +
        'and its client is closed: check the order history'
    )
  }
  runner.release()
}

class Client {
  #queue
  #endWaitMs
  /** Runs the methods of this client for its activations. */
  #runner
  /** The runners of the leases that may still settle their orders. */
  #leases = new Set()
  /** The promise of the unsettled purchases, once `close` was called. */
  #closing

  /** The key, the URL and the journal default to SASTAOTP_API_KEY, _BASE_URL and _JOURNAL. */
  constructor({ workers, endWaitMs: endWait, ...options } = {}) {
    const endWaitMs = integer('endWaitMs', endWait ?? END_WAIT)
    options.apiKey ??= process.env.SASTAOTP_API_KEY || undefined
    options.baseUrl ??= process.env.SASTAOTP_BASE_URL || undefined
    options.journal ??= process.env.SASTAOTP_JOURNAL || undefined
    const queueOptions = {
      workers: workers === undefined || workers === null ? undefined : count('workers', workers),
      endWaitMs
    }
    const queue = new Queue(createNativeClient(options), queueOptions)
    this.#queue = queue
    this.#endWaitMs = endWaitMs
    this.#runner = {
      run: (name, ...args) => this.#call(name, args),
      releaseHold: (ticket) => queue.releaseTicket(ticket)
    }
    registry.register(this, queue)
  }

  static {
    for (const name of Object.keys(OPERATIONS)) {
      // `lease` is defined below, and `activation` runs `claim`.
      if (Object.hasOwn(Client.prototype, name) || name === 'claim') continue
      const method = {
        async [name](...args) {
          return this.#call(name, args)
        }
      }
      Object.defineProperty(Client.prototype, name, {
        value: method[name],
        writable: true,
        configurable: true
      })
    }
  }

  /** Runs an operation and decodes its result. */
  async #call(name, args, queue) {
    const decode = (json, ticket) =>
      OPERATIONS[name][1](json, (document) => new Activation(this.#runner, document, ticket))
    return this.#run(name, args, decode, queue)
  }

  /** Runs an operation and decodes its JSON. */
  #run(name, args, decode, queue = this.#queue) {
    const [names] = OPERATIONS[name]
    const { signal, ...options } = args[names.length] ?? {}
    const positional = Object.fromEntries(names.map((argument, index) => [argument, args[index]]))
    // The core refuses an unknown option: a misspelled one could cost money.
    return queue.run(encodeOperation(name, positional, options), signal, decode)
  }

  /** Returns the first offer of getOffers, or null if there is none. */
  async cheapestOffer(service, options) {
    const [cheapest = null] = await this.getOffers(service, options)
    return cheapest
  }

  /** Buys a number like getNumber, and settles it when the lease ends. */
  async lease(service, options) {
    // Retained before the purchase, because the client may be closed while it is in flight.
    const queue = this.#queue.retain()
    const leases = this.#leases
    const runner = {
      ...this.#runner,
      isClosed: queue.isClosed,
      runRetained: (name, ...args) => this.#call(name, args, queue),
      release() {
        leases.delete(runner)
        queue.release()
      }
    }
    leases.add(runner)
    try {
      const decode = (json, ticket) =>
        OPERATIONS.lease[1](json, (document) => {
          runner.id = document.id
          return new Lease(runner, document, ticket)
        })
      return await this.#run('lease', [service, options], decode)
    } catch (error) {
      if (error.charge === 'unknown' && error.intent && runner.isClosed()) {
        runner.intentId = error.intent.id
        settleAfterClose(runner, error, this.#endWaitMs)
      } else runner.release()
      throw error
    }
  }

  /** Claims the activation with this id. Sends nothing. */
  async activation(id, options) {
    return this.#call('claim', [id, options])
  }

  /** Iterates over the order history, newest first. Yields an order once, even if pages shift. */
  async *orders({ status, signal } = {}) {
    const limit = 100
    const seen = new Set()
    for (let page = 1; ; page++) {
      const { orders, total } = await this.getOrders({ limit, page, status, signal })
      const seenBefore = seen.size
      for (const order of orders) {
        const id = order.orderId ?? order.activationId
        if (seen.has(id)) continue
        seen.add(id)
        yield order
      }
      // A page may be shorter than `limit` without being the last, if `total` is higher.
      const hasMore = orders.length >= limit || (total !== null && seen.size < total)
      // A page without a new order ends the loop: a server that ignores `page` repeats one page.
      if (!hasMore || seen.size === seenBefore) return
    }
  }

  /**
   * Cancels pending calls and closes the client. Waits for the replies of purchases in flight, and
   * reports and returns the purchases that are not settled. Its leases still settle when they end.
   */
  close() {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close() {
    const unsettled = await this.#queue.close()
    // The leases that are still open report their failures themselves.
    const leased = [...this.#leases].flatMap(({ id, intentId }) => [id, intentId])
    const reported = unsettled.filter(
      ({ intent, purchase }) =>
        !leased.includes(intent.intent_id) && !leased.includes(purchase?.activation_id)
    )
    report(reported)
    return results.unclaimed(reported)
  }

  [Symbol.dispose]() {
    this.close()
  }

  async [Symbol.asyncDispose]() {
    await this.close()
  }
}

module.exports = { Client }
