// Where the library and the sandbox program are.

const { existsSync } = require('node:fs')
const path = require('node:path')

const CHECKOUT = path.resolve(__dirname, '../../..')

/** The packages that may hold the files for this machine; npm installs the one that fits. */
function packages() {
  const machine = `@sastaotp/${process.platform}-${process.arch}`
  return process.platform === 'linux' ? [`${machine}-gnu`, `${machine}-musl`] : [machine]
}

function inPackage(name, file) {
  try {
    return path.join(path.dirname(require.resolve(`${name}/package.json`)), file)
  } catch {
    return undefined
  }
}

/**
 * Finds a file: named by a variable of the environment, in a package for this platform, or built in the checkout that this
 * folder is part of.
 */
function locate(file, variable) {
  const named = process.env[variable]
  if (named) {
    if (existsSync(named)) return path.resolve(named)
    throw new Error(
      `looking for ${file}: ${variable} names ${named}, which is not there: correct it, or unset it`
    )
  }
  const places = packages().map((name) => inPackage(name, file))
  if (existsSync(path.join(CHECKOUT, 'bindings/node/lib/platform.js'))) {
    places.push(path.join(CHECKOUT, 'target/release', file))
  }
  const found = places.find((place) => place && existsSync(place))
  if (found) return found
  throw new Error(
    `looking for ${file}: none of the packages ${packages().join(', ')} is installed: ` +
      `install again without omitting optional dependencies, or build it from the sources and name it in ${variable}`
  )
}

const locateLibrary = () =>
  locate(process.platform === 'darwin' ? 'libsastaotp.dylib' : 'libsastaotp.so', 'SASTAOTP_LIBRARY')
const locateSandbox = () => locate('sastaotp-sandbox', 'SASTAOTP_SANDBOX')

module.exports = { locateLibrary, locateSandbox }
