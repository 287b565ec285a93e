// Tests of the journal: the next program has the purchases of a killed one.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { AlreadySentError, ConfigError, Intent, JournalError, TooEarlyError } from 'sastaotp'
import { NUMBER, rejectionOf, sandbox } from './harness.mjs'
import { OPTIONS, settleUnclaimed } from './journal-loop.mjs'

/** How many times the looping programs are killed. */
const KILLS = Number(process.env.SASTAOTP_KILLS ?? 3)
const LOOP = path.join(import.meta.dirname, 'journal-loop.mjs')

const root = mkdtempSync(path.join(tmpdir(), 'sastaotp-journal-'))
// A client that lists a purchase keeps its journal open, and Windows does not remove open files.
if (process.platform !== 'win32') after(() => rmSync(root, { recursive: true }))
let folders = 0
const newFolder = () => path.join(root, String(folders++))

const environment = (key, folder) => ({
  ...process.env,
  SASTAOTP_API_KEY: key,
  SASTAOTP_BASE_URL: sandbox.url,
  SASTAOTP_JOURNAL: folder,
  NODE_TEST_CONTEXT: ''
})

/** Whether a program killed itself. Windows has no signals: the exit status is 1 instead. */
const wasKilled = ({ signal, code }) =>
  process.platform === 'win32' ? code === 1 : signal === 'SIGKILL'

/** Runs a program that kills itself, with the journal in its environment. Returns its lines. */
function runUntilKilled(code, key, folder) {
  const program = `
    import { writeSync } from 'node:fs'
    import { Client, OutcomeUnknownError } from 'sastaotp'
    const print = (text) => writeSync(1, text + '\\n')
    function die() {
      print('killed')
      process.kill(process.pid, 'SIGKILL')
    }
    const NUMBER = ${JSON.stringify(NUMBER)}
    ${code}`
  return new Promise((resolve, reject) => {
    const options = { cwd: import.meta.dirname, env: environment(key, folder), timeout: 60_000 }
    execFile(
      process.execPath,
      ['--input-type=module', '-e', program],
      options,
      (error, stdout, stderr) => {
        const lines = stdout.trim().split('\n')
        const last = lines.pop()
        if (error && wasKilled(error) && last === 'killed') resolve(lines)
        else reject(error ?? new Error(`the program was not killed: ${stdout}${stderr}`))
      }
    )
  })
}

const INVALID = [
  [{ journal: '' }, ConfigError, /folder is empty/],
  [{ journal: 5 }, ConfigError, /journal must be a string/],
  [{ journal: 'a\0b' }, ConfigError, /journal must be a string/],
  [{ durability: 'disk' }, ConfigError, /invalid durability disk: use one of power, process/],
  [{ journalOnNetwork: 1 }, ConfigError, /journalOnNetwork must be true or false/],
  // This is a file, so there can be no folder.
  [{ journal: import.meta.filename }, JournalError, /journal\.test\.mjs/],
  [{ journal: path.join(import.meta.filename, 'folder') }, JournalError, /journal\.test\.mjs/]
]

for (const [options, errorClass, message] of INVALID) {
  test(`${JSON.stringify(options)} is refused`, () => {
    assert.throws(
      () => sandbox.client(options),
      (error) => {
        assert.equal(error.constructor, errorClass)
        assert.match(error.message, message)
        assert.deepEqual([error.charge, error.retry], ['not_charged', 'never'])
        return true
      }
    )
  })
}

test('clients of a key share one journal', async () => {
  const [apiKey, journal] = ['journal-shared', newFolder()]
  const client = sandbox.client({ apiKey, journal })
  assert.deepEqual(await sandbox.client({ apiKey, journal }).unclaimed(), [])
  for (const options of [{ journal: newFolder() }, { journal, durability: 'process' }]) {
    assert.throws(
      () => sandbox.client({ apiKey, ...options }),
      (error) => error instanceof JournalError && /same folder and durability/.test(error.message)
    )
  }
  await client.close()
})

