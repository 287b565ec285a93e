// The client with JavaScript's own features: signals, iterators, leases, workers, process exit.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { getEventListeners, once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { AbortError, Activation, Intent, Lease, OutcomeUnknownError } from 'sastaotp'
import {
  assertSettlesAtOnce,
  holdPurchases,
  modulePath,
  NUMBER,
  privateModule,
  rejectionOf,
  require,
  run,
  sandbox,
  serve
} from './harness.mjs'

/** The reply to a purchase, for servers that are not the sandbox. */
const BOUGHT = {
  status: 'OK',
  activation_id: '7',
  phone_number: '919876543210',
  expires_in: 1200
}

test('ESM and CommonJS export the same objects', async () => {
  for (const name of ['sastaotp', 'sastaotp/testing']) {
    const [imported, required] = [await import(name), require(name)]
    for (const key of Object.keys(required)) assert.equal(imported[key], required[key], key)
    assert.deepEqual(Object.keys(imported).sort(), Object.keys(required).sort())
  }
})

test('absent options come from the environment', async () => {
  const code = `
    import { Client } from 'sastaotp'
    console.log((await new Client().getBalance()).amount)`
  assert.equal(await run(code), '1000\n')
})

/** Returns once the sandbox has charged for a purchase with this key. */
async function untilCharged(apiKey) {
  while ((await sandbox.control(apiKey, 'ledger')).charges === 0) await sleep(20)
}

