// Purchases: their statements, their records, and who holds them.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import {
  AbortError,
  AlreadySentError,
  ConfigError,
  Intent,
  OutcomeUnknownError,
  PriceTooHighError
} from 'sastaotp'
import { holdPurchases, NUMBER, rejectionOf, run, sandbox, serve } from './harness.mjs'

/** A fault of the sandbox: the purchase is not made, and its reply is no reply of the service. */
const NOT_MADE = { match: { action: 'getNumber' }, fault: 'html_page', body: '<html>oops</html>' }

const idsOf = (list) => list.map(({ purchase }) => purchase?.activationId)

describe('statements', () => {
  const REFUSED = [
    [{ maxPrice: 1 }, /no country/],
    [{ country: undefined, maxPrice: 1 }, /no country/],
    [{ country: null, maxPrice: 1 }, /no country/],
    [{ anyCountry: undefined, maxPrice: 1 }, /no country/],
    [{ anyCountry: false, maxPrice: 1 }, /no country/],
    [{ country: null, operator: null, anyCountry: null, maxPrice: 1 }, /no country/],
    [{ country: '', maxPrice: 1 }, /country/],
    [{ country: '22', anyCountry: true, maxPrice: 1 }, /`anyCountry` and `country` disagree/],
    [{ operator: '22', anyCountry: true, maxPrice: 1 }, /`anyCountry` and `operator` disagree/],
    [{ country: '22' }, /no price limit/],
    [{ country: '22', maxPrice: undefined }, /no price limit/],
    [{ country: '22', maxPrice: null, maxPriceMicros: null }, /no price limit/],
    [{ country: '22', acceptAnyPrice: false }, /no price limit/],
    [
      { country: '22', maxPrice: 20, maxPriceMicros: 9_000_000 },
      /`maxPrice` and `maxPriceMicros` disagree/
    ],
    [{ country: '22', maxPrice: 20, acceptAnyPrice: true }, /`acceptAnyPrice` and `maxPrice`/],
    [
      { country: '22', maxPriceMicros: 20, acceptAnyPrice: true },
      /`acceptAnyPrice` and `maxPriceMicros`/
    ],
    // The core's own names would replace the options.
    [{ country: '22', maxPrice: 10, max_price: '900' }, /no option max_price: use maxPrice/],
    [{ max_price: '900', country: '22', maxPrice: 10 }, /no option max_price: use maxPrice/],
    [{ any_country: true, maxPrice: 10 }, /no option any_country: use anyCountry/],
    [{ country: '22', maxPrice: 10, service: 'wa' }, /service is both an argument and an option/],
    [{ country: '22', maxPrice: 10, op: 'lease' }, /no option op/]
  ]
  test('a purchase without one clear statement is refused', async () => {
    const apiKey = 'statements'
    const client = sandbox.client({ apiKey })
    for (const [options, message] of REFUSED) {
      for (const method of ['getNumber', 'lease', 'intend']) {
        const error = await rejectionOf(client[method]('tg', options))
        assert.ok(error instanceof ConfigError && error.charge === 'not_charged', inspect(error))
        assert.match(error.message, message, inspect(options))
      }
    }
    await sandbox.control(apiKey, 'assert', { charges: 0 })
  })

  test('a new purchase of a number states a price', async () => {
    const apiKey = 'statements-reget'
    const client = sandbox.client({ apiKey })
    for (const options of [undefined, {}, { maxPrice: null }, { maxPrice: 1, maxPriceMicros: 2 }]) {
      const error = await rejectionOf(client.regetNumber('1', options))
      assert.match(error.message, /no price limit|disagree/, inspect(options))
      assert.ok(error instanceof ConfigError, inspect(error))
    }
    const number = await client.getNumber('zz_ok', NUMBER)
    await number.waitForCode({ timeoutMs: 60_000 })
    await number.complete()
    const error = await rejectionOf(number.regetNumber({ maxPriceMicros: number.priceMicros - 1 }))
    assert.ok(error instanceof PriceTooHighError && error.charge === 'not_charged', inspect(error))
    await sandbox.control(apiKey, 'assert', { charges: 1 })
  })

  test('statements that agree are one', async () => {
    const client = sandbox.client()
    for (const options of [
      { anyCountry: true, maxPrice: 100 },
      { anyCountry: true, country: undefined, acceptAnyPrice: true, maxPrice: undefined },
      { operator: '22', maxPrice: 100 },
      { country: '22', anyCountry: false, maxPrice: 100, maxPriceMicros: 100_000_000 }
    ]) {
      const { id } = await client.getNumber('zz_never', options)
      assert.equal((await client.cancel(id)).state, 'cancelled', inspect(options))
    }
  })
})

