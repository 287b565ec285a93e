// Runs operations on a queue of the core, with a promise for each ticket.
//
// The process stays alive exactly as long as an operation is pending, or a purchase whose caller
// stopped waiting for the reply.

const {
  AbortError,
  ConfigError,
  InternalError,
  OutcomeUnknownError,
  SastaotpError
} = require('./errors.js')
const { callNative, native, readText } = require('./native.js')
// Its listener of `exit` must run before the one below.
require('./program-end.js')
const { createPoller } = require('./queue-poller.js')
const results = require('./results.js')

/** The most completions that are taken in one turn of the event loop. */
const BATCH_SIZE = 64

/** The number of workers that means the default of the core. */
const DEFAULT_WORKERS = 0

/** The operations that buy a number. */
const PURCHASES = ['get_number', 'lease', 'buy', 'reget_number']

const handleOut = new BigUint64Array(1)
const ticketOut = new BigUint64Array(1)
const countOut = new BigUint64Array(1)
const batch = new BigUint64Array(BATCH_SIZE)

/** The queues of this thread. A worker that exits frees them, which ends their waits. */
const queues = new Set()
process.once('exit', () => {
  for (const queue of queues) queue.free()
})

/** Reads and frees a completion. If it cannot be read, `failure` is the reason. */
function readCompletion(completion) {
  const {
    activation_id,
    completion_activation,
    completion_error,
    completion_free,
    completion_json,
    error_json
  } = native()
  const outcome = {}
  try {
    const activation = completion_activation(completion)
    // Read first: without the id, a number whose text cannot be read could not be released.
    if (activation) outcome.activationId = activation_id(activation)
    const error = completion_error(completion)
    if (error) outcome.error = error_json(error)
    else outcome.json = readText(completion_json(completion))
  } catch (failure) {
    outcome.failure = failure
  }
  completion_free(completion)
  return outcome
}

class Queue {
  #client
  #queue
  #poller
  /** How long purchases in flight keep the process alive, in milliseconds. */
  #endWaitMs
  /** The pending operations by ticket. */
  #pending = new Map()
  /** The tickets and the one listener of each AbortSignal. */
  #abortListeners = new Map()
  #isClosed = false
  /** The number of leases that may still settle on this queue. */
  #retainCount = 0
  /** How many purchases ended with an unknown outcome, and whether a wait for replies runs. */
  #unknownCount = 0
  #isAwaitingReplies = false

  /** Creates a queue for a native client, which it then owns. */
  constructor(client, { workers, endWaitMs }) {
    this.#client = client
    this.#endWaitMs = endWaitMs
    try {
      callNative('queue_new', client.address, workers ?? DEFAULT_WORKERS, handleOut)
    } catch (error) {
      client.free()
      throw error
    }
    this.#queue = handleOut[0]
    queues.add(this)
    this.#poller = createPoller(
      () => native().queue_fd(this.#queue),
      () => this.#takeCompletions()
    )
  }

  /** Runs an operation. Decodes its JSON and returns the result, or throws its error. */
  run(operation, signal, decode) {
    return this.#run(operation, signal, false, decode)
  }

  /**
   * Retains the queue for a lease. Until `release`, the lease's operations run even if the queue is
   * closed.
   */
  retain() {
    this.#retainCount++
    let isRetained = true
    return {
      run: (operation, signal, decode) => this.#run(operation, signal, isRetained, decode),
      isClosed: () => this.#isClosed,
      release: () => {
        if (!isRetained) return
        isRetained = false
        this.#retainCount--
        if (this.#isClosed && this.#retainCount === 0) this.free()
      }
    }
  }

  async #run(operation, signal, isRetained, decode = (json) => json) {
    const action = operation.op.replaceAll('_', ' ')
    if (!this.#queue || (this.#isClosed && !isRetained)) {
      throw new ConfigError(`${action}: the client is closed: create a new client`)
    }
    if (signal && typeof signal.addEventListener !== 'function') {
      throw new ConfigError(`${action}: signal must be an AbortSignal`)
    }
    if (signal?.aborted) {
      throw new AbortError(`${action}: cancelled before it was sent`, { cause: signal.reason })
    }
    const outcome = await this.#submit(JSON.stringify(operation), signal, isRetained)
    const { ticket, json, error, activationId } = outcome
    if (json !== undefined) {
      try {
        return decode(json, ticket)
      } catch (cause) {
        if (!activationId && cause instanceof SastaotpError) throw cause
        outcome.failure = cause
      }
    }
    // The error is created here, so that its stack names the caller.
    const failure = outcome.failure
      ? this.#unreadable(operation.op, outcome)
      : results.error(JSON.parse(error), signal?.reason)
    if (failure.charge === 'unknown') this.#awaitReplies()
    throw failure
  }

