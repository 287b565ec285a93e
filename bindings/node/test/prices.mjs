// What a list of all prices costs, as typed objects, beside fetch and JSON.parse of the same reply: CPU of this process, in
// turn. The server is another process. `node prices.mjs [ROUNDS]` prints the figures; prices.test.mjs holds them.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { Client } from 'sastaotp'

/** A reply of getPrices like the live one: 2.6 million characters, some 80,000 prices. */
function reply() {
  let seed = 1
  const random = (below) => {
    seed = (seed * 48271) % 2147483647
    return seed % below
  }
  const data = {}
  for (let country = 0; country < 190; country++) {
    const services = {}
    for (let service = 0; service < 430; service++) {
      services[(36 + service).toString(36)] = { cost: (500 + random(30000)) / 100, count: 999 }
    }
    data[country] = services
  }
  return JSON.stringify({ status: 'OK', data })
}

async function serve() {
  const plain = Buffer.from(reply())
  const gzip = gzipSync(plain)
  const server = createServer((request, response) => {
    const zipped = request.url.includes('gzip')
    const body = zipped ? gzip : plain
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'Content-Length': body.length,
      ...(zipped && { 'Content-Encoding': 'gzip' })
    })
    response.end(body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  console.log(`http://127.0.0.1:${server.address().port}`)
}

/** Calls `use` with the address of a server in another process. */
async function served(use) {
  const server = spawn(process.execPath, [fileURLToPath(import.meta.url), 'serve'], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  try {
    const [url] = await once(createInterface(server.stdout), 'line')
    return await use(url)
  } finally {
    server.kill()
  }
}

const fetched = (address) =>
  fetch(`${address}?action=getPrices&format=json`).then((response) => response.json())

/** Fails where the list and the reply are not the same. */
export function compare() {
  return served(async (url) => {
    const { data } = await fetched(`${url}/plain`)
    const prices = await new Client({ apiKey: 'any', baseUrl: `${url}/plain` }).getPrices()
    assert.equal(prices.length, 190 * 430)
    for (const { country, service, cost, costMicros, count } of prices) {
      assert.deepEqual({ cost, count }, data[country][service])
      assert.equal(costMicros, Math.round(cost * 1e6))
    }
    assert.deepEqual(prices.raw.data, data)
  })
}

/** Medians of CPU in milliseconds, `fetched` and `listed`, and their `ratio`: for a plain and for a compressed reply. */
function measure(rounds) {
  return served(async (url) => {
    const results = {}
    for (const path of ['plain', 'gzip']) {
      const address = `${url}/${path}`
      const client = new Client({ apiKey: 'any', baseUrl: address })
      const ways = { fetched: () => fetched(address), listed: () => client.getPrices() }
      const used = { fetched: [], listed: [] }
      for (let round = -3; round < rounds; round++) {
        for (const [name, way] of Object.entries(ways)) {
          const before = process.cpuUsage()
          await way()
          const { user, system } = process.cpuUsage(before)
          if (round >= 0) used[name].push((user + system) / 1000)
        }
      }
      const [fetch, list] = [used.fetched, used.listed].map(
        (all) => all.sort((a, b) => a - b)[all.length >> 1]
      )
      results[path] = { fetched: fetch, listed: list, ratio: Number((list / fetch).toFixed(2)) }
      client.close()
    }
    return results
  })
}

if (process.argv[2] === 'serve') await serve()
else if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(JSON.stringify(await measure(Number(process.argv[2] ?? 15))))
