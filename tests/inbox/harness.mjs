// The fixture of the page's tests: a sandbox, its clients, and a browser.

import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { after } from 'node:test'
import { chromium } from 'playwright-core'
import { Sandbox } from 'sastaotp/testing'

export const CHECKOUT = process.env.SASTAOTP_CHECKOUT
/** The folder for screenshots. */
export const PICTURES = path.join(CHECKOUT, 'target/inbox')

export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  // Chromium's own sandbox does not work for root.
  chromiumSandbox: process.getuid() !== 0
})
after(() => browser.close())

/** Starts a sandbox and opens its page, with a client whose key the page shows. */
export async function open(t, options = {}) {
  const sandbox = await Sandbox.start()
  t.after(() => sandbox.stop())
  return { sandbox, ...(await openPage(t, sandbox, options)) }
}

/** Opens the page of a sandbox, with a client that has a new key. */
export async function openPage(t, sandbox, options = {}) {
  const { width = 1280, height = 900, colorScheme = 'light' } = options
  const { key = `canary-${randomBytes(12).toString('hex')}` } = options
  const client = sandbox.client({ apiKey: key })
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme,
    reducedMotion: 'reduce'
  })
  t.after(() => context.close())
  const page = await context.newPage()
  const errors = []
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
  page.on('pageerror', (error) => errors.push(String(error)))
  const url = new URL('/', sandbox.url).href
  await page.goto(url)
  const control = (call, body) => sandbox.control(key, call, body)
  return { key, client, context, page, url, control, errors }
}

/** Sends a request to the service directly, without a client's pauses. */
export const ask = async (sandbox, key, query) =>
  (await fetch(`${sandbox.url}?${query}`, { headers: { 'X-API-Key': key } })).text()

/** Runs `act` many times, a few at once. */
export async function many(count, act, workers = 16) {
  let next = 0
  const worker = async () => {
    while (next < count) await act(next++)
  }
  await Promise.all(Array.from({ length: workers }, worker))
}

/** Fills the page: numbers in every state, refusals and a fault. */
export async function work(client, control) {
  const buy = (service) => client.getNumber(service, { country: '22', acceptAnyPrice: true })
  await control('seed', { delivery: 'manual' })
  const [done, gone, tg, wa] = [
    await buy('zz_never'),
    await buy('zz_never'),
    await buy('tg'),
    await buy('wa')
  ]
  await control('sms', { id: done.id, text: 'Your code is 204117' })
  await done.complete()
  await control('provider_cancel', { id: gone.id })
  await control('sms', { id: tg.id, text: 'Telegram code 58213' })
  await tg.getStatus()
  await wa.getStatus()
  for (const service of ['ds', 'fb', 'am']) {
    await control('clock', { advance_ms: 67_000 })
    await buy(service)
  }
  await client.getNumber('go', { country: '22', maxPrice: 1 }).catch(() => {})
  await client.getNumber('zz_nonumbers', { country: '22', maxPrice: 100 }).catch(() => {})
  await buy('ig').catch(() => {})
  await control('faults', { fault: 'server_error', match: { action: 'getBalance' } })
  await client.getBalance()
  await control('faults', {
    fault: 'reply_lost',
    variant: 'rst',
    match: { action: 'getNumber' },
    times: 2
  })
}