describe('signals', () => {
  test('an aborted call settles at once', async () => {
    const client = sandbox.client()
    const number = await client.getNumber('zz_never', NUMBER)
    const controller = new AbortController()
    const { signal } = controller
    const waiting = number.waitForCode({ timeoutMs: 60_000, signal })
    await sleep(50)
    const reason = new Error('the user left')
    const [{ reason: error }] = await assertSettlesAtOnce([waiting], () => controller.abort(reason))
    assert.ok(error instanceof AbortError)
    assert.deepEqual(
      [error.name, error.code, error.cause, error.charge],
      ['AbortError', 'ABORT_ERR', reason, 'not_charged']
    )
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    // The order is still open.
    assert.equal((await number.cancel()).state, 'cancelled')
  })

  test('a call with an aborted signal sends nothing', async () => {
    const apiKey = 'signal-before'
    const client = sandbox.client({ apiKey })
    const signal = AbortSignal.abort()
    const error = await rejectionOf(client.getNumber('tg', { ...NUMBER, signal }))
    assert.ok(error instanceof AbortError && error.charge === 'not_charged')
    await sandbox.control(apiKey, 'assert', { charges: 0 })
  })

  test('a signal that throws fails only its call', async () => {
    const apiKey = 'signal-broken'
    const client = sandbox.client({ apiKey })
    const addEventListener = () => {
      throw new Error('not today')
    }
    const signal = { aborted: false, addEventListener, removeEventListener() {} }
    await assert.rejects(client.getNumber('tg', { ...NUMBER, signal }), { message: 'not today' })
    assert.equal((await client.getBalance()).amount, 1000)
    await sandbox.control(apiKey, 'assert', { charges: 0 })
  })

  test('a refused operation leaves no listener', async () => {
    const { signal } = new AbortController()
    await assert.rejects(sandbox.client().getStatus('1', { sigal: 1, signal }), {
      name: 'ConfigError'
    })
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  test('a thousand calls share one abort listener', async () => {
    const warnings = []
    const recordWarning = (warning) => warnings.push(warning)
    process.on('warning', recordWarning)
    const client = sandbox.client()
    const { id } = await client.getNumber('zz_never', NUMBER)
    const controller = new AbortController()
    const { signal } = controller
    const waits = Array.from({ length: 1000 }, () =>
      client.waitForCode(id, { timeoutMs: 60_000, signal })
    )
    await sleep(100)
    assert.equal(getEventListeners(signal, 'abort').length, 1)
    const outcomes = await assertSettlesAtOnce(waits, () => controller.abort())
    assert.ok(outcomes.every(({ reason }) => reason.name === 'AbortError'))
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    await sleep(10)
    process.off('warning', recordWarning)
    assert.deepEqual(warnings, [])
  })

  test('an aborted purchase is unclaimed after its reply', async () => {
    const apiKey = 'aborted-purchase'
    const release = await holdPurchases(apiKey)
    const client = sandbox.client({ apiKey })
    const controller = new AbortController()
    const buying = client.getNumber('zz_never', { ...NUMBER, signal: controller.signal })
    // The client first requests the newest order, so the purchase is sent later.
    await untilCharged(apiKey)
    controller.abort()
    const error = await rejectionOf(buying)
    assert.ok(error instanceof OutcomeUnknownError && error.intent instanceof Intent, error)
    let unclaimed = await client.unclaimed()
    assert.equal(unclaimed[0].outcome, 'pending')
    await release()
    while (unclaimed[0].outcome === 'pending') {
      await sleep(50)
      unclaimed = await client.unclaimed()
    }
    const [{ outcome, purchase, intent }] = unclaimed
    assert.equal(outcome, 'bought')
    assert.equal(JSON.stringify(intent), JSON.stringify(error.intent))
    assert.equal((await client.cancel(purchase.activationId)).state, 'cancelled')
    await sandbox.control(apiKey, 'assert', { charges: 1, refunds: 1 })
  })
})

describe('leases', () => {
  test('a lease with a code completes the order', async () => {
    const client = sandbox.client()
    const number = await client.lease('zz_ok', NUMBER)
    assert.ok(number instanceof Lease && number instanceof Activation)
    await number.waitForCode({ timeoutMs: 30_000 })
    await number[Symbol.asyncDispose]()
    const [order] = (await client.getOrders()).orders
    assert.equal(order.status, 'completed')
    assert.equal((await number.getStatus()).sms.code, order.code)
  })

  test('a lease without a code cancels once', async () => {
    const apiKey = 'lease-refund'
    const number = await sandbox.client({ apiKey }).lease('zz_never', NUMBER)
    assert.equal((await number.close()).state, 'cancelled')
    await number[Symbol.asyncDispose]()
    await sandbox.control(apiKey, 'assert', { charges: 1, refunds: 1 })
  })

  test('a kept lease leaves the order open', async () => {
    const apiKey = 'lease-kept'
    const number = await sandbox.client({ apiKey }).lease('zz_never', NUMBER)
    try {
      number.keep()
    } finally {
      assert.equal((await number.close()).state, 'kept')
    }
    await number[Symbol.asyncDispose]()
    await sandbox.control(apiKey, 'assert', { charges: 1, refunds: 0 })
  })

  test('an unsettled lease is unclaimed', async () => {
    const client = sandbox.client()
    const number = await client.lease('zz_early_cancel', NUMBER)
    const error = await rejectionOf(number.close({ onTooEarly: 'fail' }))
    assert.equal(error.kind, 'too_early')
    assert.ok(error.retryAfterMs > 0)
    const [{ outcome, purchase }] = await client.unclaimed()
    assert.deepEqual([outcome, purchase.activationId], ['bought', number.id])
  })

  test('leases settle after a failed Promise.all', async () => {
    const code = `
      import { setTimeout } from 'node:timers/promises'
      import { Client } from 'sastaotp'
      const client = new Client()
      let bought = 0
      async function leaseAndWait(service) {
        const number = await client.lease(service, { country: '22', maxPrice: 80 })
        bought++
        try {
          return await number.waitForCode({ timeoutMs: 300_000 })
        } finally {
          await number.close()
        }
      }
      async function failAfterTwo() {
        while (bought < 2) await setTimeout(5)
        await leaseAndWait('zz_nonumbers')
      }
      try {
        await Promise.all([leaseAndWait('zz_never'), leaseAndWait('zz_never'), failAfterTwo()])
      } catch (error) {
        console.log(error.name)
      } finally {
        client.close()
      }`
    const key = 'lease-of-several'
    assert.equal(await run(code, { key }), 'NoNumbersError\n')
    await sandbox.control(key, 'assert', { charges: 2, refunds: 2 })
  })

  test('leases of a closed client still settle', async () => {
    const apiKey = 'lease-closing'
    const client = sandbox.client({ apiKey })
    const [first, second, kept] = await Promise.all(
      Array.from({ length: 3 }, () => client.lease('zz_never', NUMBER))
    )
    const closing = first.close()
    client.close()
    assert.equal((await closing).state, 'cancelled')
    await assert.rejects(second.getStatus(), { name: 'ConfigError', message: /closed/ })
    kept.keep()
    assert.equal((await second.close()).state, 'cancelled')
    await sandbox.control(apiKey, 'assert', { charges: 3, refunds: 2 })
  })

  test('a lease bought during close is refunded', async () => {
    const apiKey = 'lease-bought-late'
    const release = await holdPurchases(apiKey)
    const client = sandbox.client({ apiKey })
    const refused = assert.rejects(client.lease('zz_never', NUMBER), OutcomeUnknownError)
    await untilCharged(apiKey)
    client.close()
    await refused
    await release()
    while ((await sandbox.control(apiKey, 'ledger')).refunds === 0) await sleep(20)
    await sandbox.control(apiKey, 'assert', { charges: 1, refunds: 1 })
  })

  test('a warning names the unsettled order after close', async () => {
    const client = sandbox.client()
    const number = await client.lease('zz_early_cancel', NUMBER)
    client.close()
    const warned = once(process, 'warning')
    await assert.rejects(number.close({ onTooEarly: 'fail' }), { name: 'TooEarlyError' })
    const [{ name, message }] = await warned
    assert.equal(name, 'SastaotpWarning')
    assert.equal(message, `the order ${number.id} could not be settled (TooEarlyError): it is open`)
  })

  test('an aborted close does not wait for workers', async () => {
    const hanging = []
    const { url, kill } = await serve((request, response) => {
      const query = new URL(request.url, 'http://any').searchParams
      if (query.get('service') === 'hangs') hanging.push(response)
      else response.end(query.get('action') === 'getNumber' ? JSON.stringify(BOUGHT) : '[]')
    })
    const client = sandbox.client({ baseUrl: url, workers: 2 })
    const number = await client.lease('tg', NUMBER)
    const purchases = ['1', '2'].map((country) =>
      client.getNumber('hangs', { ...NUMBER, country }).catch(() => {})
    )
    while (hanging.length < 2) await sleep(10)
    const controller = new AbortController()
    const closing = number.close({ signal: controller.signal })
    await sleep(100)
    const [{ reason }] = await assertSettlesAtOnce([closing], () => controller.abort())
    assert.equal(reason.name, 'AbortError')
    kill()
    await Promise.all(purchases)
    const isListed = ({ purchase }) => purchase?.activationId === BOUGHT.activation_id
    while (!(await client.unclaimed()).some(isListed)) await sleep(10)
    client.close()
  })

  test('a cancel race settles with its code', async () => {
    const number = await sandbox.client().lease('zz_cancel_race', NUMBER)
    await assert.rejects(number.waitForCode({ timeoutMs: 0 }), { name: 'WaitTimeoutError' })
    const settlement = await number.close()
    assert.equal(settlement.state, 'completed')
    assert.match(settlement.code.code, /^\d{6}$/)
    assert.equal(await number.close(), settlement)
  })

  // `nth` is the first setStatus that fails. In a cancel race, the first setStatus is the cancel.
  for (const [service, timeoutMs, nth] of [
    ['zz_ok', 30_000, 1],
    ['zz_cancel_race', 0, 2]
  ]) {
    test(`${service}: a failed completion still returns the code`, async () => {
      const apiKey = `lease-code-${service}`
      // Two polls of a number are 5 seconds apart.
      const client = sandbox.client({ apiKey, timeoutMs: timeoutMs === 0 ? 15_000 : 2000 })
      const fault = { match: { action: 'setStatus' }, nth, fault: 'H07', times: 0 }
      await sandbox.control(apiKey, 'faults', fault)
      const number = await client.lease(service, NUMBER)
      const sms = await number.waitForCode({ timeoutMs }).catch((error) => error.name)
      const warned = once(process, 'warning')
      const { state, code } = await number.close()
      const [order] = (await client.getOrders()).orders
      assert.deepEqual([state, code.code, order.status], ['code_arrived', order.code, 'pending'])
      assert.equal(timeoutMs === 0 ? 'WaitTimeoutError' : code.code, sms.code ?? sms)
      assert.deepEqual(
        (await client.unclaimed()).map(({ purchase }) => purchase.activationId),
        [number.id]
      )
      const [{ message }] = await warned
      assert.equal(message, `the order ${number.id} could not be settled (ServerError): it is open`)
    })
  }
})

test('activation claims a number', async () => {
  const client = sandbox.client()
  const { id, phoneNumber } = await client.getNumber('zz_never', NUMBER)
  await client.markUnclaimed(id)
  assert.equal((await client.unclaimed()).length, 1)
  await client.getStatus(id)
  assert.equal((await client.unclaimed()).length, 1, 'a call by id does not claim it')
  const number = await client.activation(id)
  assert.equal((await client.unclaimed()).length, 0)
  assert.equal(number.phoneNumber, phoneNumber)
  assert.equal((await number.cancel()).state, 'cancelled')
  await assert.rejects(client.activation(7), { name: 'ConfigError' })
})

describe('the order history', () => {
  test('iteration yields each order once', async () => {
    const apiKey = 'history'
    await sandbox.control(apiKey, 'seed', { wallet: '100000' })
    const client = sandbox.client({ apiKey })
    await Promise.all(Array.from({ length: 230 }, () => client.getNumber('zz_never', NUMBER)))
    const ids = []
    for await (const { orderId } of client.orders()) ids.push(Number(orderId))
    assert.equal(new Set(ids).size, 230)
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => b - a)
    )
    for await (const _ of client.orders({ status: 'completed' })) assert.fail('none is completed')
  })

  test('a short page does not end the iteration', async () => {
    const { url, stop } = await serve((request, response) => {
      const page = Number(new URL(request.url, 'http://any').searchParams.get('page'))
      const newest = 45 - 20 * (page - 1)
      const orders = Array.from({ length: Math.min(newest, 20) }, (_, index) => ({
        order_id: newest - index
      }))
      const body = JSON.stringify({ total: 45, orders })
      response.writeHead(200, { 'Content-Length': Buffer.byteLength(body) }).end(body)
    })
    const ids = []
    const client = sandbox.client({ apiKey: 'pages', baseUrl: url })
    for await (const { orderId } of client.orders()) ids.push(Number(orderId))
    assert.deepEqual(
      ids,
      Array.from({ length: 45 }, (_, index) => 45 - index)
    )
    stop()
  })
})

