// Code that TypeScript must accept, and code that it must refuse. It is compiled, not run.

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
  using client: Client = sandbox.client({ budget: '500.50', apiKeyLocation: 'bearer' })
  const { amount, amountMicros } = await client.getBalance({ signal: AbortSignal.timeout(1000) })
  const sum: number = amount + amountMicros
  const prices: Price[] = await client.getPrices({ service: 'tg', country: '22' })
  await using number: Lease = await client.lease('tg', { country: '22', maxPrice: 80 })
  const activation: Activation = number
  const { code, receivedText } = await activation.waitForCode({ timeoutMs: 300_000 })
  const { kind } = await activation.getStatus()
  const settlement: Settlement = await number.close({ onTooEarly: 'fail' })
  const intent = Intent.fromJSON(
    JSON.stringify(await client.intend('tg', { acceptAnyPrice: true }))
  )
  console.log(intent.startedAt.getTime(), kind === 'waiting_for_next', receivedText, sum)
  for await (const order of client.orders({ status: 'pending' })) {
    console.log(order.createdAt?.getTime(), order.createdText, code)
  }
  console.log(prices[0]?.price?.toFixed(2), prices[0]?.available, settlement.state)
  try {
    await client.buy(intent)
  } catch (error) {
    if (error instanceof OutcomeUnknownError) await client.reconcile(error.intent)
    else if (error instanceof ApiError) console.log(error.kind, error.retryAfterMs)
    else if (error instanceof AbortError) console.log(error.cause)
  }
  // @ts-expect-error a price limit is required
  await client.getNumber('tg', { country: '22' })
  // @ts-expect-error only one price limit is allowed
  await client.getNumber('tg', { maxPrice: 1, acceptAnyPrice: true })
  // @ts-expect-error the option is misspelled
  await client.getNumber('tg', { maxPrice: 1, contry: '22' })
  // @ts-expect-error country codes are text
  await client.getNumber('tg', { maxPrice: 1, country: 22 })
  // @ts-expect-error a timeout is required
  await client.waitForCode('1')
  // @ts-expect-error 2 is not a status
  await client.setStatus('1', 2)
}
