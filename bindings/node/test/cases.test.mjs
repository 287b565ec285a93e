// Runs the cases that all languages share (tests/cases/main.rs describes their format).

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { CHECKOUT, camelCase, sandbox } from './harness.mjs'

const FOLDER = path.join(CHECKOUT, 'tests/cases')
const cases = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.json'))
  .flatMap((file) => JSON.parse(readFileSync(path.join(FOLDER, file), 'utf8')))

/** The positional arguments of methods; all others are options. */
const POSITIONAL = {
  find_country: ['name'],
  get_number: ['service'],
  get_offers: ['service'],
  intend: ['service'],
  lease: ['service'],
  set_status: ['id', 'status']
}
const positionalOf = (op) =>
  POSITIONAL[op.op] ?? ['id', 'intent'].filter((argument) => argument in op)

/** Lists that a method returns as an array, and the core as an object with one field. */
const LISTS = ['services', 'prices', 'offers', 'countries', 'unclaimed', 'leases']

const isPlainObject = (value) =>
  value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype

/** Replaces each `$name` with the value that an earlier step kept. */
function substitute(value, kept) {
  if (typeof value === 'string' && value.startsWith('$')) {
    assert.ok(kept.has(value.slice(1)), `no step kept ${value}`)
    return kept.get(value.slice(1))
  }
  if (Array.isArray(value)) return value.map((element) => substitute(element, kept))
  if (!isPlainObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name, substitute(field, kept)])
  )
}

/** The field of a result or an error that has this name in the core's JSON. */
function fieldOf(actual, name) {
  if (Array.isArray(actual) && LISTS.includes(name)) return actual
  if (name.endsWith('_at_ms')) return actual[camelCase(name.slice(0, -3))]?.getTime()
  return actual[name === 'intent_id' ? 'id' : camelCase(name)]
}

function assertMatches(expected, actual, at) {
  if (expected === '*') {
    assert.ok(actual !== null && actual !== undefined, `${at} is missing`)
  } else if (Array.isArray(expected)) {
    assert.equal(actual.length, expected.length, at)
    for (const [index, element] of expected.entries()) {
      assertMatches(element, actual[index], `${at}[${index}]`)
    }
  } else if (isPlainObject(expected)) {
    for (const [name, field] of Object.entries(expected)) {
      assertMatches(field, fieldOf(actual, name), `${at}.${name}`)
    }
  } else {
    assert.deepEqual(actual, expected, at)
  }
}

const failureOf = (client, method, args) =>
  client[method](...args).then(
    (result) => assert.fail(`the call succeeded: ${JSON.stringify(result)}`),
    (error) => error
  )

/** The arguments of the method that runs an operation. */
function argumentsOf(operation) {
  const { op: _, ...options } = operation
  const args = positionalOf(operation).map((argument) => {
    const value = options[argument]
    delete options[argument]
    return value
  })
  const camelCaseOptions = Object.entries(options).map(([name, value]) => [camelCase(name), value])
  return [...args, Object.fromEntries(camelCaseOptions)]
}

async function run({ name, key, client: options = {}, steps }) {
  const { timeout_ms: timeoutMs, budget_micros: budgetMicros } = options
  const apiKey = key ?? `stp_canary_${name.replace(/\W/g, '_').slice(0, 200)}`
  const client = sandbox.client({ apiKey, timeoutMs, budgetMicros })
  const kept = new Map()
  // A number whose object is garbage-collected is unclaimed.
  const results = []
  for (const [index, step] of steps.entries()) {
    if (step.control) {
      await sandbox.control(apiKey, step.control, substitute(step.body, kept))
      continue
    }
    const operation = substitute(step.op, kept)
    const args = argumentsOf(operation)
    const method = operation.op === 'claim' ? 'activation' : camelCase(operation.op)
    const result = step.fails
      ? await failureOf(client, method, args)
      : ((await client[method](...args)) ?? {})
    results.push(result)
    const expected = substitute(step.fails ?? step.gives, kept)
    assertMatches(expected, result, `step ${index + 1}: ${method}`)
    for (const [as, field] of Object.entries(step.keep ?? {})) {
      kept.set(as, field === '*' ? result : fieldOf(result, field))
    }
  }
  assert.equal(results.length, steps.filter((step) => step.op).length)
  await client.close()
}

describe('shared cases', { concurrency: 16 }, () => {
  for (const row of cases) test(row.name, { timeout: 90_000 }, () => run(row))
})
