// What the tests share: the sandbox, the checkout, and small helpers.

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
  { node = process.execPath, type = 'module', args = [], timeout = 60_000, key = 'run', argument = '' } = {}
) {
  const { stdout } = await promisify(execFile)(node, [`--input-type=${type}`, ...args, '-e', code, '--', argument], {
    timeout,
    killSignal: 'SIGKILL',
    cwd: import.meta.dirname,
    env: { ...process.env, SASTAOTP_API_KEY: key, SASTAOTP_BASE_URL: sandbox.url, NODE_TEST_CONTEXT: '' }
  })
  return stdout
}