test('amounts are numbers and exact micros', async () => {
  const apiKey = 'amounts'
  await sandbox.control(apiKey, 'seed', { wallet: '12345678.901234' })
  const client = sandbox.client({ apiKey, budget: '99.999999' })
  const { amount, amountMicros } = await client.getBalance()
  assert.deepEqual([amount, amountMicros], [12345678.901234, 12345678901234])
  assert.deepEqual(await client.budgetLeft(), {
    budgetLeft: 99.999999,
    budgetLeftMicros: 99999999
  })
})

test('lists carry the reply as hidden `raw`', async () => {
  const client = sandbox.client()
  const lists = [await client.getPrices(), await client.getServices(), await client.getCountries()]
  for (const list of lists) {
    assert.ok(list.length > 5 && Array.isArray(list))
    assert.ok(JSON.stringify(list.raw).length > 100)
    assert.ok(!Object.keys(list).includes('raw'))
  }
})

test('a time beyond Date is null', async () => {
  const bought = JSON.stringify({ ...BOUGHT, expires_in: 1e17 })
  const { url, stop } = await serve((request, response) => {
    response.end(request.url.includes('action=getNumber') ? bought : '[]')
  })
  const number = await sandbox.client({ baseUrl: url }).getNumber('tg', NUMBER)
  assert.deepEqual([number.id, number.expiresAt], ['7', null])
  stop()
})

