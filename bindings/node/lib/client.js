// The client: a method for each operation of the core's queue.

const { setTimeout: sleep } = require('node:timers/promises')
const { Activation, Lease } = require('./activation.js')
const { parse } = require('./json.js')
const { operation } = require('./operation.js')
const { Queue } = require('./queue.js')
const results = require('./results.js')
const { whole, withClient } = require('./settings.js')

const number = (json, client) => new Activation(client, parse(json))

/** Every operation: its arguments that come first, and what it gives. All other arguments are options, `signal` among them. */
const OPERATIONS = {
  getBalance: [[], results.balance],
  getServices: [[], results.services],
  getPrices: [[], results.prices],
  getCountries: [[], results.countries],
  findCountry: [['name'], results.countries],
  getOrders: [[], results.object],
  getNumber: [['service'], number],
  intend: [['service'], results.intent],
  buy: [['intent'], number],
  regetNumber: [['id'], number],
  getStatus: [['id'], results.object],
  setStatus: [['id', 'status'], results.object],
  waitForCode: [['id'], results.object],
  markSmsSent: [['id'], results.nothing],
  requestNextCode: [['id'], results.nothing],
  complete: [['id'], results.object],
  cancel: [['id'], results.object],
  settle: [['id'], results.object],
  leave: [['id'], results.nothing],
  reconcile: [['intent'], results.object],
  unclaimed: [[], results.unclaimed],
  budgetLeft: [[], results.object]
}

/** Milliseconds between two looks for the reply to a purchase. */
const LOOK = 100

/** Ends the queues of clients that nobody has any longer. */
const forgotten = new FinalizationRegistry((queue) => queue.free())

/** Settles what was bought for a lease whose client was closed before the reply came. Nobody can ask it for `unclaimed`. */
async function settleLate(hold, { intent, name }) {
  const wanted = JSON.stringify(intent)
  try {
    for (;;) {
      const found = (await hold.run('unclaimed')).find(
        (one) => JSON.stringify(one.intent) === wanted
      )
      if (found?.outcome === 'bought') {
        await hold.run('settle', found.purchase.activationId, { waitOut: true })
        break
      }
      if (found?.outcome !== 'pending') throw found?.error
      await sleep(LOOK)
    }
  } catch {
    const what = `the purchase of ${intent.service} for a lease may have been made (${name}), and its client is closed`
    process.emitWarning(`${what}: look at the order history`, 'SastaotpWarning')
  }
  hold.release()
}

class Client {
  #queue

  /** Settings that are not given are SASTAOTP_API_KEY and SASTAOTP_BASE_URL of the environment, or have a default. */
  constructor({ workers, ...settings } = {}) {
    settings.apiKey ??= process.env.SASTAOTP_API_KEY || undefined
    settings.baseUrl ??= process.env.SASTAOTP_BASE_URL || undefined
    this.#queue = withClient(
      settings,
      (client) => new Queue(client, workers === undefined ? undefined : whole('workers', workers))
    )
    forgotten.register(this, this.#queue)
  }

  static {
    for (const [name, [, read]] of Object.entries(OPERATIONS)) {
      const method = {
        async [name](...args) {
          return read(await this.#run(name, args), this)
        }
      }
      Object.defineProperty(Client.prototype, name, {
        value: method[name],
        writable: true,
        configurable: true
      })
    }
  }

  /** Runs an operation, and gives its JSON. */
  #run(name, args, queue = this.#queue) {
    const [first] = OPERATIONS[name]
    const { signal, ...options } = args[first.length] ?? {}
    const named = Object.fromEntries(first.map((argument, index) => [argument, args[index]]))
    // The core refuses an option that it does not know: one that is misspelled may cost money.
    return queue.run(operation(name, named, options), signal)
  }

  /** Buys a number as getNumber does, and settles it when the lease ends. */
  async lease(service, options) {
    // Held before there is a number: the client may be closed as it is bought.
    const queue = this.#queue.hold()
    const hold = {
      ...queue,
      run: async (name, ...args) => OPERATIONS[name][1](await this.#run(name, args, queue), this)
    }
    try {
      return new Lease(this, parse(await this.#run('getNumber', [service, options])), hold)
    } catch (error) {
      if (error.charge === 'unknown' && hold.isClosed()) settleLate(hold, error)
      else hold.release()
      throw error
    }
  }

  /** An activation by its id. Asks nobody; the first call on it takes it up. */
  activation(id) {
    return new Activation(this, {
      id,
      phone_number: null,
      price_micros: null,
      expires_at_ms: null,
      purchase: null
    })
  }

  /** Goes through the order history, newest first. Orders that move to the next page while it is read come once. */
  async *orders({ status, signal } = {}) {
    const limit = 100
    const seen = new Set()
    for (let page = 1; ; page++) {
      const { orders, total } = await this.getOrders({ limit, page, status, signal })
      const before = seen.size
      for (const order of orders) {
        const id = order.orderId ?? order.activationId
        if (seen.has(id)) continue
        seen.add(id)
        yield order
      }
      // A page may have fewer orders than were asked for and not be the last, where the service says that there are more.
      const more = orders.length >= limit || (total !== null && seen.size < total)
      // A server that ignores `page` would send the same one for ever.
      if (!more || seen.size === before) return
    }
  }

  /**
   * Cancels what is open, and ends the client. Its leases settle all the same as they end. A client that nobody has any longer
   * is ended by itself.
   */
  close() {
    this.#queue.close()
  }

  [Symbol.dispose]() {
    this.close()
  }
}

module.exports = { Client, OPERATIONS }
