// Errors: their classes and fields, the refusal of invalid arguments, and the secrecy of the key.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { NUMBER, rejectionOf, require, sandbox, serve } from './harness.mjs'

const sastaotp = require('sastaotp')
const { Client, ConfigError, Intent, SastaotpError } = sastaotp
const CANARY = 'stp_canary_0123456789abcdef'

const buy = (service, options) => (client) => client.getNumber(service, { ...NUMBER, ...options })
const getBalance = (client) => client.getBalance()

async function changeCompletedOrder(client) {
  const number = await client.getNumber('zz_ok', NUMBER)
  await number.waitForCode({ timeoutMs: 30_000 })
  await number.complete()
  await number.setStatus(1)
}

async function cancelEarly(client) {
  const number = await client.getNumber('zz_early_cancel', NUMBER)
  await number.cancel()
}

/** Codes of the service: the error class, a call that makes the sandbox send the code, its key. */
const CODES = [
  ['NO_NUMBERS', 'NoNumbersError', buy('zz_nonumbers')],
  ['MAX_PRICE_EXCEEDED', 'PriceTooHighError', buy('zz_price_up', { maxPrice: 15 })],
  ['SERVICE_UNAVAILABLE', 'ServiceUnavailableError', buy('tg', { country: '99999' })],
  ['ERROR_SQL', 'OutcomeUnknownError', buy('zz_sql')],
  ['SERVER_ERROR', 'OutcomeUnknownError', buy('zz_server_error')],
  ['PROVIDER_ERROR', 'OutcomeUnknownError', buy('zz_provider_error')],
  ['NO_ACTIVATION', 'NotFoundError', (client) => client.complete('999999', { withoutCode: true })],
  ['ALREADY_FINISHED', 'AlreadyFinishedError', changeCompletedOrder],
  ['EARLY_CANCEL_DENIED', 'TooEarlyError', cancelEarly],
  ['BAD_KEY', 'AuthenticationError', getBalance, 'sandbox_bad'],
  ['KEY_INACTIVE', 'AuthenticationError', getBalance, 'sandbox_inactive'],
  ['ACCOUNT_BANNED', 'AuthenticationError', getBalance, 'sandbox_banned'],
  ['NO_BALANCE', 'InsufficientBalanceError', buy('tg'), 'sandbox_poor']
]

for (const [code, name, call, apiKey] of CODES) {
  test(`${code} throws ${name}`, async () => {
    const error = await rejectionOf(call(sandbox.client(apiKey && { apiKey })))
    assert.ok(
      error instanceof sastaotp[name] && error instanceof SastaotpError && error instanceof Error,
      inspect(error)
    )
    assert.equal(error.name, name)
    assert.equal(error.code, code)
    assert.equal(error.httpStatus, 200)
    assert.match(error.raw, new RegExp(code))
    assert.ok(error.hint.length > 10 && error.message.endsWith(error.hint), error.message)
    assert.equal(error instanceof sastaotp.ApiError, name !== 'OutcomeUnknownError')
  })
}

// The stacks of Bun have no asynchronous callers.
const skipStack = process.versions.bun !== undefined

test("an error's stack names the calling line", { skip: skipStack }, async () => {
  async function callingFunction() {
    await sandbox.client().getNumber('zz_nonumbers', NUMBER)
  }
  const { stack } = await rejectionOf(callingFunction())
  assert.match(stack, /at async callingFunction .*errors\.test\.mjs/)
})

