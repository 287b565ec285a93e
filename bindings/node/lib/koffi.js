// koffi, which calls the native library. Its own error does not name a remedy.

const path = require('node:path')
const { BUNDLE_REMEDY, IS_BUNDLED } = require('./bundled.js')
const { ConfigError } = require('./errors.js')
const { CHECKOUT, permissionRemedy, reasonOf } = require('./host.js')

function remedyFor(cause) {
  if (IS_BUNDLED) return BUNDLE_REMEDY
  const permissions = permissionRemedy(cause)
  if (permissions) return permissions
  if (CHECKOUT) {
    // npm installs a link to a folder without the dependencies of that folder.
    const folder = path.join(CHECKOUT, 'bindings/node')
    return `run npm install --prefix ${folder}, and then node ${folder}/scripts/pack.mjs`
  }
  return 'install sastaotp again with its optional dependencies (npm install --include=optional)'
}

function load() {
  try {
    // With `koffi` itself, some bundlers fail before this error can name the remedy.
    return require('koffi/indirect')
  } catch (cause) {
    const message = `loading koffi: ${reasonOf(cause)}: ${remedyFor(cause)}`
    throw Object.assign(new ConfigError(message, { kind: 'config' }), { cause })
  }
}

module.exports = load()