test('a saved intent keeps its watermark as text', () => {
  // The last watermark exceeds the safe integers.
  for (const watermark of ['0', '7', '18446744073709551615', null]) {
    const document = {
      intent_id: '00000000000000aa',
      action: 'getNumber',
      service: 'tg',
      country: null,
      operator: null,
      multi_sms: false,
      parameters: {},
      max_price_micros: 1,
      started_at_ms: 1,
      watermark
    }
    const saved = JSON.stringify(document)
    const intent = Intent.fromJSON(saved)
    assert.equal(intent.watermark, watermark)
    assert.deepEqual([intent.id, intent.regetOf], ['00000000000000aa', undefined])
    assert.equal(intent.startedAt.getTime(), 1)
    assert.equal(JSON.stringify(intent), saved)
    assert.equal(JSON.stringify(Intent.fromJSON(intent.toJSON())), saved)
  }
})

test('an intent names the activation of a reget', () => {
  const saved = {
    intent_id: '00000000000000aa',
    action: 'regetNumber',
    id: '7',
    phone_number: '919900000000',
    max_price_micros: 1,
    started_at_ms: 1,
    watermark: null
  }
  const intent = Intent.fromJSON(saved)
  assert.deepEqual([intent.id, intent.regetOf], ['00000000000000aa', '7'])
  assert.equal(intent.phoneNumber, '919900000000')
  assert.deepEqual(intent.toJSON(), saved)
})

