// Buys, waits, settles and reconciles with promises until it is killed. The argument is the folder
// of the journal. Prints "try" before each purchase, and "bought" with the id after it.

import { writeSync } from 'node:fs'
import { argv } from 'node:process'
import { pathToFileURL } from 'node:url'
import { Client, JournalError, SastaotpError } from 'sastaotp'

/** The options of every client of the journal. The sandbox books at once: a search can end soon. */
export const OPTIONS = { budget: 1_000_000, timeoutMs: 90_000, lateBookingMs: 0 }
const NUMBER = { country: '22', maxPrice: 100 }
const LOOPS = 6

/** Ignores the errors of this library, for calls that may fail. */
const ignore = (error) => {
  if (!(error instanceof SastaotpError)) throw error
}

/** Settles the purchases that no object holds, and reconciles the unknown ones. */
export async function settleUnclaimed(client) {
  await client.settleLeftoverLeases()
  for (const { intent, outcome, purchase } of await client.unclaimed()) {
    if (purchase) await client.settle(purchase.activationId).catch(ignore)
    else if (outcome === 'unknown') await reconcile(client, intent).catch(ignore)
  }
}

async function reconcile(client, intent) {
  const { candidates, complete } = await client.reconcile(intent, { timeoutMs: 0 })
  const activationId = candidates.find((order) => order.activationId)?.activationId
  if (activationId) await client.resolve(intent, { activationId })
  else if (complete) await client.resolve(intent, { notMade: true })
}

// Synchronous, so that a killed program leaves each line that it reached.
const write = (line) => writeSync(1, `${line}\n`)

/** Buys a number, and ends its use in one of five ways. */
async function buy(client, turn) {
  write('try')
  if (turn % 5 === 0) {
    const lease = await client.lease('zz_never', NUMBER)
    write(`bought ${lease.id}`)
    await lease.close({ onTooEarly: 'fail' })
    return
  }
  const number = await client.getNumber(turn % 5 === 1 ? 'zz_ok' : 'zz_never', NUMBER)
  write(`bought ${number.id}`)
  if (turn % 5 === 1) {
    await number.waitForCode({ timeoutMs: 300_000 })
    await number.complete()
  } else if (turn % 5 === 2) await number.cancel()
  else if (turn % 5 === 3) await number.settle()
  else await number.markUnclaimed()
}

/** Whether the other program held the journal's lock too long: the machine is busy. */
const isLocked = (error) =>
  error instanceof JournalError && error.message.includes('holds the lock of the folder')

function openClient(options) {
  for (;;) {
    try {
      return new Client(options)
    } catch (error) {
      if (!isLocked(error)) throw error
    }
  }
}

async function loop(client, first) {
  for (let turn = first; ; turn++) {
    await buy(client, turn).catch((error) => {
      if (!isLocked(error)) write(`${error.name}: ${error.message}`)
    })
    if (turn % 4 === 0) await settleUnclaimed(client)
  }
}

if (import.meta.url === pathToFileURL(argv[1]).href) {
  write('started')
  const client = openClient({ journal: argv[2], ...OPTIONS })
  for (let first = 0; first < LOOPS; first++) loop(client, first)
}
