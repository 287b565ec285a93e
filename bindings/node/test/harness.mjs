// Shared by the tests: the sandbox, the checkout, and helpers.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import path from 'node:path'
import { after } from 'node:test'
import { promisify } from 'node:util'
import { Sandbox } from 'sastaotp/testing'

/** The sources. The tests run elsewhere, beside the installed package. */
export const CHECKOUT = process.env.SASTAOTP_CHECKOUT

export const sandbox = await Sandbox.start()
after(() => sandbox.stop())

export const camelCase = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())

/** The options of a purchase from the sandbox. */
export const NUMBER = { country: '22', maxPrice: 100 }

export const require = createRequire(import.meta.url)

/** Holds the replies to purchases with a key until the returned function is called. */
export async function holdPurchases(apiKey) {
  await sandbox.control(apiKey, 'clock', { mode: 'manual' })
  const match = { action: 'getNumber' }
  await sandbox.control(apiKey, 'faults', { match, times: 0, delay_ms: 500 })
  return () => sandbox.control(apiKey, 'clock', { mode: 'real' })
}

/** The path of a private module of the package. */
export const modulePath = (file) => path.join(path.dirname(require.resolve('sastaotp')), file)

/** Loads a private module of the package. */
export const privateModule = (file) => require(modulePath(file))

/**
 * The program that runs other programs: this one, unless SASTAOTP_TEST_HOST names Deno or Bun.
 * Their own `fetch` repeats requests, so the services of the tests always run in Node.
 */
export const HOST = process.env.SASTAOTP_TEST_HOST ?? process.execPath
export const HOST_NAME = /deno|bun/.exec(path.basename(HOST))?.[0] ?? 'node'

const programs = mkdtempSync(path.join(import.meta.dirname, 'programs-'))
after(() => rmSync(programs, { recursive: true }))
let programCount = 0

/** The arguments with which a host runs a program of this type, beside the installed package. */
export function programArguments(code, { host = HOST, type = 'module', args = [] } = {}) {
  if (host !== HOST || HOST_NAME === 'node') return [...args, `--input-type=${type}`, '-e', code]
  const extension = type === 'module' ? 'mjs' : 'cjs'
  const file = path.join(programs, `${programCount++}.${extension}`)
  writeFileSync(file, code)
  return HOST_NAME === 'bun'
    ? [...args, file]
    : ['run', '--allow-all', '--quiet', '--v8-flags=--expose-gc', file]
}

/** Runs a JavaScript program against the sandbox and returns its output. Fails if it hangs. */
export async function run(
  code,
  { node = HOST, type = 'module', args = [], timeout = 60_000, key = 'run', argument = '' } = {}
) {
  const { stdout } = await promisify(execFile)(
    node,
    [...programArguments(code, { host: node, type, args }), '--', argument],
    {
      timeout,
      killSignal: 'SIGKILL',
      cwd: import.meta.dirname,
      env: {
        ...process.env,
        SASTAOTP_API_KEY: key,
        SASTAOTP_BASE_URL: sandbox.url,
        NODE_TEST_CONTEXT: ''
      }
    }
  )
  return stdout
}

/** Starts an HTTP server on this machine. `stop` lets pending replies finish, `kill` does not. */
export async function serve(handler) {
  const server = createServer(handler)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    stop: () => server.close(),
    kill: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

/** Returns the error of a promise that must reject. */
export const rejectionOf = (promise) =>
  promise.then(
    (value) => assert.fail(`the call succeeded: ${value}`),
    (error) => error
  )

/** Calls `act` and fails unless all promises settle before the event loop's next turn. */
export async function assertSettlesAtOnce(promises, act) {
  const settled = Promise.allSettled(promises)
  act()
  const first = await Promise.race([settled, new Promise((resolve) => setImmediate(resolve))])
  assert.ok(Array.isArray(first), 'a promise was pending after a turn of the event loop')
  return first
}
