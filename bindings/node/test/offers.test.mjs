// Offers, and purchases of one of several countries.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigError, Intent, NoNumbersError, OutcomeUnknownError } from 'sastaotp'
import { rejectionOf, sandbox } from './harness.mjs'

/** Makes the purchases in a country meet a fault; by default the service has no numbers there. */
const refuse = (key, country, fault = { fault: 'html_page', body: 'NO_NUMBERS' }) =>
  sandbox.control(key, 'faults', {
    match: { action: 'getNumber', country },
    times: 0,
    ...fault
  })

const shown = (attempts) => attempts.map(({ country, refused }) => [country, refused])

test('offers are sorted by price', async () => {
  const client = sandbox.client()
  const options = { minPrice: '1.50', minAvailable: 1 }
  const offers = await client.getOffers('tg', options)
  assert.ok(offers.length > 3)
  const prices = offers.map(({ priceMicros }) => priceMicros)
  assert.deepEqual(
    prices,
    prices.toSorted((a, b) => a - b)
  )
  assert.deepEqual(await client.cheapestOffer('tg', options), offers[0])
  const [india, ...others] = await client.getOffers('tg', { countries: ['22'], maxPrice: 80 })
  assert.deepEqual([india.countryName, india.operator, india.price], ['India', null, 76.94])
  assert.equal(others.length, 0)
  assert.equal(await client.cheapestOffer('tg', { countries: ['22'], maxPriceMicros: 1 }), null)
  await client.close()
})

test('a purchase moves on after a refusal', async () => {
  const key = 'offers-refused'
  await refuse(key, '22')
  const client = sandbox.client({ apiKey: key, budget: 100 })
  const countries = ['22', '0']
  const number = await client.getNumber('zz_ok', { countries, maxPrice: 80 })
  const tried = [
    ['22', 'NO_NUMBERS'],
    ['0', null]
  ]
  assert.deepEqual(shown(number.purchase.attempts), tried)
  assert.equal((await client.budgetLeft()).budgetLeft, 90)
  await number.cancel()
  const lease = await client.lease('zz_ok', { countries: new Set(countries), maxPrice: 80 })
  assert.deepEqual(shown(lease.purchase.attempts), tried)
  await lease.close({ onTooEarly: 'fail' })
  const refused = await rejectionOf(
    client.getNumber('zz_ok', { countries: ['22'], maxPrice: 80, patienceMs: 500 })
  )
  assert.ok(refused instanceof NoNumbersError)
  assert.deepEqual(shown(refused.attempts), [['22', 'NO_NUMBERS']])
  const offers = await client.getOffers('fb', { countries })
  const bought = await client.getNumber('fb', { offers, maxPrice: 80 })
  assert.equal(bought.purchase.attempts.at(-1).country, '0')
  await bought.cancel()
  await client.close()
})

test('an unknown outcome ends the call', async () => {
  const key = 'offers-unknown'
  await refuse(key, '22')
  await refuse(key, '0', { fault: 'reply_lost', when: 'before_commit' })
  const client = sandbox.client({ apiKey: key })
  const unknown = await rejectionOf(
    client.getNumber('zz_ok', { countries: ['22', '0', '6'], maxPrice: 80, patienceMs: 60_000 })
  )
  assert.ok(unknown instanceof OutcomeUnknownError)
  assert.deepEqual(shown(unknown.attempts), [
    ['22', 'NO_NUMBERS'],
    ['0', null]
  ])
  await client.resolve(unknown.intent, { notMade: true })
  await sandbox.control(key, 'assert', { charges: 0 })
  await client.close()
})

test('an abort ends a pause', async () => {
  const key = 'offers-aborted'
  await refuse(key, '22')
  const client = sandbox.client({ apiKey: key })
  const controller = new AbortController()
  const options = { countries: ['22'], maxPrice: 80, patienceMs: 600_000 }
  const aborted = rejectionOf(client.getNumber('zz_ok', { ...options, signal: controller.signal }))
  const isRefused = async () =>
    (await sandbox.control(key, 'log')).log.some(({ action }) => action === 'getNumber')
  while (!(await isRefused())) await sleep(5)
  controller.abort()
  const error = await aborted
  assert.equal(error.kind, 'cancelled')
  await client.close()
  await sandbox.control(key, 'assert', { charges: 0 })
})

test('a minimum price skips cheaper countries', async () => {
  const client = sandbox.client()
  const options = { country: '22', minPrice: 50, maxPrice: 80 }
  const { attempts } = await rejectionOf(client.getNumber('zz_ok', options))
  assert.deepEqual(attempts, [
    {
      country: '22',
      operator: null,
      price: 10,
      priceMicros: 10_000_000,
      refused: 'skipped: listed at 10.00'
    }
  ])
  await client.close()
})

test('parameters are part of the intent', async () => {
  const client = sandbox.client()
  const parameters = { provider_ids: '1,2', ref: 'a&b' }
  const intent = await client.intend('zz_ok', { country: '22', maxPrice: 80, parameters })
  assert.deepEqual(intent.parameters, parameters)
  const number = await client.buy(Intent.fromJSON(JSON.stringify(intent)))
  await number.cancel()
  await client.close()
})

test('invalid lists and parameters are refused', async () => {
  const client = sandbox.client()
  for (const [options, reason] of [
    [{ countries: [22] }, /an element of countries is of the type number: use text/],
    [{ countries: '22' }, /`countries` is "22"/],
    [{ countries: [] }, /the list is empty: set 1 to 100 countries/],
    [{ countries: ['22'], country: '22' }, /both a list of countries and a country/],
    [{ offers: [{}] }, /offers contains something else: use offers of getOffers/],
    [{ offers: {} }, /offers is one object: use a list/],
    [{ country: '22', minPrice: 81 }, /above the maximum price/],
    [{ country: '22', parameters: { ref: 7 } }, /parameters.ref is of the type number: use text/],
    [{ country: '22', parameters: { maxPrice: '9' } }, /maxPrice/],
    [{ country: '22', patienceMs: -1 }, /`patienceMs` is -1/]
  ]) {
    const error = await rejectionOf(client.getNumber('zz_ok', { maxPrice: 80, ...options }))
    assert.ok(error instanceof ConfigError)
    assert.match(error.message, reason)
  }
  await client.close()
})
