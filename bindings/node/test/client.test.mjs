// The client in JavaScript's habits: signals, iterators, leases, one class identity, the life of the process.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { getEventListeners, once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { AbortError, Activation, Intent, Lease, OutcomeUnknownError } from 'sastaotp'
import { CHECKOUT, NUMBER, quickest, run, sandbox } from './harness.mjs'

const require = createRequire(import.meta.url)

test('ESM and CommonJS give the same objects', async () => {
  for (const name of ['sastaotp', 'sastaotp/testing']) {
    const [imported, required] = [await import(name), require(name)]
    for (const key of Object.keys(required)) assert.equal(imported[key], required[key], key)
    assert.deepEqual(Object.keys(imported).sort(), Object.keys(required).sort())
  }
})

test('the settings come from the environment where they are not given', async () => {
  const said = await run(
    `import { Client } from 'sastaotp'; console.log((await new Client().getBalance()).amount)`
  )
  assert.equal(said, '1000\n')
})

/** A slow way to the sandbox: replies arrive half a second late. */
async function slowWay() {
  const way = createServer(async (request, response) => {
    const reply = await fetch(new URL(request.url, sandbox.url), {
      headers: { 'X-API-Key': request.headers['x-api-key'] }
    })
    const body = await reply.text()
    await sleep(500)
    response.writeHead(reply.status, { 'Content-Length': Buffer.byteLength(body) }).end(body)
  })
  await once(way.listen(0, '127.0.0.1'), 'listening')
  return { way, baseUrl: `http://127.0.0.1:${way.address().port}${new URL(sandbox.url).pathname}` }
}