test('an invalid client option is refused by name', () => {
  const apiKey = CANARY
  const INVALID = [
    [{}, /API key/],
    [{ apiKey: 5 }, /apiKey/],
    [{ apiKey: `${CANARY}\0` }, /apiKey/],
    [{ apiKey: ` ${CANARY}` }, /API key/],
    [{ apiKey, budjet: 5 }, /budjet/],
    [{ apiKey, budget: 0.1 + 0.2 }, /0\.30000000000000004/],
    [{ apiKey, budget: {} }, /budget/],
    [{ apiKey, budgetMicros: 1.5 }, /budgetMicros/],
    [{ apiKey, apiKeyLocation: 'cookie' }, /apiKeyLocation/],
    [{ apiKey, timeoutMs: -1 }, /timeoutMs/],
    [{ apiKey, workers: 0 }, /workers/],
    [{ apiKey, lateBookingMs: -1 }, /lateBookingMs/],
    [{ apiKey, endWaitMs: 1.5 }, /endWaitMs/],
    [{ apiKey, workers: 513 }, /workers/],
    [{ apiKey, maxConnections: 0 }, /maxConnections/],
    [{ apiKey, maxRequestsPerMinute: 0 }, /maxRequestsPerMinute/],
    [{ apiKey, caPem: 'none' }, /PEM/],
    [{ apiKey, caPem: '' }, /PEM/],
    [{ apiKey, caPem: fileURLToPath(import.meta.url) }, /path of a file/],
    [{ apiKey, proxy: 'none' }, /is not "environment", "direct" or a URL/],
    [{ apiKey, proxy: 'socks4://127.0.0.1:1' }, /SOCKS4/],
    [{ apiKey, proxy: `http://u:${CANARY}@127.0.0.1:x` }, /has no valid port/],
    [{ apiKey, proxy: `${CANARY}\0` }, /proxy must be a string/],
    [{ apiKey, proxy: new URL(`http://u:${CANARY}@h:1`) }, /proxy must be a string: use url\.href/],
    [{ apiKey, baseUrl: new URL('https://h/') }, /baseUrl must be a string: use url\.href/],
    [{ apiKey, roots: 'os' }, /invalid roots os: use one of web, system, both/],
    [{ apiKey, caPem: '/missing/ca.pem' }, /caPem is the path of a file that does not exist/],
    [{ apiKey, budjet: null }, /budjet/],
    [{ apiKey, baseUrl: 'http://example.com/' }, /https/]
  ]
  for (const [options, message] of INVALID) {
    const create = () => new Client(options)
    assert.throws(
      create,
      (error) => error instanceof ConfigError && message.test(error.message),
      inspect(options)
    )
    assert.throws(create, (error) => !inspect(error).includes(CANARY))
  }
})

test('a null client option is not stated', async () => {
  const names = [
    ...['proxy', 'roots', 'caPem', 'userAgent', 'apiKeyLocation', 'journal', 'durability'],
    ...['journalOnNetwork', 'budget', 'timeoutMs', 'workers', 'endWaitMs', 'maxConnections']
  ]
  const client = sandbox.client(Object.fromEntries(names.map((name) => [name, null])))
  assert.ok((await client.getBalance()).amount > 0)
})

test('a timeout of zero is not the default', async () => {
  const service = await serve(() => {})
  const client = sandbox.client({ baseUrl: service.url, timeoutMs: 0 })
  await assert.rejects(client.getBalance(), { name: 'CallTimeoutError' })
  service.kill()
})

