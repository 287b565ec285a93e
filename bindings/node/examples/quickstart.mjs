// Buys a number, prints the code that comes to it, and completes the order; without a code it is cancelled for the refund.
//
//     SASTAOTP_API_KEY=… node quickstart.mjs [SERVICE] [COUNTRY] [MAX_PRICE]
//
// That costs money. Without a key it runs against the sandbox.

import { Client } from 'sastaotp'
import { Sandbox } from 'sastaotp/testing'

const [service = 'zz_ok', country = '22', maxPrice = '80'] = process.argv.slice(2)
const options = process.env.SASTAOTP_API_KEY
  ? {}
  : { apiKey: 'any', baseUrl: (await Sandbox.start()).url }
const client = new Client(options)

// Ctrl-C ends the wait, and the order is settled all the same.
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())

const { amount, currency } = await client.getBalance()
console.log(`balance    ${amount} ${currency}`)
const number = await client.lease(service, { country, maxPrice, signal: interrupted.signal })
const ticking = showTime(300)
try {
  console.log(`number     ${number.phoneNumber} for ${number.price} ${currency}`)
  const { code } = await number.waitForCode({ timeoutMs: 300_000, signal: interrupted.signal })
  ticking.end()
  console.log(`code       ${code}`)
} finally {
  ticking.end()
  const { state, code } = await number.close()
  // It may have come at the last moment, as the order was to be cancelled.
  console.log(`order      ${state}${code ? ` with the code ${code.code}` : ''}`)
}

// Shows how long a wait has lasted and may last: in one line on a terminal, elsewhere in a line every ten seconds.
function showTime(longest) {
  let second = 0
  const { isTTY: terminal } = process.stdout
  const timer = setInterval(() => {
    second += 1
    const line = `waiting    ${second} s, ${Math.max(longest - second, 0)} s left`
    if (terminal) process.stdout.write(`\r${line} `)
    else if (second % 10 === 0) console.log(line)
  }, 1000)
  const end = () => {
    clearInterval(timer)
    if (terminal && second > 0) process.stdout.write('\n')
    second = 0
  }
  return { end }
}
