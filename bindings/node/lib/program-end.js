// Reports the purchases that are not settled: one line on stderr for each, when a client is closed
// and when the program or a worker ends.
//
// Everything here is synchronous, because no asynchronous code runs after the event `exit`.

const { createHash } = require('node:crypto')
const { writeSync } = require('node:fs')
const { BroadcastChannel, isMainThread, receiveMessageOnPort } = require('node:worker_threads')
const { locateLibrary } = require('./locate.js')
const { callNative, native } = require('./native.js')

/** The most lines that are remembered, so that each is written once. */
const MAX_WRITTEN = 10_000
/** The most attempts to write to a stderr that is full, with a pause of a millisecond. */
const MAX_ATTEMPTS = 1000
/** At this number of retired clients, those without a purchase are freed. */
const MANY_RETIRED = 64

/** Workers send their clients and their lines to the main thread, which outlives them. */
const CHANNEL = 'sastaotp:program-end'

/** The native clients of this thread. */
const clients = new Set()
/** The clients that are no longer used and still list a purchase, by account. */
const retired = new Map()
let retiredLimit = MANY_RETIRED
/** Lines that were written, with the id of the intent: an unchanged purchase is reported once. */
const written = new Set()
/** In the main thread: the clients of workers. */
const workerClients = new Map()

let isEnding = false

const listOut = new BigUint64Array(1)

/** The client's purchases that are not settled or kept, and the unclaimed ones of its API key. */
function listUnsettled(address) {
  const { unclaimed_list_free, unclaimed_list_json } = native()
  callNative('client_finish', address, 0, listOut)
  const list = listOut[0]
  try {
    return JSON.parse(unclaimed_list_json(list)).unclaimed
  } finally {
    unclaimed_list_free(list)
  }
}

/** An owned native client. It is freed once nothing needs it, not even a report. */
class NativeClient {
  #account
  /** The main thread claims a worker's client by writing 1, and the worker when it frees it. */
  #claim = new Int32Array(new SharedArrayBuffer(4))

  constructor(address, apiKey, baseUrl) {
    this.address = address
    this.#account = createHash('sha256').update(`${apiKey}\n${baseUrl}`).digest('base64')
    clients.add(this)
    if (!isMainThread) sendToMainThread({ library: locateLibrary(), address, claim: this.#claim })
  }

  unsettled() {
    return listUnsettled(this.address)
  }

  /** Ends the use of the client. If it lists a purchase, it stays for the report at the end. */
  retire() {
    freeRetired()
    // One client of an account is enough: the purchases of the others are unclaimed.
    if (retired.has(this.#account) || !this.#isNeeded()) this.free()
    else retired.set(this.#account, this)
  }

  /**
   * Whether the client must stay for a later report. Once the thread ends, only a purchase in
   * flight needs one: the report at the end names the others.
   */
  #isNeeded() {
    const unsettled = this.unsettled()
    return isEnding ? unsettled.some(({ outcome }) => outcome === 'pending') : unsettled.length > 0
  }

  free() {
    clients.delete(this)
    if (retired.get(this.#account) === this) retired.delete(this.#account)
    if (Atomics.compareExchange(this.#claim, 0, 0, 1) === 0) native().client_free(this.address)
  }
}

function freeRetired() {
  if (retired.size < retiredLimit) return
  for (const client of [...retired.values()]) {
    if (client.unsettled().length === 0) client.free()
  }
  retiredLimit = Math.max(MANY_RETIRED, 2 * retired.size)
}

const writtenKey = ({ intent, message }) => `${intent.intent_id} ${message}`

function remember(key) {
  if (written.size >= MAX_WRITTEN) written.delete(written.values().next().value)
  written.add(key)
}

/** Writes a line for each purchase of the core's JSON, unless the same line was written before. */
function report(unsettled) {
  const unreported = unsettled.filter((entry) => !written.has(writtenKey(entry)))
  const byKey = new Map(unreported.map((entry) => [writtenKey(entry), entry]))
  for (const key of byKey.keys()) remember(key)
  if (byKey.size > 0) sendToMainThread({ keys: [...byKey.keys()] })
  writeToStderr([...byKey.values()].map(({ message }) => `sastaotp: ${message}\n`).join(''))
}

function writeToStderr(text) {
  let bytes = Buffer.from(text)
  for (let attempt = 0; bytes.length > 0 && attempt < MAX_ATTEMPTS; ) {
    try {
      bytes = bytes.subarray(writeSync(2, bytes))
    } catch (error) {
      if (error.code !== 'EAGAIN') return
      attempt++
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
}

function sendToMainThread(message) {
  if (isMainThread) return
  const channel = new BroadcastChannel(CHANNEL)
  channel.postMessage(message)
  channel.close()
}

/** The path of this thread's library; undefined if it is not installed. */
function libraryPath() {
  try {
    return locateLibrary()
  } catch {
    return undefined
  }
}

function receive({ library, address, claim, keys = [] }) {
  for (const key of keys) remember(key)
  // Another copy of this package may use another library.
  if (!claim || library !== libraryPath()) return
  for (const [known, other] of workerClients) {
    if (Atomics.load(other, 0) !== 0) workerClients.delete(known)
  }
  workerClients.set(address, claim)
}

let channel
if (isMainThread) {
  channel = new BroadcastChannel(CHANNEL)
  channel.onmessage = ({ data }) => receive(data)
  channel.unref()
}

/** Receives the messages that no turn of the event loop has delivered. */
function receiveQueued() {
  try {
    for (let next = receiveMessageOnPort(channel); next; next = receiveMessageOnPort(channel)) {
      receive(next.message)
    }
  } catch {
    // Deno reads such messages in a turn of the event loop only.
  }
}

/** The clients of workers that have not freed them, such as workers that were terminated. */
function claimWorkerClients() {
  if (!isMainThread) return []
  receiveQueued()
  // A worker that still runs cannot free its client any more.
  return [...workerClients].flatMap(([address, claim]) =>
    Atomics.compareExchange(claim, 0, 0, 1) === 0 ? [address] : []
  )
}

/** Reports the purchases of this thread and, in the main thread, of its workers. */
function reportAll() {
  const addresses = [...clients].map(({ address }) => address)
  const unsettled = [...addresses, ...claimWorkerClients()].flatMap((address) => {
    try {
      return listUnsettled(address)
    } catch {
      return []
    }
  })
  report(unsettled)
}

process.once('exit', () => {
  isEnding = true
  reportAll()
})
// Deno emits no `exit` when an error ends the program.
if (process.versions.deno) {
  for (const name of ['error', 'unhandledrejection']) {
    globalThis.addEventListener(name, (event) => {
      if (!event.defaultPrevented) reportAll()
    })
  }
}

module.exports = { NativeClient, report }