/**
 * Defines `descriptors`, which counts the open file descriptors of the process, or on Windows the
 * queues that are not freed: each has a socket.
 */
const COUNT_DESCRIPTORS =
  process.platform === 'win32'
    ? `
      import { createRequire } from 'node:module'
      const require = createRequire(import.meta.url)
      const functions = require(${JSON.stringify(modulePath('native.js'))}).native()
      let queues = 0
      function count(name, change) {
        const original = functions[name]
        functions[name] = (...args) => {
          queues += change
          return original(...args)
        }
      }
      count('queue_new', 1)
      count('queue_free', -1)
      const descriptors = () => queues`
    : `
      import { readdirSync } from 'node:fs'
      const descriptors = () => readdirSync('/dev/fd').length`

describe('the process', () => {
  test('an idle client lets the process exit', async () => {
    const code = `
      import { Client } from 'sastaotp'
      const client = new Client()
      await client.getBalance()
      client.getBalance().then(() => console.log('done'))`
    assert.equal(await run(code), 'done\n')
  })

  test('a pending call keeps the process alive', async () => {
    const code = `
      import { Client } from 'sastaotp'
      const client = new Client()
      const { id } = await client.getNumber('zz_never', { country: '22', maxPrice: 100 })
      client.waitForCode(id, { timeoutMs: 1500 }).catch((error) => console.log(error.name))`
    assert.equal(await run(code, { key: 'stays' }), 'WaitTimeoutError\n')
  })

  test('close settles pending calls and refuses new ones', async () => {
    const client = sandbox.client()
    const { id } = await client.getNumber('zz_never', NUMBER)
    const waiting = client.waitForCode(id, { timeoutMs: 60_000 })
    client.close()
    client.close()
    await assert.rejects(waiting, { name: 'AbortError' })
    await assert.rejects(client.getBalance(), { name: 'ConfigError', message: /closed/ })
  })

  test('a sandbox that cannot run says why', async () => {
    const code = `
      import { Sandbox } from 'sastaotp/testing'
      // A file that is no program.
      process.env.SASTAOTP_SANDBOX = ${JSON.stringify(import.meta.filename)}
      await Sandbox.start().catch((error) => console.log(error.message))`
    assert.match(await run(code), /^starting .*: make the program executable, or install/)
  })

  test('the sandbox exits with a killed process', async () => {
    const code = `
      import { Sandbox } from 'sastaotp/testing'
      console.log((await Sandbox.start()).url)
      setInterval(() => {}, 1000)`
    for (const signal of ['SIGTERM', 'SIGKILL']) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
        cwd: import.meta.dirname
      })
      const [url] = await once(createInterface(child.stdout), 'line')
      const health = () => fetch(new URL('/_sandbox/health', url))
      assert.ok((await health()).ok)
      child.kill(signal)
      await once(child, 'exit')
      while (await health().catch(() => null)) await sleep(20)
    }
  })

  test('a garbage-collected client is freed', async () => {
    const code = `
      import { setTimeout } from 'node:timers/promises'
      import { Client } from 'sastaotp'
      ${COUNT_DESCRIPTORS}
      const before = descriptors()
      for (let i = 0; i < 50; i++) await new Client().budgetLeft()
      const during = descriptors()
      for (let i = 0; i < 200 && descriptors() > before + 5; i++) { gc(); await setTimeout(50) }
      console.log(during - before >= 40, descriptors() - before <= 5)`
    assert.equal(await run(code, { args: ['--expose-gc'] }), 'true true\n')
  })

  /** Ways to end a process while a hundred reads and five waits are pending. */
  const EXITS = {
    'process.exit': 'process.exit(0)',
    'an uncaught exception': `
      process.on('uncaughtException', () => process.exit(0))
      throw new Error('on purpose')`
  }
  const START_CALLS = `
    const { Client } = require('sastaotp')
    async function startCalls(apiKey, end) {
      const client = new Client({ apiKey })
      const numbers = await Promise.all(
        Array.from({ length: 5 }, () =>
          client.getNumber('zz_never', { country: '22', maxPrice: 20 })))
      for (const number of numbers) number.waitForCode({ timeoutMs: 60_000 }).catch(() => {})
      for (let i = 0; i < 100; i++) client.getBalance().catch(() => {})
      end()
    }`
  for (const [name, exit] of Object.entries(EXITS)) {
    test(`${name} with pending calls is clean`, async () => {
      const code = `${START_CALLS}
        const pause = Number(process.argv[1]) % 7
        startCalls(process.env.SASTAOTP_API_KEY, () => setTimeout(() => { ${exit} }, pause))`
      for (let round = 0; round < 30; round++) {
        const key = `${name.replaceAll(' ', '-')}-${round}`
        await run(code, { type: 'commonjs', key, argument: String(round) })
      }
    })
  }
  test('terminating workers with pending calls is clean', async () => {
    // Every third worker exits, and the others are terminated.
    const code = `
      const { Worker } = require('node:worker_threads')
      const source = ${JSON.stringify(START_CALLS)} + \`
        const { parentPort, workerData: round } = require('node:worker_threads')
        startCalls('worker-' + round, () => {
          parentPort.postMessage('pending')
          if (round % 3 === 0) setTimeout(() => process.exit(0), round % 7)
        })\`
      const runWorker = (round) => new Promise((resolve, reject) => {
        const worker = new Worker(source, { eval: true, workerData: round })
        worker.on('error', reject).on('exit', resolve)
        worker.on('message', () => {
          if (round % 3 !== 0) setTimeout(() => worker.terminate(), round % 7)
        })
      })
      async function runWorkers() {
        for (let round = 0; round < 30; round++) await runWorker(round)
        console.log('clean')
      }
      runWorkers()`
    assert.equal(await run(code, { type: 'commonjs', timeout: 900_000 }), 'clean\n')
  })
})

