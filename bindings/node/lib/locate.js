// Finds the native library and the sandbox program.

const { existsSync } = require('node:fs')
const path = require('node:path')

const CHECKOUT = path.resolve(__dirname, '../../..')

/** The packages that may contain the files for this machine; npm installs the matching one. */
function platformPackages() {
  const machine = `@sastaotp/${process.platform}-${process.arch}`
  return process.platform === 'linux' ? [`${machine}-gnu`, `${machine}-musl`] : [machine]
}

function pathInPackage(name, file) {
  try {
    return path.join(path.dirname(require.resolve(`${name}/package.json`)), file)
  } catch {
    return undefined
  }
}

/**
 * Finds a file. An environment variable may name it; otherwise it is in a platform package or, if
 * this folder is part of a checkout, among the files that cargo built.
 */
function locate(file, variable) {
  const configured = process.env[variable]
  if (configured) {
    if (existsSync(configured)) return path.resolve(configured)
    throw new Error(
      `looking for ${file}: ${variable} is ${configured}, which does not exist: correct or unset it`
    )
  }
  const candidates = platformPackages().map((name) => pathInPackage(name, file))
  if (existsSync(path.join(CHECKOUT, 'bindings/node/lib/locate.js'))) {
    candidates.push(path.join(CHECKOUT, 'target/release', file))
  }
  const found = candidates.find((candidate) => candidate && existsSync(candidate))
  if (found) return found
  throw new Error(
    `looking for ${file}: none of the packages ${platformPackages().join(', ')} is installed: ` +
      `install sastaotp again with its optional dependencies, ` +
      `or build the file from source and set ${variable} to its path`
  )
}

const LIBRARY = process.platform === 'darwin' ? 'libsastaotp.dylib' : 'libsastaotp.so'
const locateLibrary = () => locate(LIBRARY, 'SASTAOTP_LIBRARY')
const locateSandbox = () => locate('sastaotp-sandbox', 'SASTAOTP_SANDBOX')

module.exports = { locateLibrary, locateSandbox }
