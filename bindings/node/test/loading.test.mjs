// Errors of a package that cannot be loaded: each names the reason and the remedy.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { privateModule, run } from './harness.mjs'

const { locateLibrary } = privateModule('locate.js')

const folder = mkdtempSync(path.join(tmpdir(), 'sastaotp-'))
after(() => rmSync(folder, { recursive: true }))

/** Prints the error of `new Client()` in a new process. */
const failure = (prelude = '', options = {}) =>
  run(
    `${prelude}
    const print = ({ message }) => process.stdout.write(message)
    try { new (require('sastaotp').Client)() } catch (error) { print(error) }`,
    { type: 'commonjs', ...options }
  )

const withLibrary = (file) =>
  failure(`process.env.SASTAOTP_LIBRARY = ${JSON.stringify(path.join(folder, file))}`)

const skipElsewhere = process.platform !== 'linux' && 'only the loader of Linux is like this'

test('a damaged library names the reason of the loader', async () => {
  writeFileSync(path.join(folder, 'damaged'), Buffer.alloc(100_000, 'no library'))
  const message = await withLibrary('damaged')
  assert.match(message, /^loading the library: .+: \S+damaged is damaged or for another system: /)
  assert.doesNotMatch(message, /version/)
  // The loaders of glibc and of musl.
  if (!skipElsewhere) assert.match(message, /invalid ELF header|Exec format error/)
})

test('a truncated library does not end the process', { skip: skipElsewhere }, async () => {
  const file = path.join(folder, 'truncated')
  const library = readFileSync(locateLibrary())
  for (const length of [20, 64, 4096, library.length >> 1, library.length - 1]) {
    writeFileSync(file, library)
    truncateSync(file, length)
    assert.match(
      await withLibrary('truncated'),
      /^loading the library: the end of the file is missing: \S+ is damaged .*: install sastaotp/
    )
  }
})

const needsGlibc = readFileSync(locateLibrary()).includes('GLIBC_2.28\0')
const skipGlibc = skipElsewhere || (!needsGlibc && 'the library needs no such version of glibc')

test('a library for a newer glibc names the version', { skip: skipGlibc }, async () => {
  const library = readFileSync(locateLibrary())
  library.write('GLIBC_9.28', library.indexOf('GLIBC_2.28\0'))
  writeFileSync(path.join(folder, 'newer'), library)
  assert.match(
    await withLibrary('newer'),
    /`GLIBC_9\.28' not found .*: \S+newer needs glibc 9\.28 or newer: use a newer system, or build/
  )
})

/** Pretends to be another platform. */
const pretend = (values) =>
  Object.entries(values)
    .map(([name, value]) => `Object.defineProperty(process, '${name}', { value: '${value}' })`)
    .join('\n')

// koffi is loaded before: it has other platforms.
const KOFFI = "require('koffi/indirect')\n"

test('a platform without a package is told which ones exist', async () => {
  const message = await failure(KOFFI + pretend({ platform: 'freebsd', arch: 'x64' }))
  assert.match(message, /sastaotp has no package for freebsd-x64, only for .*linux-x64-gnu/)
  assert.match(message, /: build the file from source and set SASTAOTP_LIBRARY to its path$/)
  assert.doesNotMatch(message, /install/)
})

const flags = process.allowedNodeEnvironmentFlags
const permission = ['--permission', '--experimental-permission'].find((flag) => flags.has(flag))

test('a refusal of Node names its flags', { skip: !permission }, async () => {
  const read = '--allow-fs-read=*'
  const message = await failure('', { args: ['--no-warnings', permission, read] })
  assert.match(message, /^loading koffi: .*: run node with --allow-addons and with --allow-fs-read/)
  const allowed = ['--no-warnings', permission, read, '--allow-addons']
  assert.equal(await failure('', { args: allowed }), '')
  const started = await run(
    `const { Sandbox } = require('sastaotp/testing')
    Sandbox.start().catch(({ message }) => console.log(message))`,
    { type: 'commonjs', args: allowed }
  )
  assert.match(started, /: run node with .*; the sandbox also needs --allow-child-process/)
  const addons = await failure('', { args: ['--no-addons'] })
  assert.match(addons, /^loading koffi: .*: run node without --no-addons$/)
})
