// Compares the package with the C header it is bound to, and its types with its code.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { CHECKOUT, camelCase, privateModule, require, sandbox } from './harness.mjs'

const { METHODS } = privateModule('activation.js')
const { API_KEY_LOCATIONS, createNativeClient, DURABILITIES, ROOTS } =
  privateModule('client-options.js')
const { CLASS_OF_KIND } = privateModule('errors.js')
const { ABI_VERSION, CONFIG_FIELDS, DECLARATIONS, newConfig } = privateModule('native.js')
const { OPERATIONS } = privateModule('operations.js')
const { Queue } = privateModule('queue.js')

const header = readFileSync(path.join(CHECKOUT, 'include/sastaotp.h'), 'utf8')
  .replace(/\/\*[\s\S]*?\*\/|\/\/.*|\\\n/g, '')
  .replace(/SASTAOTP_MUST_USE\s|\bstruct (?=sastaotp_\w+ \*)/g, '')

/** The value of a constant, from a definition or from an enumeration. */
const constant = (name) =>
  Number(header.match(new RegExp(`(?:#define SASTAOTP_${name}|\\bSASTAOTP_${name} =) (\\d+)`))?.[1])

test('every declaration is in the header verbatim', () => {
  const functions = new Set(
    header.match(/^[\w *]+sastaotp_\w+\([^)]*\);/gm).map((line) => line.replace(/\s+/g, ' '))
  )
  assert.ok(functions.size > 200 && DECLARATIONS.length > 20)
  assert.deepEqual(
    DECLARATIONS.filter((declaration) => !functions.has(declaration)),
    []
  )
})

test('the config is that of the header', () => {
  const [, body] = header.match(/typedef struct sastaotp_config \{([^}]*)\} sastaotp_config;/)
  const fields = body.trim().split(/\s*\n\s*/)
  assert.deepEqual(CONFIG_FIELDS, fields)
  const [, initializer] = header.match(/#define SASTAOTP_CONFIG_INIT\s+\{([^{}]*\{[ ,0]*\}) \}/)
  const config = newConfig()
  const values = {
    'sizeof(sastaotp_config)': config.size,
    SASTAOTP_NO_BUDGET: 2n ** 63n - 1n,
    SASTAOTP_API_KEY_IN_HEADER: undefined,
    SASTAOTP_ROOTS_WEB: undefined,
    SASTAOTP_DURABILITY_POWER: undefined,
    NULL: undefined,
    0: undefined,
    false: undefined
  }
  assert.match(header, /#define SASTAOTP_NO_BUDGET INT64_MAX\s/)
  // koffi writes zeros to the fields that are undefined.
  for (const name of ['API_KEY_IN_HEADER', 'ROOTS_WEB', 'DURABILITY_POWER']) {
    assert.equal(constant(name), 0, name)
  }
  assert.deepEqual(
    initializer.split(/,(?![ ,0]*\})/).map((value) => values[value.trim().replace(/^\{.*/, '0')]),
    fields.map((field) => config[field.match(/(\w+)(\[\d+\])?;/)[1]])
  )
})

test('every type bound as int32_t is an int32_t', () => {
  const declarations = [...DECLARATIONS, ...CONFIG_FIELDS].join('\n')
  const types = [...declarations.matchAll(/\b(sastaotp_\w+) (?!\*)\w+[,();]/g)]
  assert.equal(types.length, 10)
  for (const [, type] of types) {
    assert.match(header, new RegExp(`typedef enum ${type} SASTAOTP_ENUM_INT32 {`))
    assert.match(header, new RegExp(`_MAX_ENUM = INT32_MAX\\s*} ${type};`))
  }
  assert.match(header, /#define SASTAOTP_ENUM_INT32 : int32_t/)
})

test('constants equal those of the header', () => {
  assert.equal(ABI_VERSION, constant('ABI_VERSION'))
  for (const [name, value] of Object.entries(API_KEY_LOCATIONS)) {
    assert.equal(value, constant(`API_KEY_IN_${name.toUpperCase()}`), name)
  }
  for (const [name, value] of Object.entries(ROOTS)) {
    assert.equal(value, constant(`ROOTS_${name.toUpperCase()}`), name)
  }
  for (const [name, value] of Object.entries(DURABILITIES)) {
    assert.equal(value, constant(`DURABILITY_${name.toUpperCase()}`), name)
  }
})

test('every error kind has a class', () => {
  const names = [...header.matchAll(/\bSASTAOTP_ERROR_(\w+) = \d+/g)].map(([, name]) => name)
  assert.ok(names.length > 20)
  assert.deepEqual(
    Object.keys(CLASS_OF_KIND),
    names.map((name) => name.toLowerCase())
  )
})

test('every operation of the core is a method', async () => {
  const client = sandbox.client()
  const queue = new Queue(createNativeClient({ apiKey: 'any' }), { endWaitMs: 0 })
  const error = await queue.run({ op: 'none' }).catch((refused) => refused)
  queue.close()
  // The error quotes the unknown operation and then lists all operations.
  const [, ...names] = error.message.split('`').filter((_, index) => index % 2 === 1)
  assert.ok(names.length > 20, error.message)
  assert.deepEqual(names.map(camelCase).sort(), Object.keys(OPERATIONS).sort())
  for (const name of Object.keys(OPERATIONS)) {
    const method = name === 'claim' ? 'activation' : name
    assert.equal(typeof client[method], 'function', name)
  }
})

test('every id operation is an activation method', () => {
  // `claim` returns an activation.
  const withId = Object.keys(OPERATIONS).filter(
    (name) => OPERATIONS[name][0][0] === 'id' && name !== 'claim'
  )
  assert.deepEqual([...METHODS].sort(), withId.sort())
})

test('the types declare exactly the exported classes', async () => {
  const sastaotp = await import('sastaotp')
  const types = readFileSync(
    path.join(path.dirname(require.resolve('sastaotp')), 'index.d.ts'),
    'utf8'
  )
  const classes = new Map(
    [...types.matchAll(/^export class (\w+)[^{]*\{(\}|[\s\S]*?^\})/gm)].map(([, name, body]) => [
      name,
      body
    ])
  )
  assert.deepEqual([...classes.keys()].sort(), Object.keys(sastaotp).sort())
  for (const [name, body] of classes) {
    const declared = [...body.matchAll(/^ {2}(\w+)\(/gm)]
      .map(([, method]) => method)
      .filter((method) => method !== 'constructor')
    const implemented = Object.getOwnPropertyNames(sastaotp[name].prototype).filter(
      (method) => method !== 'constructor' && method !== 'name'
    )
    assert.deepEqual([...new Set(declared)].sort(), implemented.sort(), name)
  }
})

test('no module is part of an import circle', () => {
  const folder = path.dirname(require.resolve('sastaotp'))
  const imports = (file) =>
    [...readFileSync(path.join(folder, file), 'utf8').matchAll(/require\('\.\/(.+?)'\)/g)].map(
      ([, imported]) => imported
    )
  const visit = (file, importers) => {
    assert.ok(!importers.includes(file), [...importers, file].join(' -> '))
    for (const imported of imports(file)) visit(imported, [...importers, file])
  }
  for (const file of ['index.js', 'testing.js']) visit(file, [])
})