test('an invalid argument is refused by name', async () => {
  const client = sandbox.client({ apiKey: 'refused' })
  const buyTelegram = (options) => () => client.getNumber('tg', options)
  const intent = (await client.intend('tg', NUMBER)).toJSON()
  const INVALID = [
    [buyTelegram({ country: '22' }), /: set maxPrice, or pass acceptAnyPrice: true/],
    [buyTelegram({ maxPrice: 5 }), /set a country or an operator, or pass anyCountry: true/],
    [buyTelegram({ country: '22', maxPirce: 5 }), /field `maxPirce`.*`service`.*`maxPriceMicros`/],
    [() => client.getBalance({ service: 'tg' }), /field `service`/],
    [buyTelegram({ country: 22, maxPrice: 5 }), /`country` is 22/],
    [buyTelegram({ ...NUMBER, maxPrice: '18,50' }), /18\.50/],
    [() => client.getNumber(undefined, NUMBER), /`service` is missing/],
    [() => client.waitForCode('1', {}), /`timeoutMs` is missing/],
    [() => client.waitForCode('1', { timeoutMs: 1.5 }), /`timeoutMs` is 1\.5/],
    [() => client.getStatus(5), /`id` is 5/],
    [() => client.getStatus('\ud800'), /reading an operation/],
    [() => client.getStatus('1\0'), /id/],
    [buyTelegram({ ...NUMBER, country: Number.NaN }), /^get number: country is NaN: /],
    [
      () => client.lease('tg', { ...NUMBER, country: Symbol('22') }),
      /country is of the type symbol/
    ],
    [
      () => client.intend('tg', { ...NUMBER, operator: () => '22' }),
      /operator is of the type function/
    ],
    [buyTelegram({ ...NUMBER, country: { toJSON() {} } }), /country is of the type object/],
    [buyTelegram({ country: '22', maxPrice: Number.NaN }), /maxPrice is NaN/],
    [
      buyTelegram({ country: '22', maxPriceMicros: 80_000_000n }),
      /maxPriceMicros is of the type bigint/
    ],
    [
      () => client.waitForCode('1', { timeoutMs: Number.POSITIVE_INFINITY }),
      /timeoutMs is Infinity/
    ],
    [() => client.getStatus(5n), /id is of the type bigint/],
    [() => client.getBalance({ signal: 5 }), /AbortSignal/],
    [() => client.buy({}), /saved intent/],
    [() => client.buy(), /saved intent/],
    [() => client.buy({ ...intent, max_price_micros: Number.NaN }), /saved intent/]
  ]
  for (const [call, message] of INVALID) {
    const error = await rejectionOf(call())
    assert.ok(error instanceof ConfigError && error.charge === 'not_charged', inspect(error))
    assert.match(error.message, message)
  }
  await sandbox.control('refused', 'assert', { charges: 0 })
})

test('a budget refuses any price', async () => {
  const apiKey = 'budget-any-price'
  const client = sandbox.client({ apiKey, budget: 100 })
  for (const buying of [
    client.regetNumber('1', { acceptAnyPrice: true }),
    client.getNumber('tg', { country: '22', acceptAnyPrice: true })
  ]) {
    const error = await rejectionOf(buying)
    assert.equal(error.name, 'BudgetError')
    assert.match(error.message, /set maxPrice/)
  }
  await sandbox.control(apiKey, 'assert', { charges: 0 })
})

test('an invalid saved intent is refused', () => {
  const notJson = ['x', '', '{"action":"getNumber"}\0', undefined, Symbol('intent')]
  const notIntents = ['{}', 'null', '[]', null, 5, {}]
  for (const saved of [...notJson, ...notIntents]) {
    assert.throws(
      () => Intent.fromJSON(saved),
      { name: 'ConfigError', message: /^reading a saved intent: .+: .+/ },
      inspect(saved)
    )
  }
})

test('no object and no error shows the key', async () => {
  const client = sandbox.client({ apiKey: CANARY })
  const number = await client.lease('zz_ok', NUMBER)
  const closed = sandbox.client({ apiKey: CANARY })
  closed.close()
  const unreachable = new Client({
    apiKey: CANARY,
    baseUrl: 'http://127.0.0.1:9/',
    apiKeyLocation: 'query',
    timeoutMs: 300
  })
  await sandbox.control(CANARY, 'faults', {
    match: { action: 'getBalance' },
    fault: 'H04',
    times: 0
  })
  const errors = await Promise.all([
    rejectionOf(client.getNumber('zz_lost_reply', NUMBER)),
    rejectionOf(client.getNumber('zz_nonumbers', NUMBER)),
    rejectionOf(sandbox.client({ apiKey: CANARY, timeoutMs: 1500 }).getBalance()),
    rejectionOf(closed.getBalance()),
    rejectionOf(unreachable.getBalance()),
    rejectionOf(client.getBalance({ signal: AbortSignal.abort(new Error('why')) }))
  ])
  const results = [
    await client.getPrices({ service: 'tg' }),
    await client.getOrders(),
    await client.unclaimed()
  ]
  const objects = [client, number, number.purchase, closed, sandbox, ...errors, ...results]
  for (const object of objects) {
    const output = [
      inspect(object, { depth: Infinity, showHidden: true, getters: true }),
      String(object),
      `${object}`,
      JSON.stringify(object),
      object.stack,
      object.cause?.stack
    ].join('\n')
    assert.doesNotMatch(output, /stp_canary/)
  }
  await number.close()
})
