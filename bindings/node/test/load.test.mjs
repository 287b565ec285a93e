// A million calls do not grow the process, nor do a hundred thousand over HTTP.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from './harness.mjs'

const COUNTS = { budgetLeft: 1_000_000, getBalance: 100_000 }

for (const [call, count] of Object.entries(COUNTS)) {
  test(`${count} calls of ${call} do not grow the process`, { timeout: 300_000 }, async () => {
    const code = `
      import { Client } from 'sastaotp'
      const client = new Client()
      const began = performance.now()
      const used = []
      for (let part = 0; part < 10; part++) {
        for (let done = 0; done < ${count / 10}; done += 500) await Promise.all(Array.from({ length: 500 }, () => client.${call}()))
        gc()
        // Without what V8 keeps for later: it doubles the room for young objects, and then no more.
        const { rss, heapTotal, heapUsed } = process.memoryUsage()
        used.push(rss - heapTotal + heapUsed)
      }
      console.log(JSON.stringify({ grown: used[9] - used[1], us: (performance.now() - began) * 1000 / ${count} }))`
    const { grown, us } = JSON.parse(await run(code, { args: ['--expose-gc'], timeout: 280_000, key: `load-${call}` }))
    console.log(`${count} calls of ${call}: ${us.toFixed(1)} us each, ${(grown / 1e6).toFixed(1)} MB more`)
    // Some 80 bytes that each call over HTTP left would be more than that, or 10 of a call that asks nobody.
    assert.ok(grown < 8e6, `${grown} bytes`)
  })
}
