// Code that TypeScript must accept, and code that it must refuse. It is compiled, not run.

import {
  AbortError,
  type Activation,
  ApiError,
  type Attempt,
  type Client,
  type ClientOptions,
  Intent,
  type Lease,
  type Offer,
  OutcomeUnknownError,
  type Price,
  type SettledLease,
  type Settlement,
  type Unclaimed
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
    JSON.stringify(await client.intend('tg', { anyCountry: true, acceptAnyPrice: true }))
  )
  const settings: ClientOptions = { lateBookingMs: 600_000, endWaitMs: 10_000 }
  const reached: ClientOptions = { proxy: 'direct', roots: 'both', caPem: new Uint8Array() }
  const kept: ClientOptions = { journal: 'folder', durability: 'process', journalOnNetwork: true }
  const leases: SettledLease[] = await client.settleLeftoverLeases({ onTooEarly: 'wait' })
  console.log(reached.proxy)
  console.log(kept, leases[0]?.unclaimed.message, leases[0]?.settlement?.state, leases[0]?.error)
  await client.getNumber('tg', { operator: '22', maxPrice: 80 })
  const offers: Offer[] = await client.getOffers('tg', { maxPrice: 80, minAvailable: 10 })
  const cheapest: Offer | null = await client.cheapestOffer('tg')
  console.log(cheapest?.operator, cheapest?.priceMicros)
  await client.getNumber('tg', { offers, patienceMs: 60_000, parameters: { ref: '7' } })
  const tried = await client.getNumber('tg', {
    countries: ['22', '6'],
    minPrice: '5.50',
    maxPrice: 80
  })
  const attempts: Attempt[] = tried.purchase?.attempts ?? []
  console.log(attempts[0]?.country, attempts[0]?.refused)
  await client.intend('tg', { country: '22', maxPrice: 80, parameters: { fixedPrice: 'true' } })
  await client.regetNumber('1', { maxPriceMicros: 80_000_000 })
  await activation.complete({ withoutCode: true })
  await activation.keep()
  const { candidates, reason } = await client.reconcile(intent, { timeoutMs: 0 })
  console.log(candidates[0]?.isOurs, candidates[0]?.evidence[0], candidates[0]?.phoneNumber, reason)
  await client.resolve(intent, { notMade: true })
  await client.resolve(intent, { activationId: '1' })
  const unsettled: Unclaimed[] = await client.close()
  console.log(settings, intent.id, unsettled[0]?.message)
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
  await client.getNumber('tg', { country: '22', maxPrice: 1, acceptAnyPrice: true })
  // @ts-expect-error a country is required
  await client.getNumber('tg', { maxPrice: 1 })
  // @ts-expect-error only one country is allowed
  await client.getNumber('tg', { country: '22', anyCountry: true, maxPrice: 1 })
  // @ts-expect-error undefined is no country
  await client.getNumber('tg', { country: undefined, maxPrice: 1 })
  // @ts-expect-error a list of countries states no price
  await client.getNumber('tg', { countries: ['22'] })
  // @ts-expect-error only one list is allowed
  await client.getNumber('tg', { countries: ['22'], offers, maxPrice: 1 })
  // @ts-expect-error an intent has one country
  await client.intend('tg', { countries: ['22'], maxPrice: 1 })
  // @ts-expect-error the option is misspelled
  await client.getNumber('tg', { country: '22', maxPrice: 1, contry: '22' })
  // @ts-expect-error a price limit is required
  await client.regetNumber('1')
  // @ts-expect-error one of two answers is required
  await client.resolve(intent, {})
  // @ts-expect-error country codes are text
  await client.getNumber('tg', { maxPrice: 1, country: 22 })
  // @ts-expect-error a timeout is required
  await client.waitForCode('1')
  // @ts-expect-error 2 is not a status
  await client.setStatus('1', 2)
}
