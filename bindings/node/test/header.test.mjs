// What the binding says of the C interface and what its header says; what the types say and what there is.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import { CHECKOUT, camel, sandbox } from './harness.mjs'

const require = createRequire(import.meta.url)
const inside = (file) => require(path.join(path.dirname(require.resolve('sastaotp')), file))
const { ABI_VERSION, DECLARATIONS } = inside('library.js')
const { KEY_IN } = inside('settings.js')
const { OPERATIONS } = inside('client.js')
const { METHODS } = inside('activation.js')
const { CLASSES } = inside('errors.js')

const header = readFileSync(path.join(CHECKOUT, 'include/sastaotp.h'), 'utf8').replace(
  /\/\*[\s\S]*?\*\//g,
  ''
)
const constant = (name) => Number(header.match(new RegExp(`#define SASTAOTP_${name} (\\d+)`))?.[1])

test('every function that is declared is in the header, word for word', () => {
  const functions = new Set(
    header.match(/^[\w *]+sastaotp_\w+\([^)]*\);/gm).map((one) => one.replace(/\s+/g, ' '))
  )
  const declared = DECLARATIONS.trim().split('\n')
  assert.ok(functions.size > 200 && declared.length > 25)
  assert.deepEqual(
    declared.filter((one) => !functions.has(one)),
    []
  )
})

test('every type that is taken for an int32_t is one', () => {
  for (const [, type] of DECLARATIONS.matchAll(/(sastaotp_\w+) (?!\*)\w+[,()]/g)) {
    assert.match(header, new RegExp(`typedef int32_t ${type};`))
  }
})

test('constants are the same', () => {
  assert.equal(ABI_VERSION, constant('ABI_VERSION'))
  for (const [name, value] of Object.entries(KEY_IN))
    assert.equal(value, constant(`KEY_IN_${name.toUpperCase()}`), name)
})

test('every status has a class', () => {
  const statuses = header.match(/#define SASTAOTP_OK 0[\s\S]*?#define SASTAOTP_INTERNAL \d+/)[0]
  const names = [...statuses.matchAll(/#define SASTAOTP_(\w+) \d+/g)].map(([, name]) =>
    name.toLowerCase()
  )
  assert.deepEqual(Object.keys(CLASSES), names.slice(1))
})

test('every operation of the core is a method, and those of an activation are its own too', async () => {
  const client = sandbox.client()
  const { Queue } = inside('queue.js')
  const { withClient } = inside('settings.js')
  const queue = withClient({ apiKey: 'any' }, (made) => new Queue(made))
  const error = await queue.run({ op: 'none' }).catch((refused) => refused)
  queue.close()
  // The core lists its operations: `none` is none of `get_balance`, …
  const names = error.message.split('`').filter((_, index) => index % 2 === 1)
  assert.ok(names.length > 20, error.message)
  assert.deepEqual(names.slice(1).map(camel).sort(), Object.keys(OPERATIONS).sort())
  for (const name of Object.keys(OPERATIONS)) assert.equal(typeof client[name], 'function', name)
  const ofAnActivation = Object.keys(OPERATIONS).filter((name) => OPERATIONS[name][0][0] === 'id')
  assert.deepEqual([...METHODS].sort(), ofAnActivation.sort())
})

test('the types declare what there is, and no more', async () => {
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
      .filter((one) => one !== 'constructor')
    const there = Object.getOwnPropertyNames(sastaotp[name].prototype).filter(
      (one) => one !== 'constructor' && one !== 'name'
    )
    assert.deepEqual([...new Set(declared)].sort(), there.sort(), name)
  }
})
