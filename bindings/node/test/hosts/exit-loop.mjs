// Buys and waits until it exits at a moment that the caller chooses. The arguments: where the loop
// runs ("main" or "worker"), and after how many milliseconds the program exits.

import { writeSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Client } from 'sastaotp'

const STATUS = 7
const NUMBER = { country: '22', maxPrice: 100 }
const FLOWS = 6

/** Buys numbers, and uses each in one of four ways. Errors do not end it. */
async function flow(client, first) {
  for (let turn = first; ; turn++) {
    const number = await (turn % 4 === 0
      ? client.lease('zz_never', NUMBER)
      : client.getNumber('zz_never', NUMBER))
    if (turn % 4 === 1) await number.waitForCode({ timeoutMs: 20 }).catch(() => {})
    else if (turn % 4 === 2) await number.cancel()
    else if (turn % 4 === 0) await number.close({ onTooEarly: 'fail' })
  }
}

function startFlows() {
  const client = new Client({ timeoutMs: 60_000 })
  for (let first = 0; first < FLOWS; first++) flow(client, first)
}

const [, , place, delay] = isMainThread ? process.argv : [null, null, ...workerData]
if (place === 'main') {
  startFlows()
  setTimeout(() => process.exit(STATUS), Number(delay))
} else if (isMainThread) {
  // Three ends of a worker, in turn: the program exits, the worker is terminated, the worker exits.
  const worker = new Worker(new URL(import.meta.url), { workerData: [place, delay] })
  worker.on('error', (error) => {
    writeSync(2, `the worker failed: ${error.message}\n`)
    process.exit(1)
  })
  worker.on('message', () => {
    setTimeout(async () => {
      if (delay % 3 === 1) await worker.terminate()
      process.exit(STATUS)
    }, Number(delay))
  })
  worker.on('exit', () => process.exit(STATUS))
} else {
  startFlows()
  parentPort.postMessage('started')
  if (delay % 3 === 2) setTimeout(() => process.exit(STATUS), Number(delay))
}
