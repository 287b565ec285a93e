// What a list of all prices costs, and that it says what the reply says. See prices.mjs.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { compare } from './prices.mjs'

test('a list of all prices is the reply, entry by entry', () => compare())

test('a list of all prices costs at most twice the CPU of fetch and JSON.parse', async () => {
  // Other work on the machine falls on both: the best of three medians.
  const ratios = []
  for (let tries = 0; tries < 3 && !ratios.some((ratio) => ratio <= 2); tries++) {
    // In a process of its own: the test runner's hooks double what fetch costs.
    const { stdout } = await promisify(execFile)(process.execPath, [
      path.join(import.meta.dirname, 'prices.mjs')
    ])
    console.log(stdout.trim())
    ratios.push(JSON.parse(stdout).plain.ratio)
  }
  assert.ok(Math.min(...ratios) <= 2, `${ratios}`)
})
