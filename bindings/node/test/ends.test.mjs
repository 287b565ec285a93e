// Ends of programs: each one names on stderr the purchases that are in flight, unknown or open.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { CHECKOUT, HOST, programArguments, sandbox, serve } from './harness.mjs'

/** What the line of a purchase names: its activation and number, or the intent to reconcile. */
const [NUMBER, INTENT, NOTHING] = ['number', 'intent', 'nothing']

/** The start of each program. `requested` resolves once the service has received a purchase. */
const PRELUDE = `
  const { Client } = require('sastaotp')
  const { isMainThread, Worker } = require('node:worker_threads')
  const gate = (step) => fetch(process.env.GATE + step)
  const [requested, release] = [() => gate('requested'), () => gate('release')]
  const NEVER = ['zz_never', { country: '22', maxPrice: 100 }]
  const turn = () => new Promise((resolve) => setTimeout(resolve, 1))
  /** Collects garbage until \`isDone\` returns true. */
  async function collect(isDone) {
    while (!(await isDone())) {
      gc()
      await turn()
    }
  }
  const controller = new AbortController()
  const { signal } = controller
  /** Buys a number, and aborts the call once the purchase was sent. */
  async function buyAndAbort(client) {
    const buying = client.getNumber(NEVER[0], { ...NEVER[1], signal })
    requested().then(() => controller.abort())
    await buying.catch((error) => {
      if (error.name === 'AbortError' || error.code === 'ABORT_ERR') throw error
    })
  }`

/** The handler of SIGINT and SIGTERM that the README shows. */
const README = readFileSync(path.join(CHECKOUT, 'bindings/node/README.md'), 'utf8')
const [SIGNAL_HANDLER] = README.match(/^for \(const signal of [\s\S]+?^}$/m)

const IS_WINDOWS = process.platform === 'win32'

/**
 * A program's statement by which it gets a signal that it handles. On Windows `process.kill` ends
 * the process at once, and only the console can send a signal, so the handlers are called.
 */
const receive = (signal) =>
  IS_WINDOWS ? `process.emit('${signal}')` : `process.kill(process.pid, '${signal}')`

/** Runs a program in a worker. */
const worker = (program, then = '') => `
  const source = ${JSON.stringify(`${PRELUDE}
    const { parentPort } = require('node:worker_threads')
    async function main() { ${program} }
    main()`)}
  const worker = new Worker(source, { eval: true })
  worker.on('error', () => {})
  ${then}`

const TERMINATE = "worker.on('message', () => worker.terminate())"

/**
 * The ends. A program with \`isHeld\` gets the reply to a purchase only after it calls \`release\`.
 * \`status\` is the exit status or the signal.
 */
