// Finds the native library and the sandbox program.

const { existsSync } = require('node:fs')
const path = require('node:path')
const { BUNDLE_REMEDY, IS_BUNDLED } = require('./bundled.js')
const { interpreterOf } = require('./elf.js')
const { CHECKOUT, exists, permissionRemedy } = require('./host.js')
const { optionalDependencies } = require('../package.json')

/** The names of the files on each platform; the platforms that are not listed are like Linux. */
const FILES = {
  linux: { library: 'libsastaotp.so', sandbox: 'sastaotp-sandbox' },
  darwin: { library: 'libsastaotp.dylib', sandbox: 'sastaotp-sandbox' },
  win32: { library: 'sastaotp.dll', sandbox: 'sastaotp-sandbox.exe' }
}

/** The C libraries of Linux, by the part of a package's name. */
const LIBCS = ['gnu', 'musl']

/** The folder of the platform packages. */
const SCOPE = '@sastaotp/'

/** The platforms that have a package, such as `linux-x64-gnu`. */
const PLATFORMS = Object.keys(optionalDependencies).map((name) => name.replace(SCOPE, ''))

/** Returns the C libraries that this process may use: all of them if it is not known. */
function possibleLibcs() {
  try {
    const interpreter = interpreterOf(process.execPath)
    if (/\bld-musl-/.test(interpreter)) return ['musl']
    if (/\bld-linux/.test(interpreter)) return ['gnu']
  } catch {
    // The program cannot be read, or its format is unknown.
  }
  return LIBCS
}

function listPlatforms() {
  const machine = `${process.platform}-${process.arch}`
  if (process.platform !== 'linux') return [machine]
  return possibleLibcs().map((libc) => `${machine}-${libc}`)
}

let platforms

/** The names of this platform: several if its C library is not known. */
function platformNames() {
  platforms ??= listPlatforms()
  return platforms
}

/** Returns the path of a file in a platform package; undefined if the package is not found. */
function pathInPackage(name, file) {
  try {
    return path.join(path.dirname(require.resolve(`${SCOPE}${name}/package.json`)), file)
  } catch (error) {
    if (permissionRemedy(error)) throw error
    return undefined
  }
}

/** The reason why a file is not found, and the remedy. */
function explainMissing(variable) {
  if (IS_BUNDLED) return BUNDLE_REMEDY
  if (CHECKOUT) {
    return `it is not built: run node ${path.join(CHECKOUT, 'bindings/node/scripts/pack.mjs')}`
  }
  const build = `build the file from source and set ${variable} to its path`
  const here = platformNames()
  if (here.some((name) => PLATFORMS.includes(name))) {
    return (
      `${here.map((name) => SCOPE + name).join(' or ')} is not installed: install sastaotp again ` +
      `with its optional dependencies (npm install --include=optional), or ${build}`
    )
  }
  const known = PLATFORMS.join(', ')
  return `sastaotp has no package for ${here.join(' or ')}, only for ${known}: ${build}`
}

/**
 * Finds a file. An environment variable may name it; otherwise it is in a platform package or, if
 * this folder is part of a checkout, among the files that cargo built.
 */
function locate(kind, variable) {
  const file = (FILES[process.platform] ?? FILES.linux)[kind]
  const configured = process.env[variable]
  if (configured) {
    if (existsSync(configured)) return path.resolve(configured)
    throw new Error(
      `looking for ${file}: ${variable} is ${configured}, which does not exist: correct or unset it`
    )
  }
  const candidates = platformNames().map((name) => pathInPackage(name, file))
  if (CHECKOUT) candidates.push(path.join(CHECKOUT, 'target/release', file))
  const found = candidates.find((candidate) => candidate && exists(candidate))
  if (found) return found
  throw new Error(`looking for ${file}: ${explainMissing(variable)}`)
}

const locateLibrary = () => locate('library', 'SASTAOTP_LIBRARY')
const locateSandbox = () => locate('sandbox', 'SASTAOTP_SANDBOX')

module.exports = { locateLibrary, locateSandbox }