  /** Returns the error for a result that cannot be read. A number it bought is then unclaimed. */
  #unreadable(op, { ticket, activationId, failure: cause }) {
    const action = op.replaceAll('_', ' ')
    const fields = { cause, kind: 'internal', phase: 'decode' }
    const reason = `cannot read the result: ${cause.message}`
    this.releaseTicket(ticket)
    if (activationId) {
      return new InternalError(
        `${action}: bought the activation ${activationId}, but ${reason}: claim it by its id`,
        { ...fields, charge: 'charged' }
      )
    }
    if (!PURCHASES.includes(op)) return new InternalError(`${action}: ${reason}`, fields)
    return new OutcomeUnknownError(`${action}: ${reason}: unclaimed() lists the purchase`, {
      ...fields,
      charge: 'unknown'
    })
  }

  /** Ends the hold of a ticket on its number. */
  releaseTicket(ticket) {
    if (this.#queue) native().queue_release(this.#queue, ticket)
  }

  /**
   * Keeps the process alive until no purchase is in flight, for `endWaitMs` at most: an aborted
   * purchase runs on to its reply.
   */
  async #awaitReplies() {
    this.#unknownCount++
    if (this.#isAwaitingReplies) return
    this.#isAwaitingReplies = true
    const { release } = this.retain()
    for (let counted = 0; counted < this.#unknownCount; ) {
      counted = this.#unknownCount
      await this.#listUnsettled()
    }
    this.#isAwaitingReplies = false
    release()
  }

  /** Waits for the replies of purchases in flight, and lists the purchases that are not settled. */
  async #listUnsettled() {
    const operation = { op: 'finish', timeout_ms: this.#endWaitMs }
    try {
      return JSON.parse(await this.#run(operation, undefined, true)).unclaimed
    } catch {
      return this.#client.unsettled()
    }
  }

  #submit(json, signal, isRetained) {
    // The listener comes first: a signal of another library may throw, and then nothing is sent.
    const tickets = signal && this.#addAbortListener(signal)
    try {
      callNative('queue_submit_held', this.#queue, json, null, ticketOut)
    } catch (error) {
      if (signal) this.#removeAbortListener(signal)
      throw error
    }
    const ticket = Number(ticketOut[0])
    tickets?.add(ticket)
    this.#poller.start()
    return new Promise((resolve) => this.#pending.set(ticket, { resolve, signal, isRetained }))
  }

  /** Returns the set of tickets that the signal cancels. */
  #addAbortListener(signal) {
    let entry = this.#abortListeners.get(signal)
    if (!entry) {
      const tickets = new Set()
      entry = { tickets, listener: () => this.#cancel(tickets) }
      signal.addEventListener('abort', entry.listener)
      this.#abortListeners.set(signal, entry)
    }
    return entry.tickets
  }

  /** Removes a ticket from its signal, and the listener after the last ticket. */
  #removeAbortListener(signal, ticket) {
    const { tickets, listener } = this.#abortListeners.get(signal)
    tickets.delete(ticket)
    if (tickets.size > 0) return
    this.#abortListeners.delete(signal)
    try {
      signal.removeEventListener('abort', listener)
    } catch {
      // The signal of another library may throw. The operation has already settled.
    }
  }

  /** Cancels operations and settles their promises now. Each completion reports the outcome. */
  #cancel(tickets) {
    const { queue_cancel } = native()
    for (const ticket of tickets) queue_cancel(this.#queue, ticket)
    while (this.#takeCompletions() > 0);
  }

  /** Settles one batch of finished operations and returns its size. The poller takes the rest. */
  #takeCompletions() {
    callNative('queue_take', this.#queue, batch, BATCH_SIZE, 0, countOut)
    const count = Number(countOut[0])
    // A copy: a signal may call back, and then another batch is taken.
    for (const completion of batch.slice(0, count)) {
      const ticket = Number(native().completion_ticket(completion))
      const { resolve, signal } = this.#pending.get(ticket)
      this.#pending.delete(ticket)
      resolve({ ticket, ...readCompletion(completion) })
      if (signal) this.#removeAbortListener(signal, ticket)
    }
    if (this.#pending.size === 0) this.#poller.stop()
    return count
  }

  /**
   * Refuses new operations, cancels the pending ones except those of leases, and waits for the
   * replies of purchases in flight. Returns the purchases that are not settled. The queue is freed
   * when its last lease releases it.
   */
  async close() {
    this.#isClosed = true
    if (!this.#queue) return []
    this.#cancel([...this.#pending].flatMap(([ticket, entry]) => (entry.isRetained ? [] : ticket)))
    const { release } = this.retain()
    const unsettled = await this.#listUnsettled()
    release()
    return unsettled
  }

  /** Frees the queue of a client that was garbage-collected, when its last lease releases it. */
  abandon() {
    this.#isClosed = true
    if (this.#retainCount === 0) this.free()
  }

  /** Frees the queue. The promises of pending operations never settle. */
  free() {
    if (!this.#queue) return
    queues.delete(this)
    this.#poller.close()
    native().queue_free(this.#queue)
    this.#queue = undefined
    this.#client.retire()
  }
}

module.exports = { BATCH_SIZE, Queue }
