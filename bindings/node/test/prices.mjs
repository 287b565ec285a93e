// What a list of all prices costs, as typed objects, beside fetch and JSON.parse of the same reply: CPU of this process, in
// turn. The server is another process. `node prices.mjs [ROUNDS]` prints the figures; prices.test.mjs holds them.

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

/** Medians of CPU in milliseconds: `fetched`, `listed`, and `ratio`. */
export async function measure(rounds) {
  const server = spawn(process.execPath, [fileURLToPath(import.meta.url), 'serve'], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const [url] = await once(createInterface(server.stdout), 'line')
    const results = {}
    for (const path of ['plain', 'gzip']) {
      const address = `${url}/${path}`
      const client = new Client({ apiKey: 'any', baseUrl: address })
      const ways = {
        fetched: () => fetch(`${address}?action=getPrices&format=json`).then((response) => response.json()),
        listed: () => client.getPrices()
      }
      const used = { fetched: [], listed: [] }
      for (let round = -3; round < rounds; round++) {
        for (const [name, way] of Object.entries(ways)) {
          globalThis.gc?.()
          const before = process.cpuUsage()
          const result = await way()
          const { user, system } = process.cpuUsage(before)
          if (round >= 0) used[name].push((user + system) / 1000)
          if (name === 'listed' && result.length !== 190 * 430) throw new Error(`${result.length} prices`)
        }
      }
      const [fetched, listed] = [used.fetched, used.listed].map((all) => all.sort((a, b) => a - b)[all.length >> 1])
      results[path] = { fetched, listed, ratio: listed / fetched }
      client.close()
    }
    return results
  } finally {
    server.kill()
  }
}

if (process.argv[2] === 'serve') await serve()
else if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await measure(Number(process.argv[2] ?? 15)))