describe('unknown outcomes', () => {
  test('an aborted purchase has an error of its own', async () => {
    const apiKey = 'abort-name'
    const client = sandbox.client({ apiKey })
    const release = await holdPurchases(apiKey)
    const controller = new AbortController()
    const buying = client.getNumber('zz_never', { ...NUMBER, signal: controller.signal })
    while ((await sandbox.control(apiKey, 'ledger')).charges === 0) await sleep(5)
    const reason = new Error('the user left')
    controller.abort(reason)
    const error = await rejectionOf(buying)
    assert.ok(error instanceof OutcomeUnknownError && !(error instanceof AbortError))
    assert.deepEqual(
      [error.name, error.code, error.kind, error.charge, error.cause],
      ['OutcomeUnknownError', null, 'cancelled', 'unknown', reason]
    )
    assert.match(error.intent.id, /^[0-9a-f]{16}$/)
    await release()
    const [entry] = await client.finish({ timeoutMs: 60_000 })
    assert.deepEqual([entry.outcome, entry.intent], ['bought', error.intent])
    assert.ok(entry.message.includes(entry.purchase.phoneNumber), entry.message)
    await client.cancel(entry.purchase.activationId)
  })

  test('an intent is sent once', async () => {
    const apiKey = 'sent-once'
    const client = sandbox.client({ apiKey })
    const intent = await client.intend('zz_never', NUMBER)
    const { id, phoneNumber } = await client.buy(intent)
    const error = await rejectionOf(client.buy(Intent.fromJSON(JSON.stringify(intent))))
    assert.ok(error instanceof AlreadySentError && !(error instanceof OutcomeUnknownError))
    assert.deepEqual(
      [error.name, error.kind, error.charge],
      ['AlreadySentError', 'already_sent', 'not_charged']
    )
    assert.ok(error.message.includes(id) && error.message.includes(phoneNumber), error.message)
    await sandbox.control(apiKey, 'assert', { charges: 1 })
  })

  test('an intent with an unknown outcome is not sent again', async () => {
    const apiKey = 'sent-once-unknown'
    const client = sandbox.client({ apiKey })
    const intent = await client.intend('zz_lost_reply', NUMBER)
    const first = await rejectionOf(client.buy(intent))
    assert.ok(first instanceof OutcomeUnknownError && !(first instanceof AlreadySentError))
    const second = await rejectionOf(client.buy(intent))
    assert.ok(second instanceof OutcomeUnknownError && second instanceof AlreadySentError)
    assert.deepEqual(
      [second.kind, second.charge, second.retry],
      ['already_sent', 'unknown', 'after_reconcile']
    )
    await sandbox.control(apiKey, 'assert', { charges: 1 })
  })

  test('reconcile returns candidates with evidence', async () => {
    const apiKey = 'candidates'
    const client = sandbox.client({ apiKey, budget: 150 })
    const { intent } = await rejectionOf(client.getNumber('zz_lost_reply', NUMBER))
    assert.equal((await client.budgetLeft()).budgetLeft, 50)
    const { candidates, complete, reason } = await client.reconcile(intent, { timeoutMs: 0 })
    const [candidate, ...others] = candidates
    const { orders } = await sandbox.control(apiKey, 'orders')
    assert.deepEqual(others, [])
    assert.equal(candidate.activationId, orders[0].activation_id)
    assert.equal(typeof candidate.isOurs, 'boolean')
    assert.ok(candidate.evidence.length > 0 && candidate.phoneNumber && candidate.raw)
    assert.equal(complete, reason === null)
    await client.resolve(intent, { activationId: candidate.activationId })
    assert.equal((await client.budgetLeft()).budgetLeft, 150 - candidate.price)
    await client.cancel(candidate.activationId)
    assert.equal((await client.budgetLeft()).budgetLeft, 150)
    assert.deepEqual(await client.unclaimed(), [])
  })

  test('a purchase that was not found stays unknown until resolved', async () => {
    const apiKey = 'not-found'
    const client = sandbox.client({ apiKey, budget: 150 })
    await sandbox.control(apiKey, 'faults', NOT_MADE)
    const { intent } = await rejectionOf(client.getNumber('tg', NUMBER))
    const { candidates, complete, reason } = await client.reconcile(intent, { timeoutMs: 0 })
    assert.deepEqual([candidates, complete, typeof reason], [[], false, 'string'])
    const [{ outcome, error }] = await client.unclaimed()
    assert.deepEqual([outcome, error.charge], ['unknown', 'unknown'])
    await assert.rejects(client.resolve(intent, {}), { name: 'ConfigError' })
    await assert.rejects(client.resolve(intent, { notMade: true, activationId: '1' }), {
      name: 'ConfigError'
    })
    assert.equal((await client.budgetLeft()).budgetLeft, 50)
    await client.resolve(intent, { notMade: true })
    assert.equal((await client.budgetLeft()).budgetLeft, 150)
    assert.deepEqual(await client.unclaimed(), [])
  })

  test('lateBookingMs bounds the time until a search is complete', async () => {
    for (const [lateBookingMs, expected] of [
      [3_600_000, false],
      [0, true]
    ]) {
      const apiKey = `late-booking-${lateBookingMs}`
      const client = sandbox.client({ apiKey, lateBookingMs })
      await sandbox.control(apiKey, 'faults', NOT_MADE)
      const { intent } = await rejectionOf(client.getNumber('tg', NUMBER))
      // The shortest time is a millisecond.
      await sleep(10)
      const { candidates, complete } = await client.reconcile(intent, { timeoutMs: 0 })
      assert.deepEqual([candidates, complete], [[], expected])
    }
  })

  test('a failed search is as unknown as the purchase', async () => {
    const apiKey = 'search-fails'
    const client = sandbox.client({ apiKey })
    await sandbox.control(apiKey, 'faults', NOT_MADE)
    const { intent } = await rejectionOf(client.getNumber('tg', NUMBER))
    const fault = { match: { action: 'getOrders' }, fault: 'key_rejected', times: 0 }
    await sandbox.control(apiKey, 'faults', fault)
    const error = await rejectionOf(client.reconcile(intent, { timeoutMs: 0 }))
    assert.ok(error instanceof OutcomeUnknownError && error.charge === 'unknown', inspect(error))
  })
})

