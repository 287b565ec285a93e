// What a list of all prices costs, and that it says what the reply says. See prices.mjs.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compare, measure } from './prices.mjs'

test('a list of all prices is the reply, entry by entry', () => compare())

test('a list of all prices costs at most twice the CPU of fetch and JSON.parse', async () => {
  // Other work on the machine falls on both: the best of three medians.
  const ratios = []
  for (let tries = 0; tries < 3 && !ratios.some((ratio) => ratio <= 2); tries++) {
    const figures = await measure(9)
    console.log(JSON.stringify(figures))
    ratios.push(figures.plain.ratio)
  }
  assert.ok(Math.min(...ratios) <= 2, `${ratios}`)
})
