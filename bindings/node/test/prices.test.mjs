// A list of all prices: it equals the reply, and is parsed once. See also bench/prices.mjs.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Client } from 'sastaotp'
import { serve } from './harness.mjs'
import { PRICE_COUNT, priceReply } from './price-reply.mjs'

const reply = priceReply()
const { url, stop } = await serve((_, response) => {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(reply)
})
const client = new Client({ apiKey: 'any', baseUrl: url })
after(() => {
  client.close()
  stop()
})

test('a list of all prices equals the reply', async () => {
  const { data } = JSON.parse(reply)
  const prices = await client.getPrices()
  assert.equal(prices.length, PRICE_COUNT)
  for (const { country, service, price, priceMicros, available } of prices) {
    const { cost, count } = data[country][service]
    assert.deepEqual([price, available], [cost, count])
    assert.equal(priceMicros, Math.round(cost * 1e6))
  }
  assert.deepEqual(prices.raw.data, data)
})

test('a list parses `raw` on first use', async (context) => {
  const parse = context.mock.method(JSON, 'parse')
  const prices = await client.getPrices()
  const lengths = parse.mock.calls.map(({ arguments: [text] }) => text.length)
  assert.equal(lengths.length, 1)
  assert.equal(prices.raw, prices.raw)
  assert.deepEqual(
    parse.mock.calls.map(({ arguments: [text] }) => text.length),
    [...lengths, reply.length]
  )
})
