// A million calls do not grow the process. LOAD_HTTP=100000 makes so many calls over HTTP too; 20,000 without.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from './harness.mjs'

const COUNTS = { budgetLeft: 1_000_000, getBalance: Number(process.env.LOAD_HTTP ?? 20_000) }

for (const [call, count] of Object.entries(COUNTS)) {
  test(`${count} calls of ${call} do not grow the process`, { timeout: 300_000 }, async () => {
    const code = `
      import { Client } from 'sastaotp'
      const client = new Client()
      const calls = async (count) => {
        for (let done = 0; done < count; done += 500) await Promise.all(Array.from({ length: 500 }, () => client.${call}()))
        gc()
        return process.memoryUsage().rss
      }
      const began = performance.now()
      const first = await calls(${count / 10})
      const last = await calls(${count - count / 10})
      console.log(JSON.stringify({ grown: last - first, us: (performance.now() - began) * 1000 / ${count} }))`
    const { grown, us } = JSON.parse(await run(code, { args: ['--expose-gc'], timeout: 280_000, key: `load-${call}` }))
    console.log(`${count} calls of ${call}: ${us.toFixed(1)} us each, ${(grown / 1e6).toFixed(1)} MB more`)
    // A byte that each call left would be more than that.
    assert.ok(grown < 8e6, `${grown} bytes`)
  })
}
