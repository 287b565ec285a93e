// Shared by the tests: the sandbox, the checkout, and helpers.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
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

/** Runs a JavaScript program against the sandbox and returns its output. Fails if it hangs. */
export async function run(
  code,
  {
    node = process.execPath,
    type = 'module',
    args = [],
    timeout = 60_000,
    key = 'run',
    argument = ''
  } = {}
) {
  const { stdout } = await promisify(execFile)(
    node,
    [`--input-type=${type}`, ...args, '-e', code, '--', argument],
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
