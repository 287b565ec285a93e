// Errors: their classes, their facts, and what none of them shows.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { NUMBER, sandbox } from './harness.mjs'

const sastaotp = createRequire(import.meta.url)('sastaotp')
const { Client, SastaotpError } = sastaotp
const CANARY = 'stp_canary_0123456789abcdef'

const thrown = (promise) =>
  promise.then(
    () => assert.fail('it worked'),
    (error) => error
  )

/** Documented codes of the service: the call, how the sandbox is brought to answer so, and the class. */
const CODES = [
  ['NO_NUMBERS', 'NoNumbersError', (client) => client.getNumber('zz_nonumbers', NUMBER)],
  [
    'MAX_PRICE_EXCEEDED',
    'PriceTooHighError',
    (client) => client.getNumber('zz_price_up', { ...NUMBER, maxPrice: 15 })
  ],
  [
    'SERVICE_UNAVAILABLE',
    'ServiceUnavailableError',
    (client) => client.getNumber('tg', { ...NUMBER, country: '99999' })
  ],
  ['ERROR_SQL', 'OutcomeUnknownError', (client) => client.getNumber('zz_sql', NUMBER)],
  ['SERVER_ERROR', 'OutcomeUnknownError', (client) => client.getNumber('zz_server_error', NUMBER)],
  [
    'PROVIDER_ERROR',
    'OutcomeUnknownError',
    (client) => client.getNumber('zz_provider_error', NUMBER)
  ],
  ['NO_ACTIVATION', 'NotFoundError', (client) => client.complete('999999')],
  [
    'ALREADY_FINISHED',
    'AlreadyFinishedError',
    async (client) => {
      const number = await client.getNumber('zz_ok', NUMBER)
      await number.waitForCode({ timeoutMs: 30_000 })
      await number.complete()
      await number.setStatus(1)
    }
  ],
  [
    'EARLY_CANCEL_DENIED',
    'TooEarlyError',
    async (client) => (await client.getNumber('zz_early_cancel', NUMBER)).cancel()
  ],
  ['BAD_KEY', 'AuthenticationError', (client) => client.getBalance(), 'sandbox_bad'],
  ['KEY_INACTIVE', 'AuthenticationError', (client) => client.getBalance(), 'sandbox_inactive'],
  ['ACCOUNT_BANNED', 'AuthenticationError', (client) => client.getBalance(), 'sandbox_banned'],
  [
    'NO_BALANCE',
    'InsufficientBalanceError',
    (client) => client.getNumber('tg', NUMBER),
    'sandbox_poor'
  ]
]

for (const [code, name, call, apiKey] of CODES) {
  test(`${code} is thrown as ${name}`, async () => {
    const error = await thrown(call(sandbox.client(apiKey && { apiKey })))
    assert.ok(
      error instanceof sastaotp[name] && error instanceof SastaotpError && error instanceof Error,
      inspect(error)
    )
    assert.equal(error.name, name)
    assert.equal(error.code, code)
    assert.equal(error.httpStatus, 200)
    assert.match(error.raw, new RegExp(code))
    assert.ok(error.hint.length > 10 && error.message.endsWith(error.hint), error.message)
    assert.doesNotMatch(error.message, /get_/)
    assert.equal(error instanceof sastaotp.ApiError, name !== 'OutcomeUnknownError')
  })
}

test('a failure names the line that called', async () => {
  async function whereIAsked() {
    await sandbox.client().getNumber('zz_nonumbers', NUMBER)
  }
  const { stack } = await thrown(whereIAsked())
  assert.match(stack, /at async whereIAsked .*errors\.test\.mjs/)
})

