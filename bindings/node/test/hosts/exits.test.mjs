// Programs that exit at random moments of buying and waiting: none crashes or hangs, and the next
// run knows every number that was charged. SASTAOTP_TEST_HOST is the program that runs them.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { HOST, HOST_NAME, sandbox } from '../harness.mjs'

/** The exits of each place, in chains with one journal each. */
const EXITS = Number(process.env.SASTAOTP_EXITS ?? 200)
const CHAINS = 10
/** The latest moment of an exit, in milliseconds. */
const LATEST = 120
/** Only a program that hangs runs longer, in milliseconds. */
const LIMIT = 120_000

const LOOP = path.join(import.meta.dirname, 'exit-loop.mjs')
const START = HOST_NAME === 'deno' ? ['run', '--allow-all', '--quiet', LOOP] : [LOOP]

const root = mkdtempSync(path.join(tmpdir(), 'sastaotp-exits-'))
after(() => rmSync(root, { recursive: true }))

async function runUntilExit(place, delay, key, journal) {
  const child = spawn(HOST, [...START, place, String(delay)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      SASTAOTP_API_KEY: key,
      SASTAOTP_BASE_URL: sandbox.url,
      SASTAOTP_JOURNAL: journal,
      NODE_TEST_CONTEXT: ''
    }
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT)
  const chunks = []
  child.stderr.on('data', (chunk) => chunks.push(chunk))
  const [status, signal] = await once(child, 'close')
  clearTimeout(timer)
  const lines = Buffer.concat(chunks).toString().split('\n')
  const others = lines.filter((line) => line && !line.startsWith('sastaotp: '))
  assert.deepEqual([status, signal, others.join('\n')], [7, null, ''], `exit after ${delay} ms`)
}

/** The orders of a key that the next run does not know. */
async function forgotten(key, journal) {
  const client = sandbox.client({ apiKey: key, journal, lateBookingMs: 0 })
  const listed = await client.unclaimed()
  const known = new Set(listed.flatMap(({ purchase }) => purchase?.activationId ?? []))
  // A purchase without a reply is known by its intent, and reconciling the intent finds its order.
  const unknown = listed.filter(({ outcome }) => outcome !== 'bought')
  const candidates = new Set()
  for (const { intent } of unknown) {
    const found = await client.reconcile(intent, { timeoutMs: 0 })
    for (const { activationId } of found.candidates) candidates.add(activationId)
  }
  const unlisted = []
  for await (const { activationId } of client.orders({ status: 'pending' })) {
    if (!known.has(activationId)) unlisted.push(activationId)
  }
  assert.ok(unlisted.length <= unknown.length, `${unlisted.length} of ${unknown.length}`)
  const missing = unlisted.filter((id) => !candidates.has(id))
  const { entries } = await sandbox.control(key, 'ledger')
  await client.close()
  return { missing, charges: entries.filter(({ kind }) => kind === 'charge').length }
}

describe('exits', { concurrency: 3 }, () => {
  for (const place of ['main', 'worker']) {
    for (let chain = 0; chain < CHAINS; chain++) {
      test(`${HOST_NAME}: ${place} thread, chain ${chain + 1}`, async (context) => {
        const key = `exit-${HOST_NAME}-${place}-${chain}`
        const journal = path.join(root, key)
        await sandbox.control(key, 'seed', { wallet: '1000000.00' })
        for (let exit = chain; exit < EXITS; exit += CHAINS) {
          await runUntilExit(place, Math.floor(Math.random() * LATEST), key, journal)
        }
        const { missing, charges } = await forgotten(key, journal)
        assert.deepEqual(missing, [])
        context.diagnostic(`${charges} charges`)
      })
    }
  }
})
