// Buys a hundred numbers at once, waits for their codes and settles them, within a budget.
//
//     SASTAOTP_API_KEY=… node hundred.mjs [SERVICE] [COUNTRY] [MAX_PRICE]
//
// That costs money. Without a key it runs against the sandbox.

import { Client, OutcomeUnknownError } from 'sastaotp'
import { Sandbox } from 'sastaotp/testing'

const COUNT = 100
const [service = 'zz_ok', country = '22', maxPrice = '10'] = process.argv.slice(2)
const options = process.env.SASTAOTP_API_KEY
  ? {}
  : { apiKey: 'hundred', baseUrl: (await Sandbox.start()).url }
const client = new Client({ ...options, budget: COUNT * Number(maxPrice) })

async function one() {
  const number = await client.lease(service, { country, maxPrice })
  try {
    return await number.waitForCode({ timeoutMs: 300_000 })
  } catch (error) {
    // Cancels, unless a code comes first.
    const { code } = await number.close()
    if (code) return code
    throw error
  } finally {
    await number.close()
  }
}

const started = performance.now()
const outcomes = await Promise.allSettled(Array.from({ length: COUNT }, one))
const seconds = ((performance.now() - started) / 1000).toFixed(1)
const failures = outcomes.flatMap(({ reason }) => reason ?? [])
console.log(`${COUNT - failures.length} codes in ${seconds} s`)
for (const failure of failures) console.log(`failed: ${failure.message}`)

// What nobody knows the outcome of is looked for, not bought again.
for (const { intent } of failures.filter((failure) => failure instanceof OutcomeUnknownError)) {
  const { candidates } = await client.reconcile(intent)
  console.log(
    `may be it: ${candidates.map((order) => order.activationId).join(', ') || 'none was seen'}`
  )
}