test('arguments and settings that are wrong are refused, by name and without their value', async () => {
  const apiKey = CANARY
  const SETTINGS = [
    [{}, /API key/],
    [{ apiKey: 5 }, /apiKey/],
    [{ apiKey: `${CANARY}\0` }, /apiKey/],
    [{ apiKey: ` ${CANARY}` }, /API key/],
    [{ apiKey, budjet: 5 }, /budjet/],
    [{ apiKey, budget: 0.1 + 0.2 }, /0\.30000000000000004/],
    [{ apiKey, budget: {} }, /budget/],
    [{ apiKey, budgetMicros: 1.5 }, /budgetMicros/],
    [{ apiKey, keyIn: 'cookie' }, /keyIn/],
    [{ apiKey, timeoutMs: -1 }, /timeoutMs/],
    [{ apiKey, workers: 0 }, /workers/],
    [{ apiKey, workers: 513 }, /workers/],
    [{ apiKey, ca: 'none' }, /PEM/],
    [{ apiKey, baseUrl: 'http://example.com/' }, /https/]
  ]
  for (const [settings, says] of SETTINGS) {
    const made = () => new Client(settings)
    assert.throws(
      made,
      (error) => error instanceof sastaotp.ConfigError && says.test(error.message),
      inspect(settings)
    )
    assert.throws(made, (error) => !inspect(error).includes(CANARY))
  }
  const client = sandbox.client({ apiKey: 'refused' })
  const CALLS = [
    [
      () => client.getNumber('tg', { country: '22' }),
      /give maxPrice, or acceptAnyPrice: true to pay/
    ],
    [
      () => client.getNumber('tg', { country: '22', maxPirce: 5 }),
      /no field `maxPirce`: there are `service`, .*`maxPriceMicros`/
    ],
    [() => client.getBalance({ service: 'tg' }), /no field `service`: there are none$/],
    [() => client.getNumber('tg', { country: 22, maxPrice: 5 }), /`country` is 22/],
    [() => client.getNumber('tg', { ...NUMBER, maxPrice: '18,50' }), /18\.50/],
    [() => client.getNumber(undefined, NUMBER), /`service` is missing/],
    [() => client.waitForCode('1', {}), /`timeoutMs` is missing/],
    [() => client.waitForCode('1', { timeoutMs: 1.5 }), /`timeoutMs` is 1\.5/],
    [() => client.getStatus(5), /`id` is 5/],
    [() => client.getStatus('\ud800'), /reading an operation/],
    [() => client.getStatus('1\0'), /id/],
    [
      () => client.getNumber('tg', { ...NUMBER, country: Number.NaN }),
      /^get number: country is NaN: /
    ],
    [
      () => client.lease('tg', { ...NUMBER, country: Symbol('22') }),
      /country is of the type symbol/
    ],
    [
      () => client.intend('tg', { ...NUMBER, operator: () => '22' }),
      /operator is of the type function/
    ],
    [
      () => client.getNumber('tg', { ...NUMBER, country: { toJSON() {} } }),
      /country is of the type object/
    ],
    [() => client.getNumber('tg', { country: '22', maxPrice: Number.NaN }), /maxPrice is NaN/],
    [
      () => client.getNumber('tg', { country: '22', maxPriceMicros: 80_000_000n }),
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
    [
      async () =>
        client.buy({
          ...(await client.intend('tg', NUMBER)).toJSON(),
          max_price_micros: Number.NaN
        }),
      /saved intent/
    ]
  ]
  for (const [call, says] of CALLS) {
    const error = await thrown(call())
    assert.ok(
      error instanceof sastaotp.ConfigError && error.charge === 'not_charged',
      inspect(error)
    )
    assert.match(error.message, says)
  }
  const limited = sandbox.client({ apiKey: 'refused', budget: 100 })
  assert.match((await thrown(limited.regetNumber('1'))).message, /call getOrders first/)
  await sandbox.control('refused', 'assert', { charges: 0 })
})

test('what is no saved intent is refused as an argument is', () => {
  const NONE = [
    'x',
    '',
    '{}',
    'null',
    '[]',
    '{"action":"getNumber"}\0',
    null,
    undefined,
    5,
    {},
    Symbol('intent')
  ]
  for (const saved of NONE) {
    assert.throws(
      () => sastaotp.Intent.fromJSON(saved),
      { name: 'ConfigError', message: /^reading a saved intent: .*: give / },
      inspect(saved)
    )
  }
})

test('no object and no error shows the key', async () => {
  const client = sandbox.client({ apiKey: CANARY })
  const number = await client.lease('zz_ok', NUMBER)
  const closed = sandbox.client({ apiKey: CANARY })
  closed.close()
  const nowhere = new Client({
    apiKey: CANARY,
    baseUrl: 'http://127.0.0.1:9/',
    keyIn: 'query',
    timeoutMs: 300
  })
  await sandbox.control(CANARY, 'faults', {
    match: { action: 'getBalance' },
    fault: 'H04',
    times: 0
  })
  const failures = await Promise.all([
    thrown(client.getNumber('zz_lost_reply', NUMBER)),
    thrown(client.getNumber('zz_nonumbers', NUMBER)),
    thrown(sandbox.client({ apiKey: CANARY, timeoutMs: 1500 }).getBalance()),
    thrown(closed.getBalance()),
    thrown(nowhere.getBalance()),
    thrown(client.getBalance({ signal: AbortSignal.abort(new Error('why')) }))
  ])
  const results = [
    await client.getPrices({ service: 'tg' }),
    await client.getOrders(),
    await client.unclaimed()
  ]
  for (const each of [client, number, number.purchase, closed, sandbox, ...failures, ...results]) {
    const shown = [
      inspect(each, { depth: Infinity, showHidden: true, getters: true }),
      String(each),
      `${each}`,
      JSON.stringify(each),
      each.stack,
      each.cause?.stack
    ].join('\n')
    assert.doesNotMatch(shown, /stp_canary/)
  }
  await number.close()
})