test('the journal does not contain the key', async () => {
  const [apiKey, journal] = ['journal-secret-key', newFolder()]
  const client = sandbox.client({ apiKey, journal, durability: 'process' })
  const number = await client.getNumber('zz_never', NUMBER)
  const files = readdirSync(journal, { recursive: true })
    .map((name) => path.join(journal, name))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, 'utf8'))
  assert.ok(files.some((text) => text.includes(number.id)))
  assert.ok(!files.some((text) => text.includes(apiKey)))
  await number.cancel()
})

test('the next program has the purchases of a killed one', async () => {
  const [apiKey, journal] = ['journal-killed', newFolder()]
  const [saved, shown] = await runUntilKilled(
    `const client = new Client()
    const intent = await client.intend('zz_ok', NUMBER)
    print(JSON.stringify(intent))
    const number = await client.buy(intent)
    const { code } = await number.waitForCode({ timeoutMs: 60_000 })
    print([number.id, number.phoneNumber, code].join(' '))
    const leases = [await client.lease('zz_never', NUMBER)]
    leases.push(await client.lease('zz_early_cancel', NUMBER))
    die()`,
    apiKey,
    journal
  )
  const client = sandbox.client({ apiKey, journal })
  const listed = Object.fromEntries(
    (await client.unclaimed()).map((entry) => [entry.intent.service, entry])
  )
  assert.deepEqual(Object.keys(listed).sort(), ['zz_early_cancel', 'zz_never', 'zz_ok'])

  const refused = await rejectionOf(client.buy(Intent.fromJSON(saved)))
  assert.ok(refused instanceof AlreadySentError && refused.charge === 'not_charged', refused)

  // The journal has the code: no request is needed.
  const requests = async () => (await sandbox.control(apiKey, 'log')).log.length
  const before = await requests()
  const { activationId, phoneNumber } = listed.zz_ok.purchase
  const number = await client.activation(activationId)
  const { code } = await number.waitForCode({ timeoutMs: 0 })
  assert.equal([activationId, phoneNumber, code].join(' '), shown)
  assert.equal(await requests(), before)
  assert.equal((await number.settle()).state, 'completed')

  const leases = Object.fromEntries(
    (await client.settleLeftoverLeases()).map((lease) => [lease.unclaimed.intent.service, lease])
  )
  assert.deepEqual(Object.keys(leases).sort(), ['zz_early_cancel', 'zz_never'])
  assert.equal(leases.zz_never.settlement.state, 'cancelled')
  assert.equal(leases.zz_never.error, null)
  assert.equal(leases.zz_early_cancel.settlement, null)
  assert.ok(leases.zz_early_cancel.error instanceof TooEarlyError)
  const services = (await client.unclaimed()).map(({ intent }) => intent.service)
  assert.deepEqual(services, ['zz_early_cancel'])
  await sandbox.control(apiKey, 'assert', { charges: 3, refunds: 1 })
})

test('an unknown purchase of a killed program is found', async () => {
  const [apiKey, journal] = ['journal-unknown', newFolder()]
  await runUntilKilled(
    `await new Client().getNumber('zz_lost_reply', NUMBER).catch((error) => {
      if (error instanceof OutcomeUnknownError) die()
    })`,
    apiKey,
    journal
  )
  const client = sandbox.client({ apiKey, journal, lateBookingMs: 0 })
  const [{ intent, outcome }] = await client.unclaimed()
  assert.equal(outcome, 'unknown')
  const { candidates } = await client.reconcile(intent, { timeoutMs: 0 })
  assert.equal(candidates.length, 1)
  await client.resolve(intent, { activationId: candidates[0].activationId })
  await client.cancel(candidates[0].activationId)
  assert.deepEqual(await client.unclaimed(), [])
})

