// What the tests share: the sandbox, the checkout, and small helpers.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after } from 'node:test'
import { promisify } from 'node:util'
import { Sandbox } from 'sastaotp/testing'

/** Where the sources are; the tests themselves run beside the installed package. */
export const CHECKOUT = process.env.SASTAOTP_CHECKOUT

export const sandbox = await Sandbox.start()
after(() => sandbox.stop())

export const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())

/** A purchase for a service of the sandbox. */
export const NUMBER = { country: '22', maxPrice: 100 }

/** Runs a program of JavaScript against the sandbox, and gives what it printed. Fails where the program does, or hangs. */
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

/** Holds a figure in milliseconds to a limit. Other work on the machine may spoil a round, so there are up to twenty. */
export async function quickest(what, limit, round) {
  const rounds = []
  while (rounds.length < 20 && !rounds.some((took) => took <= limit)) rounds.push(await round())
  console.log(`${what}: ${rounds.map((took) => took.toFixed(1)).join(', ')} ms`)
  assert.ok(Math.min(...rounds) <= limit, `${what}: ${rounds} ms`)
}