const ENDS = [
  {
    name: 'natural end with an open order',
    program: 'const number = await new Client().getNumber(...NEVER)',
    names: NUMBER
  },
  {
    name: 'natural end with a number and a client that were collected',
    program: `
      let isFreed = false
      const registry = new FinalizationRegistry(() => { isFreed = true })
      await (async () => {
        const client = new Client()
        registry.register(client)
        await client.getNumber(...NEVER)
      })()
      await collect(() => isFreed)`,
    names: NUMBER
  },
  {
    name: 'natural end after a wait that timed out',
    program: `
      const number = await new Client().getNumber(...NEVER)
      await number.waitForCode({ timeoutMs: 1 }).catch(() => {})`,
    names: NUMBER
  },
  {
    name: 'natural end after a failed cancel',
    program: `
      const client = new Client()
      const number = await client.getNumber('zz_early_cancel', NEVER[1])
      await number.cancel().catch(() => {})`,
    names: NUMBER
  },
  {
    name: 'natural end with a code that was not completed',
    program: `
      const number = await new Client().getNumber('zz_ok', NEVER[1])
      await number.waitForCode({ timeoutMs: 60_000 })`,
    names: NUMBER
  },
  {
    name: 'natural end with a lease that was not closed',
    program: 'const number = await new Client().lease(...NEVER)',
    names: NUMBER
  },
  {
    name: 'natural end while an aborted purchase gets its reply',
    isHeld: true,
    program: 'await buyAndAbort(new Client({ endWaitMs: 60_000 }))\nrelease()',
    names: NUMBER
  },
  {
    name: 'natural end before an aborted purchase gets its reply',
    isHeld: true,
    program: 'await buyAndAbort(new Client({ endWaitMs: 100 }))',
    names: INTENT
  },
  {
    name: 'natural end while an aborted lease gets its reply',
    isHeld: true,
    program: `
      const leasing = new Client().lease(NEVER[0], { ...NEVER[1], signal })
      await requested()
      controller.abort()
      await leasing.catch(() => {})
      release()`,
    names: NUMBER
  },
  {
    name: 'natural end after a timeout of the client during a purchase',
    isHeld: true,
    program: `
      const client = new Client({ timeoutMs: 3000, endWaitMs: 60_000 })
      await client.getNumber(...NEVER).catch(() => {})
      release()`,
    // On a slow machine the time is over before the purchase is sent.
    names: NUMBER,
    mayNotBuy: true
  },
  {
    name: 'natural end with an unknown outcome that was ignored',
    program: "await new Client().getNumber('zz_lost_reply', NEVER[1]).catch(() => {})",
    names: INTENT
  },
  {
    name: 'natural end with an await that never settles',
    program: `
      const number = await new Client().getNumber(...NEVER)
      await new Promise(() => {})`,
    names: NUMBER
  },
  {
    name: 'process.exit with an open order',
    program: 'const number = await new Client().getNumber(...NEVER)\nprocess.exit(3)',
    names: NUMBER,
    status: 3
  },
  {
    name: 'process.exit during a purchase',
    isHeld: true,
    program: 'new Client().getNumber(...NEVER)\nawait requested()\nprocess.exit(3)',
    names: INTENT,
    status: 3
  },
  {
    name: 'process.exit after an abort',
    isHeld: true,
    program: 'await buyAndAbort(new Client())\nprocess.exit(0)',
    names: INTENT
  },
  {
    name: 'uncaught exception with an open order',
    program: `
      const number = await new Client().getNumber(...NEVER)
      setImmediate(() => { throw new Error('on purpose') })`,
    names: NUMBER,
    status: 1
  },
  {
    name: 'uncaught exception during a purchase',
    isHeld: true,
    program: `
      new Client().getNumber(...NEVER)
      await requested()
      setImmediate(() => { throw new Error('on purpose') })`,
    names: INTENT,
    status: 1
  },
  {
    name: 'unhandled rejection with an open order',
    program: `
      const number = await new Client().getNumber(...NEVER)
      await number.waitForCode({ timeoutMs: 1 })`,
    names: NUMBER,
    status: 1
  },
  {
    name: 'unhandled rejection with an unknown outcome',
    program: "await new Client().getNumber('zz_lost_reply', NEVER[1])",
    names: INTENT,
    status: 1
  },
  {
    name: 'close with an open order',
    program: `
      const client = new Client()
      const number = await client.getNumber(...NEVER)
      const [{ outcome, purchase }] = await client.close()
      if (outcome !== 'bought' || purchase.activationId !== number.id) process.exit(9)`,
    names: NUMBER
  },
  {
    name: 'close that is not awaited',
    program: `
      const client = new Client()
      await client.getNumber(...NEVER)
      client.close()`,
    names: NUMBER
  },
  {
    name: 'close during a purchase that gets its reply',
    isHeld: true,
    program: `
      const client = new Client({ endWaitMs: 60_000 })
      const buying = client.getNumber(...NEVER).catch(({ name }) => name)
      await requested()
      const closing = client.close()
      if (await buying !== 'OutcomeUnknownError') process.exit(9)
      release()
      const [{ outcome }] = await closing
      if (outcome !== 'bought') process.exit(9)`,
    names: NUMBER
  },
  {
    name: 'close during a purchase without a reply',
    isHeld: true,
    program: `
      const client = new Client({ endWaitMs: 100 })
      client.getNumber(...NEVER).catch(() => {})
      await requested()
      await client.close()`,
    names: INTENT
  },
  {
    name: 'process.exit while close waits',
    isHeld: true,
    program: `
      const client = new Client()
      client.getNumber(...NEVER).catch(() => {})
      await requested()
      client.close()
      process.exit(0)`,
    names: INTENT
  },
  ...['SIGINT', 'SIGTERM'].map((name) => ({
    name: `${name} with the handler of the README`,
    isHeld: true,
    program: `
      const client = new Client({ endWaitMs: 60_000 })
      ${SIGNAL_HANDLER}
      const buying = client.getNumber(...NEVER).catch(() => release())
      await requested()
      ${receive(name)}
      setInterval(() => {}, 1000)`,
    names: NUMBER,
    status: 1
  })),
  {
    name: 'SIGTERM with a handler that exits',
    program: `
      process.once('SIGTERM', () => process.exit(7))
      const number = await new Client().getNumber(...NEVER)
      ${receive('SIGTERM')}
      setInterval(() => {}, 1000)`,
    names: NUMBER,
    status: 7
  },
  {
    name: 'SIGTERM without a handler, which runs no JavaScript',
    program: `
      const number = await new Client().getNumber(...NEVER)
      process.kill(process.pid, 'SIGTERM')
      setInterval(() => {}, 1000)`,
    names: NOTHING,
    status: IS_WINDOWS ? 1 : 'SIGTERM'
  },
  {
    name: 'natural end of a worker with an open order',
    program: worker('const number = await new Client().getNumber(...NEVER)'),
    names: NUMBER
  },
  {
    name: 'process.exit of a worker during a purchase',
    isHeld: true,
    program: worker('new Client().getNumber(...NEVER)\nawait requested()\nprocess.exit(0)'),
    names: INTENT
  },
  {
    name: 'uncaught exception of a worker with an open order',
    program: worker(`
      const number = await new Client().getNumber(...NEVER)
      setImmediate(() => { throw new Error('on purpose') })`),
    names: NUMBER
  },
  {
    name: 'termination of a worker with an open order',
    program: worker(
      `
      const number = await new Client().getNumber(...NEVER)
      parentPort.postMessage('bought')
      setInterval(() => number, 1000)`,
      TERMINATE
    ),
    names: NUMBER
  },
  {
    name: 'termination of a worker during a purchase',
    isHeld: true,
    program: worker(
      `
      new Client().getNumber(...NEVER)
      await requested()
      parentPort.postMessage('requested')`,
      TERMINATE
    ),
    names: INTENT
  },
  {
    name: 'process.exit while a worker holds an open order',
    program: worker(
      `
      const number = await new Client().getNumber(...NEVER)
      parentPort.postMessage('bought')
      setInterval(() => number, 1000)`,
      "worker.on('message', () => process.exit(0))"
    ),
    names: NUMBER
  },
  {
    name: 'natural end with a client in the main thread and in a worker',
    program: `
      const client = new Client()
      await client.getBalance()
      ${worker('const number = await new Client().getNumber(...NEVER)')}`,
    names: NUMBER
  },
  {
    name: 'natural end with an unknown purchase of two clients',
    program: `
      const [first, second] = [new Client(), new Client()]
      await first.getNumber('zz_lost_reply', NEVER[1]).catch(() => {})
      await second.getBalance()`,
    names: INTENT
  },
  {
    name: 'close during the purchase of a lease without a reply',
    isHeld: true,
    program: `
      const client = new Client({ endWaitMs: 100 })
      client.lease(...NEVER).catch(() => {})
      await requested()
      client.close()`,
    names: INTENT
  },
  {
    name: 'natural end after complete',
    program: `
      const number = await new Client().getNumber('zz_ok', NEVER[1])
      await number.waitForCode({ timeoutMs: 60_000 })
      await number.complete()`,
    names: NOTHING
  },
  {
    name: 'natural end after cancel',
    program: 'await (await new Client().getNumber(...NEVER)).cancel()',
    names: NOTHING
  },
  {
    name: 'natural end with a kept number',
    program: 'await (await new Client().getNumber(...NEVER)).keep()',
    names: NOTHING
  },
  {
    name: 'close with a kept lease',
    program: `
      const client = new Client()
      const number = await client.lease(...NEVER)
      number.keep()
      await client.close()`,
    names: NOTHING
  },
  {
    name: 'close before a lease settles',
    program: `
      const client = new Client()
      const number = await client.lease(...NEVER)
      const unsettled = await client.close()
      const { state } = await number.close()
      if (state !== 'cancelled' || unsettled.length > 0) process.exit(9)`,
    names: NOTHING
  },
  {
    name: 'natural end after resolve',
    program: `
      const client = new Client()
      const error = await client.getNumber('zz_lost_reply', NEVER[1]).catch((error) => error)
      await client.resolve(error.intent, { notMade: true })`,
    names: NOTHING
  },
  {
    name: 'natural end after a refusal',
    program: "await new Client().getNumber('zz_nonumbers', NEVER[1]).catch(() => {})",
    names: NOTHING
  }
]