/** Records the warnings of the process while \`act\` runs. */
async function warningsDuring(act) {
  const warnings = []
  const record = ({ name, message }) => {
    if (name === 'SastaotpWarning') warnings.push(message)
  }
  process.on('warning', record)
  await act()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', record)
  return warnings
}

test('each warning of a purchase is emitted once', async () => {
  const bought = { activation_id: '7', phone_number: '919876543210', price: 60 }
  const { url, kill } = await serve((request, response) => {
    const isPurchase = request.url.includes('action=getNumber')
    response.end(JSON.stringify(isPurchase ? { status: 'OK', ...bought } : []))
  })
  const client = sandbox.client({ baseUrl: url })
  const warnings = await warningsDuring(async () => {
    const number = await client.getNumber('tg', { country: '22', maxPrice: 20 })
    await number.markUnclaimed()
    const [{ purchase }] = await client.unclaimed()
    assert.deepEqual(purchase.warnings, number.purchase.warnings)
    await client.unclaimed()
    await number.keep()
  })
  assert.equal(warnings.filter((warning) => /60/.test(warning) && /20/.test(warning)).length, 1)
  assert.ok(warnings.every((warning) => warning.startsWith('activation 7 (919876543210): ')))
  assert.equal(new Set(warnings).size, warnings.length)
  kill()
})

test('an order is completed without a code only on request', async () => {
  const apiKey = 'without-code'
  const number = await sandbox.client({ apiKey }).getNumber('zz_never', NUMBER)
  const error = await rejectionOf(number.complete())
  assert.ok(error instanceof ConfigError, inspect(error))
  assert.match(error.message, /without a code/)
  assert.equal((await number.complete({ withoutCode: true })).state, 'completed')
})

