// Finds the native library and the sandbox program.

const { closeSync, existsSync, openSync, readSync } = require('node:fs')
const path = require('node:path')

const CHECKOUT = path.resolve(__dirname, '../../..')

/** The names of the files on each platform; the platforms that are not listed are like Linux. */
const FILES = {
  linux: { library: 'libsastaotp.so', sandbox: 'sastaotp-sandbox' },
  darwin: { library: 'libsastaotp.dylib', sandbox: 'sastaotp-sandbox' },
  win32: { library: 'sastaotp.dll', sandbox: 'sastaotp-sandbox.exe' }
}

/** The C libraries of Linux, by the part of a package's name. */
const LIBCS = ['gnu', 'musl']

/** The longest part of a program that is read to find its dynamic loader, in bytes. */
const MAX_HEADER = 1 << 16
/** The type of the ELF segment that names the dynamic loader. */
const PT_INTERP = 3

/** The dynamic loader that a 64-bit ELF program names, such as /lib/ld-musl-x86_64.so.1. */
function interpreterOf(program) {
  const file = openSync(program)
  try {
    const read = (length, position) => {
      const bytes = Buffer.alloc(Math.min(length, MAX_HEADER))
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, position))
    }
    const header = read(64, 0)
    const [size, count] = [header.readUInt16LE(54), header.readUInt16LE(56)]
    const segments = read(size * count, Number(header.readBigUInt64LE(32)))
    for (let at = 0; at < size * count; at += size) {
      if (segments.readUInt32LE(at) !== PT_INTERP) continue
      const [position, length] = [8, 32].map((field) =>
        Number(segments.readBigUInt64LE(at + field))
      )
      return read(length, position).toString()
    }
    return ''
  } finally {
    closeSync(file)
  }
}

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

function listPackages() {
  const machine = `@sastaotp/${process.platform}-${process.arch}`
  if (process.platform !== 'linux') return [machine]
  return possibleLibcs().map((libc) => `${machine}-${libc}`)
}

let packages

/** The packages that may contain the files for this machine; npm installs the matching one. */
function platformPackages() {
  packages ??= listPackages()
  return packages
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
function locate(kind, variable) {
  const file = (FILES[process.platform] ?? FILES.linux)[kind]
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

const locateLibrary = () => locate('library', 'SASTAOTP_LIBRARY')
const locateSandbox = () => locate('sandbox', 'SASTAOTP_SANDBOX')

module.exports = { locateLibrary, locateSandbox }