/** The purchases whose replies are held, by API key. */
const held = new Map()

/** The two promises of a key: its purchase was requested, and its reply may be sent. */
function gateOf(key) {
  if (!held.has(key)) {
    const gate = {}
    for (const step of ['requested', 'release']) {
      gate[step] = new Promise((resolve) => {
        gate[`${step}Done`] = resolve
      })
    }
    held.set(key, gate)
  }
  return held.get(key)
}

/** Passes requests to the sandbox. Holds the replies to purchases of keys that end in `-held`. */
const proxy = await serve(async (request, response) => {
  const [, prefix, gateKey, step] = request.url.split('/')
  if (prefix === 'gate') {
    const gate = gateOf(gateKey)
    if (step === 'requested') await gate.requested
    else gate.releaseDone()
    response.end('{}')
    return
  }
  const key = request.headers['x-api-key']
  const reply = await fetch(new URL(request.url, sandbox.url), { headers: { 'X-API-Key': key } })
    .then(async (answer) => ({ status: answer.status, body: await answer.text() }))
    // The sandbox drops the connection: a lost reply.
    .catch(() => undefined)
  if (request.url.includes('action=getNumber')) {
    gateOf(key).requestedDone()
    if (key.endsWith('-held')) await gateOf(key).release
  }
  if (!reply) return request.socket.destroy()
  response.writeHead(reply.status, { 'Content-Length': Buffer.byteLength(reply.body) })
  response.end(reply.body)
})

