// koffi, which calls the native library. Its own error does not name a remedy.

const { ConfigError } = require('./errors.js')

function load() {
  try {
    return require('koffi')
  } catch (cause) {
    // Node lists the modules that required it on the other lines.
    const [reason] = cause.message.split('\n')
    const message =
      `loading koffi: ${reason}: install sastaotp again ` +
      'with its optional dependencies (npm install --include=optional)'
    throw Object.assign(new ConfigError(message, { kind: 'config' }), { cause })
  }
}

module.exports = load()
