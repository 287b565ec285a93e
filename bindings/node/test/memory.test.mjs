// Checks that calls do not leak memory.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from './harness.mjs'

/** A local call, and a call over HTTP. */
const COUNTS = { budgetLeft: 1_000_000, getBalance: 100_000 }

for (const [call, count] of Object.entries(COUNTS)) {
  test(`${count} calls of ${call} leak no memory`, { timeout: 600_000 }, async () => {
    const code = `
      import { Client } from 'sastaotp'
      const client = new Client()
      const startedAt = performance.now()
      const rss = []
      for (let part = 0; part < 10; part++) {
        for (let done = 0; done < ${count / 10}; done += 500) {
          await Promise.all(Array.from({ length: 500 }, () => client.${call}()))
        }
        gc()
        rss.push(process.memoryUsage().rss)
      }
      const growth = Math.min(...rss.slice(7)) - Math.max(...rss.slice(2, 5))
      const micros = (performance.now() - startedAt) * 1000 / ${count}
      console.log(JSON.stringify({ growth, micros }))`
    // Without the limit V8 doubles its space for young objects once, at an unpredictable time.
    const args = ['--expose-gc', '--max-semi-space-size=1']
    const output = await run(code, { args, timeout: 580_000, key: `load-${call}` })
    const { growth, micros } = JSON.parse(output)
    const megabytes = (growth / 1e6).toFixed(1)
    console.log(`${count} calls of ${call}: ${micros.toFixed(1)} us each, ${megabytes} MB growth`)
    // From the highest of parts 3 to 5 to the lowest of parts 8 to 10. A leak of 200 bytes per call
    // over HTTP, or of 20 bytes per local call, exceeds the limit.
    assert.ok(growth < 4e6, `${growth} bytes`)
  })
}
