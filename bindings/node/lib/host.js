// The program that runs this package, such as Node, Deno or Bun, and the remedies for its refusals.

const { existsSync } = require('node:fs')
const path = require('node:path')
const { IS_BUNDLED } = require('./bundled.js')

const IS_DENO = process.versions.deno !== undefined
const IS_BUN = process.versions.bun !== undefined

/** Whether koffi can poll a descriptor. Bun ends the process, and Deno reports one event only. */
const CAN_POLL = !IS_DENO && !IS_BUN

const DENO_FLAGS =
  'run deno with --allow-ffi --allow-read --allow-env; ' +
  'the sandbox also needs --allow-run and --allow-net'

const NODE_FLAGS =
  'run node with --allow-addons and with --allow-fs-read for the folder node_modules; ' +
  'the sandbox also needs --allow-child-process and, in Node 25 or newer, --allow-net'

/** Returns the flags that the host demands; undefined if the error is not a refusal of the host. */
function permissionRemedy({ code, name, message }) {
  if (IS_DENO) {
    return name === 'NotCapable' || /Requires \w+ access/.test(message) ? DENO_FLAGS : undefined
  }
  if (code === 'ERR_ACCESS_DENIED') return NODE_FLAGS
  if (code !== 'ERR_DLOPEN_DISABLED') return undefined
  return process.permission ? NODE_FLAGS : 'run node without --no-addons'
}

const folder = path.resolve(__dirname, '../../..')

/** Whether a file exists. If the host refuses to tell, the caller looks elsewhere. */
function exists(file) {
  try {
    return existsSync(file)
  } catch {
    return false
  }
}

/** The folder of the checkout that this file is part of, if it is part of one. */
const CHECKOUT =
  !IS_BUNDLED && exists(path.join(folder, 'bindings/node/lib/host.js')) ? folder : undefined

/** The first line of an error's message, without the full stop at its end. */
const reasonOf = ({ message }) => message.split('\n')[0].replace(/\.$/, '')

module.exports = {
  CAN_POLL,
  CHECKOUT,
  exists,
  permissionRemedy,
  reasonOf
}