test('processes share the budget', async () => {
  const [apiKey, journal] = ['journal-budget', newFolder()]
  const [price] = await runUntilKilled(
    `const number = await new Client({ budget: 1000 }).getNumber('zz_never', NUMBER)
    print(String(number.price))
    die()`,
    apiKey,
    journal
  )
  const client = sandbox.client({ apiKey, journal, budget: 1000 })
  assert.equal((await client.budgetLeft()).budgetLeft, 1000 - Number(price))
  const [{ purchase }] = await client.unclaimed()
  await client.cancel(purchase.activationId)
  assert.equal((await client.budgetLeft()).budgetLeft, 1000)
})

/** Starts the program journal-loop.mjs, whose lines are added to `lines`. */
function startLoop(lines, key, folder) {
  const child = spawn(process.execPath, ['--no-warnings', LOOP, folder], {
    env: environment(key, ''),
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const ended = []
  const events = new EventEmitter()
  const printed = Object.fromEntries(
    ['started', 'bought'].map((word) => [word, once(events, word)])
  )
  for (const stream of [child.stdout, child.stderr]) {
    const reader = createInterface(stream)
    reader.on('line', (line) => {
      lines.push(line)
      events.emit(line.split(' ')[0])
    })
    ended.push(once(reader, 'close'))
  }
  const exited = once(child, 'exit')
  exited.then(() => ['started', 'bought'].map((word) => events.emit(word)))
  return {
    end: () => child.kill('SIGKILL'),
    async kill(random) {
      await (random() < 0.6 ? printed.bought : printed.started)
      await sleep(400 * random())
      child.kill('SIGKILL')
      await Promise.all([exited, ...ended])
    }
  }
}

/** A generator of numbers from 0 to 1 that returns the same ones in each run. */
function numbers(seed) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

test('killed programs forget no order', async (context) => {
  const [apiKey, journal, lines, random] = ['journal-loop', newFolder(), [], numbers(88_172_645)]
  await sandbox.control(apiKey, 'seed', { wallet: '1000000.00' })
  const start = () => startLoop(lines, apiKey, journal)
  const loops = [start(), start()]
  context.after(() => {
    for (const loop of loops) loop.end()
  })
  for (let kill = 0; kill < KILLS; kill++) {
    await loops[kill % 2].kill(random)
    loops[kill % 2] = start()
  }
  for (const loop of loops) await loop.kill(random)

  assert.deepEqual(
    lines.filter((line) => !/^(started|try|bought \w+)$/.test(line)),
    []
  )
  const bought = lines.filter((line) => line.startsWith('bought'))
  assert.equal(new Set(bought).size, bought.length, 'a number was given to two')

  const last = sandbox.client({ apiKey, journal, ...OPTIONS })
  const { entries } = await sandbox.control(apiKey, 'ledger')
  const charged = entries.filter(({ kind }) => kind === 'charge').length
  const tries = lines.filter((line) => line === 'try').length
  assert.ok(charged <= tries, 'a purchase was sent twice')
  const listed = await last.unclaimed()
  const known = listed.flatMap(({ purchase }) => purchase?.activationId ?? [])
  const unknown = listed.length - known.length
  assert.equal(new Set(known).size, known.length, 'an order is listed twice')
  const open = []
  for await (const order of last.orders({ status: 'pending' })) open.push(order)
  const missing = open.filter(({ activationId }) => !known.includes(activationId))
  assert.ok(missing.length <= unknown, `${missing.length} are forgotten, ${unknown} are unknown`)
  context.diagnostic(
    `journal: ${KILLS} kills, ${tries} tries, ${charged} charged, ${open.length} open, ` +
      `${unknown} unknown`
  )

  // A purchase can only be found after others have their orders.
  for (let pass = 0; pass < 3; pass++) {
    // The shortest late booking is a millisecond.
    await sleep(10)
    if ((await last.unclaimed()).length > 0) await settleUnclaimed(last)
  }
  assert.deepEqual(await last.unclaimed(), [])
  // The history shows how each order ended, also if a program was killed before the reply.
  for await (const order of last.orders()) assert.notEqual(order.status, 'pending')
  const { spent } = await sandbox.control(apiKey, 'ledger')
  const { budgetLeft } = await last.budgetLeft()
  assert.equal(budgetLeft, OPTIONS.budget - Number(spent))
})
