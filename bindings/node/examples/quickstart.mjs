// Buys a number, prints the code it receives, and completes the order. If no code arrives, cancels
// the order for its refund.
//
//     SASTAOTP_API_KEY=… node quickstart.mjs [SERVICE] [COUNTRY] [MAX_PRICE]
//
// This costs money. Without an API key the example uses the sandbox.

import { Client } from 'sastaotp'
import { Sandbox } from 'sastaotp/testing'

const TIMEOUT_MS = 300_000
const [service = 'zz_ok', country = '22', maxPrice = '80'] = process.argv.slice(2)
const options = process.env.SASTAOTP_API_KEY
  ? {}
  : { apiKey: 'any', baseUrl: (await Sandbox.start()).url }
const client = new Client(options)

// Ctrl-C ends the wait, and the order is still settled.
const controller = new AbortController()
const { signal } = controller
process.once('SIGINT', () => controller.abort())

const { amount, currency } = await client.getBalance()
console.log(`balance    ${amount} ${currency}`)
const number = await client.lease(service, { country, maxPrice, signal })
const progress = showProgress(TIMEOUT_MS / 1000)
try {
  console.log(`number     ${number.phoneNumber} for ${number.price} ${currency}`)
  const { code } = await number.waitForCode({ timeoutMs: TIMEOUT_MS, signal })
  progress.stop()
  console.log(`code       ${code}`)
} finally {
  progress.stop()
  const { state, code } = await number.close()
  // A code may have arrived during the cancellation.
  console.log(`order      ${state}${code ? `: ${code.code}` : ''}`)
}

// Prints the elapsed and the remaining seconds: on a terminal in one line, otherwise every 10 s.
function showProgress(total) {
  const { isTTY } = process.stdout
  let elapsed = 0
  const timer = setInterval(() => {
    elapsed += 1
    const line = `waiting    ${elapsed} s, ${Math.max(total - elapsed, 0)} s left`
    if (isTTY) process.stdout.write(`\r${line} `)
    else if (elapsed % 10 === 0) console.log(line)
  }, 1000)
  const stop = () => {
    clearInterval(timer)
    if (isTTY && elapsed > 0) process.stdout.write('\n')
    elapsed = 0
  }
  return { stop }
}
