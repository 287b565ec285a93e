// The client: one method for each operation of the core's queue, plus leases and the order history.

const { setTimeout: sleep } = require('node:timers/promises')
const { Activation, Lease } = require('./activation.js')
const { integer, withNativeClient } = require('./client-options.js')
const { encodeOperation, OPERATIONS } = require('./operations.js')
const { Queue } = require('./queue.js')

/** The pause between two checks for the reply to an abandoned purchase, in milliseconds. */
const CHECK_PAUSE = 100

/** Frees the queues of clients that were garbage-collected. */
const registry = new FinalizationRegistry((queue) => queue.free())

/**
 * Settles the number of a lease whose client was closed during the purchase: the program cannot
 * call `unclaimed` on a closed client.
 */
async function settleAfterClose(runner, { intent, name }) {
  const wanted = JSON.stringify(intent)
  try {
    for (;;) {
      const unclaimed = await runner.run('unclaimed')
      const found = unclaimed.find((entry) => JSON.stringify(entry.intent) === wanted)
      if (found?.outcome === 'bought') {
        await runner.run('settle', found.purchase.activationId, { onTooEarly: 'wait' })
        break
      }
      if (found?.outcome !== 'pending') throw found?.error
      await sleep(CHECK_PAUSE)
    }
  } catch {
    process.emitWarning(
      `the purchase of ${intent.service} for a lease may have been made (${name}), ` +
        'and its client is closed: check the order history',
      'SastaotpWarning'
    )
  }
  runner.release()
}

class Client {
  #queue

  /** `apiKey` and `baseUrl` default to SASTAOTP_API_KEY and SASTAOTP_BASE_URL. */
  constructor({ workers, ...options } = {}) {
    options.apiKey ??= process.env.SASTAOTP_API_KEY || undefined
    options.baseUrl ??= process.env.SASTAOTP_BASE_URL || undefined
    this.#queue = withNativeClient(
      options,
      (client) => new Queue(client, workers === undefined ? undefined : integer('workers', workers))
    )
    registry.register(this, this.#queue)
  }

  static {
    for (const [name, [, decode]] of Object.entries(OPERATIONS)) {
      const method = {
        async [name](...args) {
          return decode(await this.#run(name, args), this)
        }
      }
      Object.defineProperty(Client.prototype, name, {
        value: method[name],
        writable: true,
        configurable: true
      })
    }
  }

  /** Runs an operation and returns its JSON. */
  #run(name, args, queue = this.#queue) {
    const [names] = OPERATIONS[name]
    const { signal, ...options } = args[names.length] ?? {}
    const positional = Object.fromEntries(names.map((argument, index) => [argument, args[index]]))
    // The core refuses an unknown option: a misspelled one could cost money.
    return queue.run(encodeOperation(name, positional, options), signal)
  }

  /** Buys a number like getNumber, and settles it when the lease ends. */
  async lease(service, options) {
    // Retained before the purchase, because the client may be closed while it is in flight.
    const queue = this.#queue.retain()
    const runner = {
      isClosed: queue.isClosed,
      release: queue.release,
      run: async (name, ...args) => OPERATIONS[name][1](await this.#run(name, args, queue), this)
    }
    try {
      const json = await this.#run('getNumber', [service, options])
      return new Lease(this, JSON.parse(json), runner)
    } catch (error) {
      if (error.charge === 'unknown' && runner.isClosed()) settleAfterClose(runner, error)
      else runner.release()
      throw error
    }
  }

  /** Returns the activation with this id. Sends nothing; the first call on it claims it. */
  activation(id) {
    return new Activation(this, {
      id,
      phone_number: null,
      price_micros: null,
      expires_at_ms: null,
      purchase: null
    })
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
   * Cancels pending calls and closes the client. Its leases still settle when they end. A client
   * that is garbage-collected needs no `close`.
   */
  close() {
    this.#queue.close()
  }

  [Symbol.dispose]() {
    this.close()
  }
}

module.exports = { Client }
