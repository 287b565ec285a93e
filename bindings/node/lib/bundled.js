// Recognizes a bundle that contains this package. A bundle cannot contain native files.

const { ConfigError } = require('./errors.js')

/** A bundler that copies this module into its output replaces `module`. */
const IS_BUNDLED = typeof module.filename !== 'string'

const BUNDLE_REMEDY =
  'the bundle contains sastaotp, but cannot contain its native files: ' +
  'declare sastaotp as external (esbuild: --external:sastaotp; ' +
  "webpack: externals: { sastaotp: 'commonjs sastaotp' }; " +
  "Next.js: serverExternalPackages: ['sastaotp']), and install it beside the bundle"

if (IS_BUNDLED) {
  try {
    require('node:path')
  } catch (cause) {
    // A bundle in the format of ESM cannot call `require`.
    throw new ConfigError(`loading sastaotp: ${cause.message}: ${BUNDLE_REMEDY}`, { cause })
  }
}

module.exports = { BUNDLE_REMEDY, IS_BUNDLED }
