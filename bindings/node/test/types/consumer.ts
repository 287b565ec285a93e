// What a program in TypeScript says and may not say. Compiled, and not run.

import {
  AbortError,
  type Activation,
  ApiError,
  type Client,
  Intent,
  type Lease,
  OutcomeUnknownError,
  type Price,
  type Settlement
} from 'sastaotp'
import { Sandbox } from 'sastaotp/testing'

export async function main(): Promise<void> {
  await using sandbox = await Sandbox.start()
  using client: Client = sandbox.client({ budget: '500.50', timeoutMs: 5000 })
  const { amount, amountMicros } = await client.getBalance({ signal: AbortSignal.timeout(1000) })
  const left: number = amount + amountMicros
  const prices: Price[] = await client.getPrices({ service: 'tg', country: '22' })
  await using number: Lease = await client.lease('tg', { country: '22', maxPrice: 80 })
  const activation: Activation = number
  const { code } = await activation.waitForCode({ timeoutMs: 300_000 })
  const settled: Settlement = await number.close()
  const intent = Intent.fromJSON(
    JSON.stringify(await client.intend('tg', { acceptAnyPrice: true }))
  )
  for await (const order of client.orders({ status: 'pending' }))
    console.log(order.created?.getTime(), code, left)
  console.log(prices[0]?.cost?.toFixed(2), settled.state)
  try {
    await client.buy(intent)
  } catch (error) {
    if (error instanceof OutcomeUnknownError) await client.reconcile(error.intent)
    else if (error instanceof ApiError) console.log(error.code?.length, error.retryAfterMs)
    else if (error instanceof AbortError) console.log(error.cause)
  }
  // @ts-expect-error a price must be said
  await client.getNumber('tg', { country: '22' })
  // @ts-expect-error one of them
  await client.getNumber('tg', { maxPrice: 1, acceptAnyPrice: true })
  // @ts-expect-error misspelled
  await client.getNumber('tg', { maxPrice: 1, contry: '22' })
  // @ts-expect-error codes are text
  await client.getNumber('tg', { maxPrice: 1, country: 22 })
  // @ts-expect-error how long must be said
  await client.waitForCode('1')
  // @ts-expect-error there is no such status
  await client.setStatus('1', 2)
}
