// Operations under way: a promise for each ticket of the core's queue.
//
// The process is kept alive exactly while something is open.

const { AbortError, ConfigError, errorOf } = require('./errors.js')
const { check, library, textOf } = require('./library.js')
const { watch } = require('./watch.js')

/** Completions that are taken in one turn of the event loop. */
const BATCH = 64

const place = new BigUint64Array(1)
const count = new BigUint64Array(1)
const batch = new BigUint64Array(BATCH)

/** Those of this thread: a worker that ends must not leave its waits behind. */
const queues = new Set()
process.once('exit', () => {
  for (const queue of queues) queue.free()
})

class Queue {
  #queue
  #watch
  /** From tickets to who waits for them. */
  #open = new Map()
  /** From signals to their tickets: one listener each, whatever the number of calls. */
  #signals = new Map()
  #isClosed = false
  /** How many leases there are that may settle on it yet. */
  #holds = 0

  /** Makes the queue of a client. */
  constructor(client, workers) {
    if (workers === undefined) check('queue_new', client, place)
    else check('queue_new_with_workers', client, workers, place)
    this.#queue = place[0]
    queues.add(this)
    this.#watch = watch(library().queue_fd(this.#queue), () => this.#take())
  }

  /** Begins an operation. Gives its JSON, or throws its error. */
  run(operation, signal) {
    return this.#run(operation, signal, false)
  }

  /** Keeps the queue for a lease: until it is released, `close` neither refuses nor cancels what it runs. */
  hold() {
    this.#holds++
    let isHeld = true
    return {
      run: (operation, signal) => this.#run(operation, signal, isHeld),
      /** Whether the client was closed. */
      isClosed: () => this.#isClosed,
      release: () => {
        if (!isHeld) return
        isHeld = false
        this.#holds--
        if (this.#isClosed && this.#holds === 0) this.free()
      }
    }
  }

  async #run(operation, signal, isHeld) {
    const doing = operation.op.replaceAll('_', ' ')
    if (!this.#queue || (this.#isClosed && !isHeld)) {
      throw new ConfigError(`${doing}: the client is closed: make another one`)
    }
    if (signal && typeof signal.addEventListener !== 'function') {
      throw new ConfigError(`${doing}: signal must be an AbortSignal`)
    }
    if (signal?.aborted)
      throw new AbortError(`${doing}: cancelled before it began`, { cause: signal.reason })
    const { json, error } = await this.#submit(JSON.stringify(operation), signal, isHeld)
    // Made here and not where the completion is taken: so its stack names the caller.
    if (error) throw errorOf(error, signal?.reason)
    return json
  }

  #submit(text, signal, isHeld) {
    // The signal first: it may be one of another library, and fail. Nothing is begun then.
    const tickets = signal && this.#heed(signal)
    try {
      check('queue_submit', this.#queue, text, place)
    } catch (error) {
      if (signal) this.#heedNoLonger(signal)
      throw error
    }
    const ticket = Number(place[0])
    tickets?.add(ticket)
    this.#watch.start()
    return new Promise((resolve) => this.#open.set(ticket, { resolve, signal, isHeld }))
  }

  /** Gives the tickets that are cancelled when it is aborted. */
  #heed(signal) {
    let heeded = this.#signals.get(signal)
    if (!heeded) {
      heeded = { tickets: new Set(), listener: () => this.#cancel(heeded.tickets) }
      signal.addEventListener('abort', heeded.listener)
      this.#signals.set(signal, heeded)
    }
    return heeded.tickets
  }

  #heedNoLonger(signal, ticket) {
    const { tickets, listener } = this.#signals.get(signal)
    tickets.delete(ticket)
    if (tickets.size > 0) return
    this.#signals.delete(signal)
    signal.removeEventListener('abort', listener)
  }

  /** Settles tickets now. The completion of each says what is known of it. */
  #cancel(tickets) {
    const { queue_cancel } = library()
    for (const ticket of tickets) queue_cancel(this.#queue, ticket)
    while (this.#take() > 0);
  }

  /** Settles what is finished, one batch; says how many. The watch comes again for what is left. */
  #take() {
    const { completion_error, completion_free, completion_json, completion_ticket, error_json } =
      library()
    check('queue_take', this.#queue, batch, BATCH, 0, count)
    for (const completion of batch.subarray(0, Number(count[0]))) {
      const ticket = Number(completion_ticket(completion))
      const error = completion_error(completion)
      const outcome = error
        ? { error: error_json(error) }
        : { json: textOf(completion_json(completion)) }
      completion_free(completion)
      const { resolve, signal } = this.#open.get(ticket)
      this.#open.delete(ticket)
      if (signal) this.#heedNoLonger(signal, ticket)
      resolve(outcome)
    }
    if (this.#open.size === 0) this.#watch.stop()
    return Number(count[0])
  }

  /** Refuses what comes, cancels what is open, and ends the queue when the leases on it are over. */
  close() {
    this.#isClosed = true
    if (!this.#queue) return
    this.#cancel([...this.#open].flatMap(([ticket, { isHeld }]) => (isHeld ? [] : ticket)))
    if (this.#holds === 0) this.free()
  }

  /** Ends the queue; what is open is left unsettled. */
  free() {
    if (!this.#queue) return
    queues.delete(this)
    this.#watch.close()
    library().queue_free(this.#queue)
    this.#queue = undefined
  }
}

module.exports = { Queue }
