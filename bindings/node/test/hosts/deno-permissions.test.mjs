// The errors of Deno without its permissions name the flags.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { HOST, sandbox } from '../harness.mjs'

const folder = mkdtempSync(path.join(import.meta.dirname, 'permissions-'))
after(() => rmSync(folder, { recursive: true }))

const program = path.join(folder, 'program.cjs')
writeFileSync(
  program,
  `async function main() {
    const { Client } = require('sastaotp')
    const client = new Client({ apiKey: 'permissions', baseUrl: process.argv[2] })
    console.log((await client.getBalance()).currency)
    const { Sandbox } = require('sastaotp/testing')
    await (await Sandbox.start()).stop()
    console.log('stopped')
  }
  main().catch(({ message }) => console.log(message))`
)

const run = (...flags) =>
  spawnSync(HOST, ['run', '--quiet', '--no-prompt', ...flags, program, sandbox.url], {
    encoding: 'utf8'
  }).stdout

const FLAGS = 'run deno with --allow-ffi --allow-read --allow-env'

for (const flags of [[], ['--allow-read'], ['--allow-read', '--allow-env']]) {
  test(`with ${flags.join(' ') || 'no flag'}`, () => {
    const printed = run(...flags)
    assert.match(printed, /^loading koffi: Requires \w+ access to .*: run deno with /)
    assert.ok(printed.includes(FLAGS), printed)
  })
}

test('the sandbox needs another flag', () => {
  const printed = run('--allow-ffi', '--allow-read', '--allow-env')
  assert.match(printed, /^INR\nstarting .*: Requires run access to .*: run deno with .*--allow-run/)
})

test('the flags that are named suffice', () => {
  const flags = ['--allow-ffi', '--allow-read', '--allow-env', '--allow-run', '--allow-net']
  assert.equal(run(...flags), 'INR\nstopped\n')
})
