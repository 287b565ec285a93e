// Buys a hundred numbers at once within a budget, waits for their codes and settles them.
//
//     SASTAOTP_API_KEY=… node hundred.mjs [SERVICE] [COUNTRY] [MAX_PRICE]
//
// This costs money. Without an API key the example uses the sandbox.

import { Client, OutcomeUnknownError } from 'sastaotp'
import { Sandbox } from 'sastaotp/testing'

const COUNT = 100
const [service = 'zz_ok', country = '22', maxPrice = '10'] = process.argv.slice(2)
const options = process.env.SASTAOTP_API_KEY
  ? {}
  : { apiKey: 'hundred', baseUrl: (await Sandbox.start()).url }
const client = new Client({ ...options, budget: COUNT * Number(maxPrice) })

async function buyAndWait() {
  const number = await client.lease(service, { country, maxPrice })
  try {
    return await number.waitForCode({ timeoutMs: 300_000 })
  } catch (error) {
    // Cancels, unless a code arrives first.
    const { code } = await number.close()
    if (code) return code
    throw error
  } finally {
    await number.close()
  }
}

const startedAt = performance.now()
const outcomes = await Promise.allSettled(Array.from({ length: COUNT }, buyAndWait))
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
const errors = outcomes.flatMap(({ reason }) => reason ?? [])
console.log(`${COUNT - errors.length} codes in ${seconds} s`)
for (const error of errors) console.log(`failed: ${error.message}`)

// Looks for purchases with an unknown outcome, instead of buying again.
for (const { intent } of errors.filter((error) => error instanceof OutcomeUnknownError)) {
  const { candidates } = await client.reconcile(intent)
  const ids = candidates.map((order) => order.activationId)
  console.log(`candidates: ${ids.join(', ') || 'none found'}`)
}
