// Reads the headers of 64-bit ELF files, the programs and libraries of Linux.

const { closeSync, fstatSync, openSync, readSync } = require('node:fs')

/** The longest part of a file that is read, in bytes. */
const MAX_LENGTH = 1 << 16
/** The first bytes of a file, up to its class and its byte order: 64-bit, little-endian. */
const MAGIC = Buffer.from('\x7fELF\x02\x01', 'latin1')
/** The length of the header. */
const HEADER_LENGTH = 64
/** The type of the segment that names the dynamic loader. */
const PT_INTERP = 3

/** Calls `read` with the size of the file, a function that reads from it, and its header. */
function withFile(name, read) {
  const file = openSync(name)
  try {
    const at = (position, length) => {
      const bytes = Buffer.alloc(Math.min(length, MAX_LENGTH))
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, position))
    }
    return read(fstatSync(file).size, at, at(0, HEADER_LENGTH))
  } finally {
    closeSync(file)
  }
}

const readNumber = (bytes, at) => Number(bytes.readBigUInt64LE(at))

/** The segments of a file: their type, their position and their length. */
function segmentsOf(at, header) {
  const [size, count] = [header.readUInt16LE(54), header.readUInt16LE(56)]
  const table = at(readNumber(header, 32), size * count)
  return Array.from({ length: count }, (_, index) => ({
    type: table.readUInt32LE(index * size),
    position: readNumber(table, index * size + 8),
    length: readNumber(table, index * size + 32)
  }))
}

/** The dynamic loader that a program names, such as /lib/ld-musl-x86_64.so.1. */
const interpreterOf = (program) =>
  withFile(program, (_, at, header) => {
    const found = segmentsOf(at, header).find(({ type }) => type === PT_INTERP)
    return found ? at(found.position, found.length).toString() : ''
  })

/**
 * Whether a library ends before its last segment or its table of sections does. The system loads
 * such a file, and ends the process with SIGBUS when it reads the missing part.
 */
const isTruncated = (library) =>
  withFile(library, (size, at, header) => {
    if (!header.subarray(0, MAGIC.length).equals(MAGIC)) return false
    if (header.length < HEADER_LENGTH) return true
    const table = readNumber(header, 40) + header.readUInt16LE(58) * header.readUInt16LE(60)
    if (Math.max(table, readNumber(header, 32)) > size) return true
    return segmentsOf(at, header).some(({ position, length }) => position + length > size)
  })

module.exports = { interpreterOf, isTruncated }
