// Long replies beside purchases on a host that allows no external memory, such as Electron: both
// settle, and no number is lost.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faults } from '../faulty-koffi.mjs'
import { NUMBER, require, sandbox, serve } from '../harness.mjs'

const { Client } = require('sastaotp')

const ROUNDS = Number(process.env.SASTAOTP_ROUNDS ?? 1000)
const AT_ONCE = 4
/** The lengths of the replies. Most are near the shortest, because parsing takes long. */
const [SHORTEST, LONGEST] = [100_000, 10_000_000]
const LENGTHS = 24

assert.ok(faults.view)

/** A reply of getPrices of at least this many bytes. Every third one is not ASCII. */
function priceReply(length, index) {
  const entry = (service) => `"s${service}":{"cost":12.34,"count":99}`
  const count = Math.ceil(length / entry(10_000).length)
  const services = Array.from({ length: count }, (_, service) => entry(service)).join()
  const note = index % 3 === 0 ? 'पैसा' : 'paisa'
  return { body: `{"status":"OK","note":"${note}","data":{"22":{${services}}}}`, count }
}

const replies = Array.from({ length: LENGTHS }, (_, index) =>
  priceReply(SHORTEST * (LONGEST / SHORTEST) ** ((index / (LENGTHS - 1)) ** 2), index)
)
let next = 0

test(`${ROUNDS} rounds lose nothing`, async (context) => {
  const service = await serve(async (request, response) => {
    const { searchParams } = new URL(request.url, sandbox.url)
    let { body } = replies[searchParams.get('service')?.slice(1) ?? 0] ?? {}
    if (searchParams.get('action') !== 'getPrices') {
      const headers = { 'X-API-Key': request.headers['x-api-key'] }
      body = await (await fetch(new URL(request.url, sandbox.url), { headers })).text()
    }
    response.writeHead(200, { 'Content-Length': Buffer.byteLength(body) }).end(body)
  })
  const apiKey = 'rounds'
  await sandbox.control(apiKey, 'seed', { wallet: '1000000.00' })
  const baseUrl = new URL(new URL(sandbox.url).pathname, service.url).href
  const client = new Client({ apiKey, baseUrl, timeoutMs: 120_000 })
  let [bytes, bought] = [0, 0]
  async function runRounds() {
    while (next < ROUNDS) {
      const index = next++ % LENGTHS
      const [prices, number] = await Promise.all([
        client.getPrices({ service: `r${index}` }),
        client.getNumber('zz_never', NUMBER)
      ])
      assert.equal(prices.length, replies[index].count)
      bytes += replies[index].body.length
      bought++
      assert.equal((await number.cancel()).state, 'cancelled')
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, runRounds))
  assert.equal(bought, ROUNDS)
  assert.deepEqual(await client.close(), [])
  await sandbox.control(apiKey, 'assert', { charges: ROUNDS, refunds: ROUNDS })
  context.diagnostic(`${ROUNDS} purchases beside ${Math.round(bytes / 1e6)} MB of replies`)
  service.stop()
})
