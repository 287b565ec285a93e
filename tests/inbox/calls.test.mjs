// The code samples that the page shows for each request: every sample is taken from the page and
// run.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { ask, CHECKOUT, open } from './harness.mjs'

const SCRATCH = path.join(CHECKOUT, 'target/inbox/calls')
mkdirSync(path.join(SCRATCH, 'src'), { recursive: true })
const run = promisify(execFile)

/** Every action, with and without its optional parameters. */
const requests = (id) => [
  'action=getBalance',
  'action=getCountries&format=json',
  'action=getServicesList&format=json',
  'action=getServices&service=tg',
  'action=getPrices&service=tg&country=22',
  'action=getPrices&country=22',
  'action=getOrders',
  'action=getOrders&limit=5&page=1&status=pending',
  'action=getNumber&service=zz_never&country=22&maxPrice=10.50',
  'action=getNumberV2&service=zz_never&operator=22&multiSMS=1',
  'action=getNumber&service=zz_never',
  `action=getStatus&id=${id}`,
  `action=getStatusV2&id=${id}`,
  `action=setStatus&id=${id}&status=1`,
  `action=setStatus&id=${id}&status=3`,
  `action=setStatus&id=${id}&status=6`,
  `action=regetNumber&id=${id}`,
  `action=setStatus&id=${id}&status=8`,
  `action=setStatus&id=${id}&status=-1`
]
/** A text with the special characters of every language. The library refuses it; curl sends it. */
const ODD = "action=getPrices&service=it's%20%22%3C%24HOME%22%5C"
const CURL_ONLY = ['action=getEverything', 'action=getStatus', 'action=setStatus&id=1&status=9']

/** Reduces a request to a form that is equal for equivalent requests. */
function normalized(request) {
  const params = Object.fromEntries(new URLSearchParams(request))
  const action =
    { getNumberV2: 'getNumber', getServices: 'getServicesList', getStatusV2: 'getStatus' }[
      params.action
    ] ?? params.action
  if (action === 'getOrders')
    Object.assign(params, { limit: params.limit ?? '20', page: params.page ?? '1' })
  const { format, action: _, maxPrice, ...others } = params
  return JSON.stringify([action, maxPrice && Number(maxPrice), Object.entries(others).sort()])
}

