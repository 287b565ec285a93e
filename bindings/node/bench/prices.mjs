// Compares the CPU time of getPrices with that of fetch and JSON.parse for the same reply.
//
//     node prices.mjs [ROUNDS]
//
// Prints the medians of both in milliseconds and their ratio, for a plain and a compressed reply.
// Fails if the ratio of the plain reply exceeds 2.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { Client } from 'sastaotp'
import { priceReply } from '../test/price-reply.mjs'

const MAX_RATIO = 2
/** Rounds whose times are discarded. */
const WARM_UP = 3

async function serve() {
  const plain = Buffer.from(priceReply())
  const gzip = gzipSync(plain)
  const server = createServer((request, response) => {
    const isCompressed = request.url.includes('gzip')
    const body = isCompressed ? gzip : plain
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'Content-Length': body.length,
      ...(isCompressed && { 'Content-Encoding': 'gzip' })
    })
    response.end(body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  console.log(`http://127.0.0.1:${server.address().port}`)
}

/** Calls `use` with the address of a server in another process. */
async function withServer(use) {
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

/** The CPU time of this process for a call, in milliseconds. */
async function cpuTime(call) {
  const before = process.cpuUsage()
  await call()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1]

async function measure(baseUrl, rounds) {
  const client = new Client({ apiKey: 'any', baseUrl })
  const calls = {
    fetch: async () => (await fetch(`${baseUrl}?action=getPrices&format=json`)).json(),
    getPrices: () => client.getPrices()
  }
  const times = { fetch: [], getPrices: [] }
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const [name, call] of Object.entries(calls)) {
      const time = await cpuTime(call)
      if (round >= 0) times[name].push(time)
    }
  }
  client.close()
  const [fetchTime, listTime] = [median(times.fetch), median(times.getPrices)]
  return {
    fetch: fetchTime,
    getPrices: listTime,
    ratio: Number((listTime / fetchTime).toFixed(2))
  }
}

if (process.argv[2] === 'serve') await serve()
else {
  const rounds = Number(process.argv[2] ?? 15)
  const results = await withServer(async (url) => ({
    plain: await measure(`${url}/plain`, rounds),
    gzip: await measure(`${url}/gzip`, rounds)
  }))
  console.log(JSON.stringify(results))
  if (results.plain.ratio > MAX_RATIO) {
    console.error(`prices: the ratio exceeds ${MAX_RATIO}`)
    process.exitCode = 1
  }
}