describe('the event loop', () => {
  const { BATCH_SIZE } = privateModule('queue.js')
  const native = privateModule('native.js').native()

  /** Records each `queue_take` of the package: queue, timeout, count, and turn of the loop. */
  function recordTakes() {
    const original = native.queue_take
    const takes = []
    let turn = 0
    let next = setImmediate(function count() {
      turn++
      next = setImmediate(count)
    })
    native.queue_take = (queue, batch, capacity, timeoutMs, countOut, errorOut) => {
      const result = original(queue, batch, capacity, timeoutMs, countOut, errorOut)
      takes.push({ queue, timeoutMs, count: Number(countOut[0]), turn })
      return result
    }
    const stop = () => {
      native.queue_take = original
      clearImmediate(next)
    }
    return { takes, stop }
  }

  test('no call blocks the event loop', async () => {
    const client = sandbox.client()
    const { id } = await client.getNumber('zz_never', NUMBER)
    const controller = new AbortController()
    const { signal } = controller
    const waits = Array.from({ length: 1000 }, () =>
      client.waitForCode(id, { timeoutMs: 60_000, signal })
    )
    const { takes, stop } = recordTakes()
    await Promise.all(Array.from({ length: 500 }, () => client.budgetLeft()))
    await Promise.all(Array.from({ length: 100 }, () => client.getBalance()))
    stop()
    assert.ok(takes.every(({ timeoutMs }) => timeoutMs === 0))
    assert.ok(takes.every(({ count }) => count <= BATCH_SIZE))
    // Clients of earlier tests may still settle orders.
    const queues = [...new Set(takes.map(({ queue }) => queue))]
    const turns = new Set(takes.map(({ queue, turn }) => `${queues.indexOf(queue)} ${turn}`))
    assert.equal(turns.size, takes.length, 'two batches in one turn of the event loop')
    controller.abort()
    await Promise.allSettled(waits)
  })
})
