// The shared cases (tests/cases; tests/cases/main.rs describes the format), each operation by the method of its name.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { CHECKOUT, camel, sandbox } from './harness.mjs'

const FOLDER = path.join(CHECKOUT, 'tests/cases')
const cases = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json'))
  .flatMap((file) => JSON.parse(readFileSync(path.join(FOLDER, file), 'utf8')))

/** The arguments that methods take first; all others are options. */
const FIRST = {
  find_country: ['name'],
  get_number: ['service'],
  intend: ['service'],
  set_status: ['id', 'status']
}
const first = (op) => FIRST[op.op] ?? ['id', 'intent'].filter((name) => name in op)

/** Puts in what earlier steps kept. */
function filled(value, kept) {
  if (typeof value === 'string' && value.startsWith('$')) {
    assert.ok(kept.has(value.slice(1)), `nothing was kept as ${value}`)
    return kept.get(value.slice(1))
  }
  if (Array.isArray(value)) return value.map((one) => filled(one, kept))
  if (
    value === null ||
    typeof value !== 'object' ||
    Object.getPrototypeOf(value) !== Object.prototype
  )
    return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, filled(one, kept)]))
}

/** A member of a typed result by its name in the core's JSON. */
function member(actual, name) {
  if (
    Array.isArray(actual) &&
    (name === 'services' || name === 'prices' || name === 'countries' || name === 'unclaimed')
  ) {
    return actual
  }
  if (name === 'kind') return actual.status
  if (name.endsWith('_ms') && !(camel(name) in actual))
    return actual[camel(name.slice(0, -3))]?.getTime()
  return actual[camel(name)]
}

function holds(expected, actual, where) {
  if (expected === '*') {
    assert.ok(actual !== null && actual !== undefined, `${where} is missing`)
    return
  }
  if (Array.isArray(expected)) {
    assert.equal(actual.length, expected.length, where)
    for (const [index, one] of expected.entries()) holds(one, actual[index], `${where}[${index}]`)
    return
  }
  if (expected !== null && typeof expected === 'object') {
    // What was kept as a whole is compared in the core's own form.
    const plain = typeof expected.toJSON === 'function' ? expected.toJSON() : expected
    const other =
      actual !== null && typeof actual?.toJSON === 'function' && plain !== expected
        ? actual.toJSON()
        : actual
    for (const [name, one] of Object.entries(plain)) {
      holds(one, plain === expected ? member(other, name) : other[name], `${where}.${name}`)
    }
    return
  }
  // Ids are text here, also where they are numbers of JSON.
  if (typeof actual === 'string' && typeof expected === 'number') expected = String(expected)
  assert.deepEqual(actual, expected, where)
}

const failed = (client, method, args) =>
  client[method](...args).then(
    (result) => assert.fail(`it worked: ${JSON.stringify(result)}`),
    (error) => error
  )

async function run(
  { key, client: { timeout_ms: timeoutMs, budget_micros: budgetMicros } = {}, steps },
  name
) {
  const apiKey = key ?? `stp_canary_${name.replace(/\W/g, '_').slice(0, 200)}`
  const client = sandbox.client({ apiKey, timeoutMs, budgetMicros })
  const kept = new Map()
  for (const [at, step] of steps.entries()) {
    const where = `step ${at + 1}`
    if (step.control) {
      await sandbox.control(apiKey, step.control, filled(step.body, kept))
      continue
    }
    const op = filled(step.op, kept)
    const { op: _, ...options } = op
    const args = first(op).map((argument) => {
      const value = options[argument]
      delete options[argument]
      return value
    })
    args.push(
      Object.fromEntries(Object.entries(options).map(([option, value]) => [camel(option), value]))
    )
    const method = camel(op.op)
    const result = step.fails
      ? await failed(client, method, args)
      : ((await client[method](...args)) ?? {})
    holds(filled(step.fails ?? step.gives, kept), result, `${where}: ${method}`)
    for (const [as, of] of Object.entries(step.keep ?? {}))
      kept.set(as, of === '*' ? result : member(result, of))
  }
  client.close()
}

describe('shared cases', { concurrency: 16 }, () => {
  for (const each of cases) test(each.name, { timeout: 90_000 }, () => run(each, each.name))
})