describe('signals', () => {
  test('an aborted call settles at once, with the reason of its signal', async () => {
    const client = sandbox.client()
    const number = await client.getNumber('zz_never', NUMBER)
    const controller = new AbortController()
    const waiting = number.waitForCode({ timeoutMs: 60_000, signal: controller.signal })
    await sleep(50)
    const reason = new Error('the user left')
    const began = performance.now()
    controller.abort(reason)
    const error = await waiting.catch((thrown) => thrown)
    assert.ok(performance.now() - began < 20)
    assert.ok(error instanceof AbortError)
    assert.deepEqual(
      [error.name, error.code, error.cause, error.charge],
      ['AbortError', 'ABORT_ERR', reason, 'not_charged']
    )
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
    // The activation is as it was.
    assert.equal((await number.cancel()).state, 'cancelled')
  })

  test('a call whose signal is aborted already sends nothing', async () => {
    const apiKey = 'signal-before'
    const error = await sandbox
      .client({ apiKey })
      .getNumber('tg', { ...NUMBER, signal: AbortSignal.abort() })
      .catch((thrown) => thrown)
    assert.ok(error instanceof AbortError && error.charge === 'not_charged')
    await sandbox.control(apiKey, 'assert', { charges: 0 })
  })

  test('a signal that cannot be listened to ends its call alone, and nothing is sent', async () => {
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

  test('an operation that is refused leaves no listener on its signal', async () => {
    const { signal } = new AbortController()
    await assert.rejects(sandbox.client().getStatus('1', { sigal: 1, signal }), {
      name: 'ConfigError'
    })
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  test('a thousand calls on one signal: one listener, no warning, and all settle at once', async () => {
    const warnings = []
    const warned = (warning) => warnings.push(warning)
    process.on('warning', warned)
    const client = sandbox.client()
    const { id } = await client.getNumber('zz_never', NUMBER)
    const round = async () => {
      const controller = new AbortController()
      const { signal } = controller
      const waits = Array.from({ length: 1000 }, () =>
        client.waitForCode(id, { timeoutMs: 60_000, signal })
      )
      await sleep(100)
      assert.equal(getEventListeners(signal, 'abort').length, 1)
      const began = performance.now()
      controller.abort()
      const names = await Promise.all(waits.map((wait) => wait.catch((error) => error.name)))
      const took = performance.now() - began
      assert.ok(names.every((name) => name === 'AbortError'))
      assert.equal(getEventListeners(signal, 'abort').length, 0)
      return took
    }
    await quickest('a thousand aborted waits', 100, round)
    await sleep(10)
    process.off('warning', warned)
    assert.deepEqual(warnings, [])
  })

  test('a purchase whose call was aborted is listed when its reply comes', async () => {
    const { way, baseUrl } = await slowWay()
    const apiKey = 'aborted-purchase'
    const client = sandbox.client({ apiKey, baseUrl })
    const controller = new AbortController()
    // Before it is sent, the newest order is asked for.
    const buying = client.getNumber('zz_never', { ...NUMBER, signal: controller.signal })
    while ((await sandbox.control(apiKey, 'ledger')).charges === 0) await sleep(20)
    controller.abort()
    const error = await buying.catch((thrown) => thrown)
    assert.ok(
      error instanceof OutcomeUnknownError &&
        error.name === 'AbortError' &&
        error.intent instanceof Intent,
      error
    )
    let listed = await client.unclaimed()
    assert.equal(listed[0].outcome, 'pending')
    while (listed[0].outcome === 'pending') {
      await sleep(50)
      listed = await client.unclaimed()
    }
    const [{ outcome, purchase, intent }] = listed
    assert.equal(outcome, 'bought')
    assert.equal(JSON.stringify(intent), JSON.stringify(error.intent))
    assert.equal((await client.cancel(purchase.activationId)).state, 'cancelled')
    await sandbox.control(apiKey, 'assert', { charges: 1, refunds: 1 })
    way.close()
  })
})

describe('leases', () => {
  test('a lease completes when a code came', async () => {
    const client = sandbox.client()
    const number = await client.lease('zz_ok', NUMBER)
    assert.ok(number instanceof Lease && number instanceof Activation)
    await number.waitForCode({ timeoutMs: 30_000 })
    await number[Symbol.asyncDispose]()
    const [order] = (await client.getOrders()).orders
    assert.equal(order.status, 'completed')
    assert.equal((await number.getStatus()).sms.code, order.code)
  })

  test('a lease cancels for the refund where no code came, once', async () => {
    const apiKey = 'lease-refund'
    const number = await sandbox.client({ apiKey }).lease('zz_never', NUMBER)
    assert.equal((await number.close()).state, 'cancelled')
    await number[Symbol.asyncDispose]()
    await sandbox.control(apiKey, 'assert', { charges: 1, refunds: 1 })
  })

  test('a lease that is kept leaves the order as it is', async () => {
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

  test('a lease that cannot be settled is listed', async () => {
    const client = sandbox.client()
    const number = await client.lease('zz_early_cancel', NUMBER)
    const error = await number.close({ waitOut: false }).catch((thrown) => thrown)
    assert.equal(error.status, 'too_early')
    assert.ok(error.retryAfterMs > 0)
    const [{ outcome, purchase }] = await client.unclaimed()
    assert.deepEqual([outcome, purchase.activationId], ['bought', number.id])
  })

  test('one of several fails and the client is closed: the numbers of the others are refunded', async () => {
    const code = `
      import { setTimeout } from 'node:timers/promises'
      import { Client } from 'sastaotp'
      const client = new Client()
      let bought = 0
      async function one(service) {
        const number = await client.lease(service, { country: '22', maxPrice: 80 })
        bought++
        try {
          return await number.waitForCode({ timeoutMs: 300_000 })
        } finally {
          await number.close()
        }
      }
      async function last() {
        while (bought < 2) await setTimeout(5)
        await one('zz_nonumbers')
      }
      try {
        await Promise.all([one('zz_never'), one('zz_never'), last()])
      } catch (error) {
        console.log(error.name)
      } finally {
        client.close()
      }`
    assert.equal(await run(code, { key: 'lease-of-several', timeout: 20_000 }), 'NoNumbersError\n')
    await sandbox.control('lease-of-several', 'assert', { charges: 2, refunds: 2 })
  })

  test('closing a client does not cancel a lease that settles, and lets those that are open settle later', async () => {
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

  test('what was being bought for a lease as its client was closed is refunded when the reply comes', async () => {
    const { way, baseUrl } = await slowWay()
    const apiKey = 'lease-bought-late'
    const client = sandbox.client({ apiKey, baseUrl })
    const buying = client.lease('zz_never', NUMBER)
    const refused = assert.rejects(buying, OutcomeUnknownError)
    while ((await sandbox.control(apiKey, 'ledger')).charges === 0) await sleep(20)
    client.close()
    await refused
    while ((await sandbox.control(apiKey, 'ledger')).refunds === 0) await sleep(20)
    await sandbox.control(apiKey, 'assert', { charges: 1, refunds: 1 })
    way.close()
  })

  test('a lease that cannot be settled after its client was closed is told by its id', async () => {
    const client = sandbox.client()
    const number = await client.lease('zz_early_cancel', NUMBER)
    client.close()
    const warned = once(process, 'warning')
    await assert.rejects(number.close({ waitOut: false }), { name: 'TooEarlyError' })
    const [{ name, message }] = await warned
    assert.equal(name, 'SastaotpWarning')
    assert.equal(message, `the order ${number.id} could not be settled (TooEarlyError): it is open`)
  })

  test('a lease whose close is aborted ends at once, also while all workers are busy', async () => {
    const bought = JSON.stringify({
      status: 'OK',
      activation_id: '7',
      phone_number: '919876543210',
      expires_in: 1200
    })
    const hung = []
    const service = createServer((request, response) => {
      const asked = new URL(request.url, 'http://any').searchParams
      if (asked.get('service') === 'hangs') hung.push(response)
      else response.end(asked.get('action') === 'getNumber' ? bought : '[]')
    })
    await once(service.listen(0, '127.0.0.1'), 'listening')
    const client = sandbox.client({
      baseUrl: `http://127.0.0.1:${service.address().port}/`,
      workers: 2
    })
    const number = await client.lease('tg', NUMBER)
    const purchases = ['1', '2'].map((country) =>
      client.getNumber('hangs', { ...NUMBER, country }).catch(() => {})
    )
    while (hung.length < 2) await sleep(10)
    const began = performance.now()
    await assert.rejects(number.close({ signal: AbortSignal.timeout(100) }), { name: 'AbortError' })
    assert.ok(performance.now() - began < 1000)
    service.close()
    service.closeAllConnections()
    await Promise.all(purchases)
    while (!(await client.unclaimed()).some(({ purchase }) => purchase?.activationId === '7'))
      await sleep(10)
    client.close()
  })

  test('a code that comes as the order is cancelled is in the settlement, which is given again', async () => {
    const number = await sandbox.client().lease('zz_cancel_race', NUMBER)
    await assert.rejects(number.waitForCode({ timeoutMs: 0 }), { name: 'WaitTimeoutError' })
    const settlement = await number.close()
    assert.equal(settlement.state, 'completed')
    assert.match(settlement.code.code, /^\d{6}$/)
    assert.equal(await number.close(), settlement)
  })

  // The first setStatus of each that fails: of the second story, the one before is the cancellation.
  for (const [service, timeoutMs, nth] of [
    ['zz_ok', 30_000, 1],
    ['zz_cancel_race', 0, 2]
  ]) {
    test(`completing fails: the code of ${service} is returned all the same, and the number listed`, async () => {
      const apiKey = `lease-code-${service}`
      const client = sandbox.client({ apiKey, timeoutMs: 2000 })
      await sandbox.control(apiKey, 'faults', {
        match: { action: 'setStatus' },
        nth,
        fault: 'H07',
        times: 0
      })
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

test('a number is listed as unclaimed until the first call on it', async () => {
  const client = sandbox.client()
  const { id } = await client.getNumber('zz_never', NUMBER)
  await client.leave(id)
  const number = client.activation(id)
  assert.equal((await client.unclaimed()).length, 1)
  await number.getStatus()
  assert.equal((await client.unclaimed()).length, 0)
})

test('the order history is gone through to its end, and each order comes once', async () => {
  const apiKey = 'history'
  await sandbox.control(apiKey, 'seed', { wallet: '100000' })
  const client = sandbox.client({ apiKey })
  await Promise.all(Array.from({ length: 230 }, () => client.getNumber('zz_never', NUMBER)))
  const ids = []
  for await (const { orderId } of client.orders()) ids.push(Number(orderId))
  assert.equal(new Set(ids).size, 230)
  assert.deepEqual(
    ids,
    ids.toSorted((one, other) => other - one)
  )
  for await (const _ of client.orders({ status: 'completed' })) assert.fail('none is completed')
})

test('pages that are shorter than asked do not end the order history', async () => {
  const server = createServer((request, response) => {
    const first = 45 - 20 * (new URL(request.url, sandbox.url).searchParams.get('page') - 1)
    const orders = Array.from({ length: Math.min(first, 20) }, (_, at) => ({
      order_id: first - at
    }))
    const body = JSON.stringify({ total: 45, orders })
    response.writeHead(200, { 'Content-Length': Buffer.byteLength(body) }).end(body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const ids = []
  const client = sandbox.client({
    apiKey: 'pages',
    baseUrl: `http://127.0.0.1:${server.address().port}/`
  })
  for await (const { orderId } of client.orders()) ids.push(Number(orderId))
  assert.deepEqual(
    ids,
    Array.from({ length: 45 }, (_, at) => 45 - at)
  )
  server.close()
})

test('amounts are exact beside their numbers, and lists have their reply', async () => {
  const apiKey = 'amounts'
  await sandbox.control(apiKey, 'seed', { wallet: '12345678.901234' })
  const client = sandbox.client({ apiKey, budget: '99.999999' })
  const { amount, amountMicros } = await client.getBalance()
  assert.deepEqual([amount, amountMicros], [12345678.901234, 12345678901234])
  assert.deepEqual(await client.budgetLeft(), { budgetLeft: 99.999999, budgetLeftMicros: 99999999 })
  for (const list of [
    await client.getPrices(),
    await client.getServices(),
    await client.getCountries()
  ]) {
    assert.ok(list.length > 5 && Array.isArray(list))
    assert.ok(JSON.stringify(list.raw).length > 100)
    assert.ok(!Object.keys(list).includes('raw'))
  }
})

test('a time that no Date reaches is null', async () => {
  const bought = {
    status: 'OK',
    activation_id: '7',
    phone_number: '919876543210',
    expires_in: 1e17
  }
  const service = createServer((request, response) => {
    response.end(request.url.includes('action=getNumber') ? JSON.stringify(bought) : '[]')
  })
  await once(service.listen(0, '127.0.0.1'), 'listening')
  const client = sandbox.client({ baseUrl: `http://127.0.0.1:${service.address().port}/` })
  const number = await client.getNumber('tg', NUMBER)
  assert.deepEqual([number.id, number.expiresAt], ['7', null])
  service.close()
  service.closeAllConnections()
})

test('an intent is saved as other languages read it, its order id as a number', () => {
  // The second and the third are as earlier versions saved them, and the last is more than a number holds.
  for (const saved of [
    '0',
    '"7"',
    '"9007199254740991"',
    '9007199254740991',
    '18446744073709551615',
    'null'
  ]) {
    const before =
      '{"action":"getNumber","service":"tg","country":null,"operator":null,"multi_sms":false,"max_price_micros":1,"started_ms":1,"watermark":'
    const intent = Intent.fromJSON(`${before}${saved}}`)
    const id = saved.replaceAll('"', '')
    assert.equal(intent.watermark, id === 'null' ? null : id)
    // Node 20 writes text where it has no exact number.
    const written = id.length > 16 && !JSON.rawJSON ? `"${id}"` : id
    assert.equal(JSON.stringify(intent), `${before}${written}}`)
    assert.equal(JSON.stringify(Intent.fromJSON(intent.toJSON())), JSON.stringify(intent))
  }
})

describe('the process', () => {
  test('it ends by itself when nothing is open, and stays while something is', async () => {
    const code = `
      import { Client } from 'sastaotp'
      const client = new Client()
      await client.getBalance()
      client.getBalance().then(() => console.log('done'))`
    assert.equal(await run(code), 'done\n')
    const open = `
      import { Client } from 'sastaotp'
      const client = new Client()
      const { id } = await client.getNumber('zz_never', { country: '22', maxPrice: 100 })
      client.waitForCode(id, { timeoutMs: 1500 }).catch((error) => console.log(error.name))`
    assert.equal(await run(open, { key: 'stays' }), 'WaitTimeoutError\n')
  })

  test('a client that is closed settles what is open, and refuses more', async () => {
    const client = sandbox.client()
    const { id } = await client.getNumber('zz_never', NUMBER)
    const waiting = client.waitForCode(id, { timeoutMs: 60_000 })
    client.close()
    client.close()
    await assert.rejects(waiting, { name: 'AbortError' })
    await assert.rejects(client.getBalance(), { name: 'ConfigError', message: /closed/ })
  })

  test('a process that is killed takes its sandbox along', async () => {
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

  test('a client that nobody has any longer is ended', async () => {
    const code = `
      import { readdirSync } from 'node:fs'
      import { setTimeout } from 'node:timers/promises'
      import { Client } from 'sastaotp'
      const descriptors = () => readdirSync('/proc/self/fd').length
      const before = descriptors()
      for (let i = 0; i < 50; i++) await new Client().budgetLeft()
      const during = descriptors()
      for (let i = 0; i < 20 && descriptors() > before + 5; i++) { gc(); await setTimeout(50) }
      console.log(during - before >= 40, descriptors() - before <= 5)`
    assert.equal(await run(code, { args: ['--expose-gc'] }), 'true true\n')
  })

  // Each of them leaves a hundred reads and five waits behind, thirty times.
  const ENDS = {
    'process.exit': `process.exit(0)`,
    'an exception that nobody catches': `process.on('uncaughtException', () => process.exit(0)); throw new Error('on purpose')`
  }
  const BUSY = `
    const { Client } = require('sastaotp')
    const busy = async (key, end) => {
      const client = new Client({ apiKey: key })
      const numbers = await Promise.all(Array.from({ length: 5 }, () => client.getNumber('zz_never', { country: '22', maxPrice: 20 })))
      for (const number of numbers) number.waitForCode({ timeoutMs: 60_000 }).catch(() => {})
      for (let i = 0; i < 100; i++) client.getBalance().catch(() => {})
      end()
    }`
  for (const [name, end] of Object.entries(ENDS)) {
    test(`${name} with calls open is clean, 30 of 30`, { timeout: 120_000 }, async () => {
      const code = `${BUSY}; busy(process.env.SASTAOTP_API_KEY, () => setTimeout(() => { ${end} }, Number(process.argv[1]) % 7))`
      for (let round = 0; round < 30; round++) {
        await run(code, {
          type: 'commonjs',
          key: `${name.replaceAll(' ', '-')}-${round}`,
          argument: String(round)
        })
      }
    })
  }
  test('worker threads work, and ending them with calls open is clean, 30 of 30', {
    timeout: 120_000
  }, async () => {
    const code = `
      const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads')
      ${BUSY}
      const source = ${JSON.stringify(BUSY)} + \`
        const { parentPort, workerData } = require('node:worker_threads')
        busy('worker-' + workerData, () => {
          parentPort.postMessage('busy')
          if (workerData % 3 === 0) setTimeout(() => process.exit(0), workerData % 7)
        })\`
      const one = (round) => new Promise((resolve, reject) => {
        const worker = new Worker(source, { eval: true, workerData: round })
        worker.on('error', reject).on('exit', resolve)
        worker.on('message', () => round % 3 === 0 || setTimeout(() => worker.terminate(), round % 7))
      })
      const all = async () => { for (let round = 0; round < 30; round++) await one(round); console.log('clean') }
      all()`
    assert.equal(await run(code, { type: 'commonjs', timeout: 100_000 }), 'clean\n')
  })
})

test('a thousand waits and a hundred calls do not hold up the event loop', async () => {
  const client = sandbox.client()
  const { id } = await client.getNumber('zz_never', NUMBER)
  await quickest('fs.readFile beside 1,000 waits and 100 calls', 20, async () => {
    const controller = new AbortController()
    const { signal } = controller
    const waits = Array.from({ length: 1000 }, () =>
      client.waitForCode(id, { timeoutMs: 60_000, signal })
    )
    const calls = Array.from({ length: 100 }, () => client.getBalance())
    const took = []
    while (took.length < 60) {
      const began = performance.now()
      await readFile(`${CHECKOUT}/Cargo.toml`)
      took.push(performance.now() - began)
      await sleep(5)
    }
    await Promise.all(calls)
    controller.abort()
    await Promise.allSettled(waits)
    return Math.max(...took)
  })
})
