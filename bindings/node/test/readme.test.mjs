// Runs the snippets of the README and the examples, unchanged.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { CHECKOUT, HOST, HOST_NAME, run } from './harness.mjs'

const README = readFileSync(path.join(CHECKOUT, 'bindings/node/README.md'), 'utf8')
const snippets = [...README.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code)

/** The output of each snippet, in the README's order. */
const OUTPUTS = [
  /^send the SMS to \d+\nthe code is (\d+)\ncompleted: \1\n$/,
  /^bought \d+\n22 bought\n$/,
  /^20 codes\n$/,
  /^try another country: buying zz_nonumbers in 22: the service answered NO_NUMBERS: /,
  /^buying zz_lost_reply in 22: .*\ncandidate: \w+ \d+\n$/,
  /^$/,
  /^$/,
  /^123456\n$/
]

describe('snippets', { concurrency: true }, () => {
  test('every snippet has an expected output', () => assert.equal(snippets.length, OUTPUTS.length))
  for (const [index, output] of OUTPUTS.entries()) {
    test(`snippet ${index + 1} prints its output`, async () =>
      assert.match(await run(snippets[index]), output))
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

/** The output of each example. Without an API key it starts its own sandbox. */
const EXAMPLES = {
  'quickstart.mjs':
    /^balance {4}1000 INR\nnumber {5}\d+ for 10 INR\ncode {7}(\d+)\norder {6}completed: \1\n$/,
  'hundred.mjs': /^100 codes in [\d.]+ s\n$/
}

describe('examples', { concurrency: true }, () => {
  for (const [file, output] of Object.entries(EXAMPLES)) {
    test(`${file} prints its output`, async () => {
      const { stdout } = await promisify(execFile)(
        HOST,
        [
          ...(HOST_NAME === 'deno' ? ['run', '--allow-all', '--quiet'] : []),
          path.join(import.meta.dirname, '../examples', file)
        ],
        { env: { ...process.env, SASTAOTP_API_KEY: '' }, timeout: 60_000 }
      )
      assert.match(stdout, output)
    })
  }
})
