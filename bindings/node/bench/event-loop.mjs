// Measures how long the event loop is busy beside many calls, in milliseconds.
//
//     node event-loop.mjs [ROUNDS]
//
// Prints each round, and fails if the fastest round of a measurement exceeds its limit.

import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Sandbox } from 'sastaotp/testing'

const WAITS = 1000

const sandbox = await Sandbox.start()
const client = sandbox.client()
const { id } = await client.getNumber('zz_never', { country: '22', maxPrice: 100 })
const startWaits = (signal) =>
  Array.from({ length: WAITS }, () => client.waitForCode(id, { timeoutMs: 60_000, signal }))

/** The time from an abort until all waits have settled. */
async function abortWaits() {
  const controller = new AbortController()
  const waits = startWaits(controller.signal)
  await sleep(100)
  const startedAt = performance.now()
  controller.abort()
  await Promise.allSettled(waits)
  return performance.now() - startedAt
}

/** The slowest of 60 reads of a small file, beside the waits and 100 calls. */
async function readFiles() {
  const controller = new AbortController()
  const waits = startWaits(controller.signal)
  const calls = Array.from({ length: 100 }, () => client.getBalance())
  let slowest = 0
  for (let read = 0; read < 60; read++) {
    const startedAt = performance.now()
    await readFile(fileURLToPath(import.meta.url))
    slowest = Math.max(slowest, performance.now() - startedAt)
    await sleep(5)
  }
  await Promise.all(calls)
  controller.abort()
  await Promise.allSettled(waits)
  return slowest
}

const MEASUREMENTS = [
  [`aborting ${WAITS} waits`, abortWaits, 100],
  [`fs.readFile beside ${WAITS} waits and 100 calls`, readFiles, 20]
]

const rounds = Number(process.argv[2] ?? 5)
for (const [name, measure, limit] of MEASUREMENTS) {
  const times = []
  for (let round = 0; round < rounds; round++) times.push(await measure())
  console.log(`${name}: ${times.map((time) => time.toFixed(1)).join(', ')} ms`)
  if (Math.min(...times) > limit) {
    console.error(`${name}: all rounds exceed ${limit} ms`)
    process.exitCode = 1
  }
}
client.close()
await sandbox.stop()
