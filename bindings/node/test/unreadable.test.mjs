// Results that cannot be read: each fails only its own call, and no number is lost.

import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { faults } from './faulty-koffi.mjs'
import { NUMBER, rejectionOf, require, sandbox, serve } from './harness.mjs'
import { PRICE_COUNT, priceReply } from './price-reply.mjs'

const { Client, InternalError } = require('sastaotp')

const unreadable = new Error('no memory')
const isNumber = (text) => text.includes('"phone_number"')

afterEach(() => {
  faults.string = () => undefined
})

/** A service with a long list of prices; it passes all other requests to the sandbox. */
async function startLongReplies() {
  const reply = priceReply()
  const { url, stop } = await serve(async (request, response) => {
    let body = reply
    if (!request.url.includes('action=getPrices')) {
      const headers = { 'X-API-Key': request.headers['x-api-key'] }
      body = await (await fetch(new URL(request.url, sandbox.url), { headers })).text()
    }
    response.writeHead(200, { 'Content-Length': Buffer.byteLength(body) }).end(body)
  })
  return { baseUrl: new URL(new URL(sandbox.url).pathname, url).href, stop }
}

test('long results arrive without external memory', async () => {
  const { baseUrl, stop } = await startLongReplies()
  const client = new Client({ apiKey: 'without-views', baseUrl })
  const [prices, number] = await Promise.all([
    client.getPrices(),
    client.getNumber('zz_never', NUMBER)
  ])
  assert.equal(prices.length, PRICE_COUNT)
  assert.equal((await number.cancel()).state, 'cancelled')
  assert.deepEqual(await client.close(), [])
  stop()
})

test('one unreadable result fails only its call', async () => {
  const client = sandbox.client()
  let left = 3
  faults.string = () => (left-- > 0 ? unreadable : undefined)
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => client.getBalance()))
  const failures = outcomes.flatMap(({ reason }) => reason ?? [])
  assert.equal(failures.length, 3)
  for (const failure of failures) {
    assert.ok(failure instanceof InternalError)
    assert.equal(failure.message, 'get balance: cannot read the result: no memory')
    assert.deepEqual([failure.cause, failure.charge], [unreadable, 'not_charged'])
  }
  await client.close()
})

const PURCHASES = {
  getNumber: (client) => client.getNumber('zz_never', NUMBER),
  lease: (client) => client.lease('zz_never', NUMBER),
  buy: async (client) => client.buy(await client.intend('zz_never', NUMBER))
}

for (const [name, buy] of Object.entries(PURCHASES)) {
  for (const step of ['read', 'parsed']) {
    test(`${name}: a number that cannot be ${step} is unclaimed`, async (context) => {
      const client = sandbox.client()
      if (step === 'read') faults.string = (text) => (isNumber(text) ? unreadable : undefined)
      const { parse } = JSON
      const mock = context.mock.method(JSON, 'parse', (text) => {
        if (step === 'parsed' && isNumber(text)) throw unreadable
        return parse(text)
      })
      const [failure, ...balances] = await Promise.all([
        rejectionOf(buy(client)),
        client.getBalance(),
        client.getBalance()
      ])
      faults.string = () => undefined
      mock.mock.restore()
      assert.ok(failure instanceof InternalError)
      assert.deepEqual([failure.cause, failure.charge], [unreadable, 'charged'])
      assert.equal(balances.length, 2)
      const [{ purchase }, ...others] = await client.unclaimed()
      assert.deepEqual(others, [])
      assert.ok(failure.message.includes(`bought the activation ${purchase.activationId}, but`))
      assert.equal((await client.cancel(purchase.activationId)).state, 'cancelled')
      await client.close()
    })
  }
}

test('a signal that throws keeps no call from its result', async () => {
  const client = sandbox.client()
  const removeEventListener = () => {
    throw new Error('not today')
  }
  const signal = { aborted: false, addEventListener() {}, removeEventListener }
  const balances = await Promise.all([
    client.getBalance({ signal }),
    client.getBalance(),
    client.getBalance({ signal })
  ])
  assert.deepEqual(
    balances.map(({ amount }) => amount),
    [1000, 1000, 1000]
  )
  await client.close()
})