after(() => proxy.kill())

async function runProgram(program, key) {
  const code = `${PRELUDE}\nasync function main() { ${program} }\nmain()`
  const options = { type: 'commonjs', args: ['--expose-gc'] }
  const child = spawn(HOST, programArguments(code, options), {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'inherit', 'pipe'],
    env: {
      ...process.env,
      SASTAOTP_API_KEY: key,
      SASTAOTP_BASE_URL: new URL(new URL(sandbox.url).pathname, proxy.url).href,
      GATE: new URL(`gate/${key}/`, proxy.url).href,
      NODE_TEST_CONTEXT: ''
    }
  })
  const chunks = []
  child.stderr.on('data', (chunk) => chunks.push(chunk))
  const [status, signal] = await once(child, 'close')
  return { status: status ?? signal, stderr: Buffer.concat(chunks).toString() }
}

describe('the end of a program names its purchases', { concurrency: 4 }, () => {
  for (const [index, row] of ENDS.entries()) {
    const { name, program, names, isHeld = false, status: expected = 0, mayNotBuy } = row
    test(name, { timeout: 120_000 }, async () => {
      const key = `end-${index}${isHeld ? '-held' : ''}`
      const { status, stderr } = await runProgram(program, key)
      assert.equal(status, expected, stderr)
      const lines = stderr.split('\n').filter((line) => line.startsWith('sastaotp: '))
      const { orders } = await sandbox.control(key, 'orders')
      if (names === NOTHING || (mayNotBuy && orders.length === 0)) {
        assert.deepEqual(lines, [])
        return
      }
      const [line, ...others] = lines
      assert.deepEqual(others, [], stderr)
      assert.equal(orders.length, 1)
      if (names === INTENT) {
        assert.match(
          line,
          /reconcile its intent, \{"intent_id":"[0-9a-f]{16}","action":"getNumber"/
        )
      } else {
        const { activation_id: id, phone_number: number } = orders[0]
        assert.ok(id && line.includes(id) && line.includes(number), `${id} ${number}: ${stderr}`)
      }
    })
  }
})
