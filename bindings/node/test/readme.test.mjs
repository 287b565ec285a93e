// The snippets of the README and the examples, as they stand there.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { CHECKOUT, run } from './harness.mjs'

const HERE = path.join(CHECKOUT, 'bindings/node')
const snippets = [
  ...readFileSync(path.join(HERE, 'README.md'), 'utf8').matchAll(/```js\n([\s\S]*?)```/g)
].map(([, code]) => code)

/** What each snippet prints, in their order. */
const PRINTS = [
  /^send the SMS to \d+\nthe code is (\d+)\ncompleted: \1\n$/,
  /^20 codes\n$/,
  /^another country, perhaps: buying zz_nonumbers in 22: the service answered NO_NUMBERS: /,
  /^buying zz_lost_reply in 22: .*\nmay be it: \w+ \d+\n$/,
  /^123456\n$/
]

describe('snippets', { concurrency: true }, () => {
  test('all are known here', () => assert.equal(snippets.length, PRINTS.length))
  for (const [index, says] of PRINTS.entries()) {
    test(`snippet ${index + 1} prints what it says`, async () =>
      assert.match(await run(snippets[index]), says))
  }
  test('`await using` settles a lease', async () => {
    const node = process.env.NEWER_NODE
    if (!node) return
    const code = `
      import { Client } from 'sastaotp'
      const client = new Client()
      {
        await using number = await client.lease('zz_never', { country: '22', maxPrice: 80 })
      }
      console.log((await client.getOrders()).orders[0].status)`
    assert.equal(await run(code, { node, key: 'using' }), 'cancelled\n')
  })
})

/** The examples, without a key: against a sandbox of their own. */
const EXAMPLES = {
  'quickstart.mjs':
    /^balance {4}1000 INR\nnumber {5}\d+ for 10 INR\ncode {7}(\d+)\norder {6}completed with the code \1\n$/,
  'hundred.mjs': /^100 codes in [\d.]+ s\n$/
}

describe('examples', { concurrency: true }, () => {
  for (const [file, says] of Object.entries(EXAMPLES)) {
    test(file, async () => {
      const environment = { ...process.env, SASTAOTP_API_KEY: '' }
      const example = path.join(import.meta.dirname, '../examples', file)
      const { stdout } = await promisify(execFile)(process.execPath, [example], {
        env: environment,
        timeout: 60_000
      })
      assert.match(stdout, says)
    })
  }
})