test('each code sample sends the request of its row', {
  timeout: 300_000
}, async (t) => {
  const { sandbox, key, page, control } = await open(t)
  const bought = await ask(sandbox, key, 'action=getNumber&service=zz_multi&country=22')
  const id = bought.split(':')[1]
  await control('sms', { id, code: '1234' })
  const asked = [...requests(id), ODD, ...CURL_ONLY]
  for (const query of asked) await ask(sandbox, key, query)
  await page.waitForFunction(
    (count) => document.querySelector('#log-count').textContent === String(count),
    asked.length + 1
  )

  // Takes the samples from the page, newest first.
  const languages = ['curl', 'rust', 'c', 'python', 'node']
  const shown = Object.fromEntries(languages.map((language) => [language, []]))
  for (let at = asked.length - 1; at >= 0; at--) {
    const row = page.locator(`#log-window li[data-key="${at + 1}"]`)
    await page.evaluate(
      (top) => (document.querySelector('#log-window').scrollTop = top),
      (asked.length - 1 - at) * 30
    )
    await row.getByRole('button').click()
    for (const language of languages) {
      await page.locator(`.tabs input[value="${language}"]`).check({ force: true })
      shown[language][at] = await page.locator('#call-text').innerText()
    }
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
  }
  assert.ok(!JSON.stringify(shown).includes(key), 'no sample contains the key')
  for (const language of languages.slice(1)) {
    const none = shown[language].splice(requests(id).length + 1)
    assert.deepEqual(new Set(none), new Set(['The library cannot send this request.']), language)
  }

  const env = { ...process.env, SASTAOTP_API_KEY: key, SASTAOTP_BASE_URL: sandbox.url }
  const programs = {
    curl: async (calls) => {
      for (const call of calls)
        await run('sh', ['-c', `${call} --silent --fail-with-body || true`], { env })
    },
    rust: async (calls) => {
      const tried = (call) =>
        `    tried((|| -> Result<(), Box<dyn std::error::Error>> {\n${call}\nOk(()) })());\n`
      const helper =
        'fn tried(call: Result<(), Box<dyn std::error::Error>>) {\n' +
        '    if let Err(error) = call { println!("{error}"); }\n}\n'
      writeFileSync(
        path.join(SCRATCH, 'src/main.rs'),
        `#![allow(unused)]\n${helper}fn main() {\n${calls.map(tried).join('')}}\n`
      )
      writeFileSync(
        path.join(SCRATCH, 'Cargo.toml'),
        '[package]\nname = "calls"\nedition = "2024"\n[workspace]\n' +
          // As in the library's manifest, so that the dependencies are built once.
          '[profile.dev.package."*"]\ndebug = false\n' +
          `[dependencies]\nsastaotp = { path = ${JSON.stringify(CHECKOUT)} }\n`
      )
      await run('cp', [path.join(CHECKOUT, 'Cargo.lock'), SCRATCH])
      await run('cargo', ['run', '--quiet', '--manifest-path', path.join(SCRATCH, 'Cargo.toml')], {
        env
      })
    },
    c: async (calls) => {
      const [source, program] = ['calls.c', 'calls'].map((name) => path.join(SCRATCH, name))
      const block = (call) =>
        `{\n${call}\nif (status != SASTAOTP_OK) puts(sastaotp_error_message(error));\n}\n`
      writeFileSync(
        source,
        '#include <stdio.h>\n#include <sastaotp.h>\n' +
          `int main(void) {\n${calls.map(block).join('')}return 0; }\n`
      )
      const library = process.env.SASTAOTP_LIBRARY
      // Linked by its path, so its own name does not matter.
      const found = ['-L', path.dirname(library), '-lsastaotp', `-Wl,-rpath,${SCRATCH}`]
      await run('sh', ['-c', `ln -sf '${library}' '${SCRATCH}/libsastaotp.so.0'`])
      await run('cc', [
        '-Wall',
        '-Werror',
        '-I',
        path.join(CHECKOUT, 'include'),
        source,
        '-o',
        program,
        ...found
      ])
      await run(program, [], { env: { ...env, LD_LIBRARY_PATH: path.dirname(library) } })
    },
    python: async (calls) => {
      const program =
        'import json, sys, sastaotp\nfor call in json.load(sys.stdin):\n  try: exec(call, {})\n' +
        '  except sastaotp.SastaotpError as error: print(error)\n'
      const child = run(process.env.PYTHON, ['-c', program], {
        env: { ...env, PYTHONPATH: path.join(CHECKOUT, 'bindings/python/src') }
      })
      child.child.stdin.end(JSON.stringify(calls))
      await child
    },
    node: async (calls) => {
      for (const [at, call] of calls.entries()) {
        const file = path.join(import.meta.dirname, `call-${at}.mjs`)
        writeFileSync(
          file,
          call.replace(
            /^(const (?!client)[^]*)/m,
            'try { $1 } catch (error) { if (!error.charge) throw error }\nclient.close()'
          )
        )
        await run(process.execPath, [file], { env })
      }
    }
  }
  for (const language of languages) {
    const { logged } = await logOf(control)
    await programs[language](shown[language])
    const made = (await logOf(control)).lines.slice(logged).map(normalized)
    const expected = language === 'curl' ? asked : requests(id)
    // A client may send further requests in between.
    let from = 0
    for (const query of expected) {
      const at = made.indexOf(normalized(query), from)
      assert.ok(at >= 0, `${language}: ${query} is not among ${made.slice(from)}`)
      from = at + 1
    }
    t.diagnostic(`${language}: ${expected.length} samples sent their requests`)
  }
})

async function logOf(control) {
  const { log } = await control('log')
  return { lines: log.map(({ request }) => request), logged: log.length }
}