describe('holding a number', () => {
  test('a kept number is not listed', async () => {
    const client = sandbox.client()
    const [number, lease] = [
      await client.getNumber('zz_never', NUMBER),
      await client.lease('zz_never', NUMBER)
    ]
    await number.keep()
    await lease.keep()
    await client.markUnclaimed(number.id)
    await client.markUnclaimed(lease.id)
    assert.deepEqual([await client.unclaimed(), await client.finish()], [[], []])
    assert.deepEqual(await client.close(), [])
  })

  /** Attempts on an unclaimed number that do not settle it. */
  const ATTEMPTS = {
    'a refused cancel by id': (client, id) => rejectionOf(client.cancel(id)),
    'a look by id': (client, id) => client.getStatus(id),
    'a wait by id that times out': (client, id) =>
      rejectionOf(client.waitForCode(id, { timeoutMs: 0 })),
    'a refused settlement by id': (client, id) => rejectionOf(client.settle(id))
  }
  for (const [name, attempt] of Object.entries(ATTEMPTS)) {
    test(`${name} leaves a number listed`, async () => {
      const client = sandbox.client()
      const number = await client.getNumber('zz_early_cancel', NUMBER)
      await number.markUnclaimed()
      for (let round = 0; round < 2; round++) {
        await attempt(client, number.id)
        assert.deepEqual(idsOf(await client.unclaimed()), [number.id])
      }
    })
  }

  test('a number that is used by its id keeps its codes', async () => {
    const client = sandbox.client()
    const number = await client.getNumber('zz_multi', NUMBER)
    await number.markUnclaimed()
    const first = await client.waitForCode(number.id, { timeoutMs: 60_000 })
    assert.equal((await client.waitForCode(number.id, { timeoutMs: 60_000 })).code, first.code)
    await client.requestNextCode(number.id)
    const second = await client.waitForCode(number.id, { timeoutMs: 60_000 })
    assert.notEqual(second.code, first.code)
    assert.deepEqual(idsOf(await client.unclaimed()), [number.id])
    assert.equal((await client.complete(number.id)).state, 'completed')
    assert.deepEqual(await client.unclaimed(), [])
  })

  test('a call holds a number while it runs', async () => {
    const client = sandbox.client()
    const number = await client.getNumber('zz_never', NUMBER)
    await number.markUnclaimed()
    const controller = new AbortController()
    const waiting = client.waitForCode(number.id, {
      timeoutMs: 600_000,
      signal: controller.signal
    })
    assert.deepEqual(await client.unclaimed(), [])
    controller.abort()
    await assert.rejects(waiting, AbortError)
    while ((await client.unclaimed()).length === 0) await sleep(1)
  })

  test('a garbage-collected number is listed', async () => {
    const code = `
      import { setTimeout } from 'node:timers/promises'
      import { Client } from 'sastaotp'
      const client = new Client()
      const NUMBER = { country: '22', maxPrice: 100 }
      const held = await client.getNumber('zz_never', NUMBER)
      let id = (await client.getNumber('zz_never', NUMBER)).id
      const listed = async () =>
        (await client.unclaimed()).map(({ purchase }) => purchase.activationId)
      async function collect() {
        while ((await listed()).length === 0) {
          gc()
          await setTimeout(1)
        }
        return (await listed()).join() === id
      }
      console.log('bought', await collect())
      await (await client.activation(id)).getStatus()
      console.log('claimed', await collect())
      const lease = (await client.lease('zz_never', NUMBER)).id
      await client.cancel(id)
      id = lease
      console.log('lease', await collect())
      await client.cancel(id)
      await held.cancel()
      console.log(await client.close())`
    const output = await run(code, { key: 'collected-numbers', args: ['--expose-gc'] })
    assert.equal(output, 'bought true\nclaimed true\nlease true\n[]\n')
  })

  test('clients of one key share their purchases', async () => {
    const apiKey = 'two-clients'
    const [first, second] = [sandbox.client({ apiKey }), sandbox.client({ apiKey })]
    const number = await first.getNumber('zz_never', NUMBER)
    assert.deepEqual(await second.unclaimed(), [])
    await number.markUnclaimed()
    assert.deepEqual(idsOf(await second.unclaimed()), [number.id])
    assert.equal((await second.cancel(number.id)).state, 'cancelled')
    assert.deepEqual(await first.unclaimed(), [])
  })
})
