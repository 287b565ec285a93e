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
        used.push(process.memoryUsage().rss)
      }
      console.log(JSON.stringify({ grown: Math.min(...used.slice(7)) - Math.max(...used.slice(2, 5)), us: (performance.now() - began) * 1000 / ${count} }))`
    // With the room for young objects that it has from the beginning: V8 would double it at some time, and then no more.
    const args = ['--expose-gc', '--max-semi-space-size=1']
    const { grown, us } = JSON.parse(
      await run(code, { args, timeout: 280_000, key: `load-${call}` })
    )
    console.log(
      `${count} calls of ${call}: ${us.toFixed(1)} us each, ${(grown / 1e6).toFixed(1)} MB more`
    )
    // From the least of the last three tenths to the most of the third to fifth: 200 bytes of each call over HTTP would be
    // more, and 20 of one that asks nobody.
    assert.ok(grown < 4e6, `${grown} bytes`)
  })
}
