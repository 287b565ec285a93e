// Makes the pictures of the README from the real programs: the inbox page, and the quickstart on a
// terminal.
//
//     tests/inbox/run pictures
//
// They are written beside this file. The browser of the page's tests draws both.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { browser, CHECKOUT, open, work } from './harness.mjs'

const QUICKSTART = 'cargo run --features sandbox --example quickstart'

/** Saves WebP, which is a third of the size of PNG. */
async function save(page, name, clip) {
  const session = await page.context().newCDPSession(page)
  const options = { format: 'webp', quality: 85, clip: { x: 0, y: 0, scale: 1.5, ...clip } }
  const { data } = await session.send('Page.captureScreenshot', options)
  const bytes = Buffer.from(data, 'base64')
  assert.ok(bytes.length < 150_000, `${name}: ${bytes.length} bytes`)
  writeFileSync(path.join(CHECKOUT, 'examples/pictures', name), bytes)
  console.log(`examples/pictures/${name}: ${bytes.length} bytes`)
}

test('the inbox', { timeout: 60_000 }, async (t) => {
  const size = { width: 1200, height: 780 }
  // The same key and time give the same numbers.
  const { page, client, control } = await open(t, { ...size, key: 'picture' })
  await control('clock', { mode: 'manual', now_ms: Date.UTC(2026, 0, 31, 9, 30) })
  await work(client, control)
  await page.getByText('6 active').waitFor()
  await page.getByText('reply_lost rst on getNumber').waitFor()
  await page.locator('#log-window .faulty').first().waitFor()
  await save(page, 'inbox.webp', size)
})

test('the quickstart', { timeout: 300_000 }, async (t) => {
  const shell = promisify(execFile)
  await shell('cargo', ['build', '--quiet', '--features', 'sandbox', '--example', 'quickstart'], {
    cwd: CHECKOUT
  })
  // It needs a terminal, because only there it shows how long it has waited.
  const command = QUICKSTART.replace('run', 'run --quiet')
  const { stdout } = await shell(
    'script',
    ['--quiet', '--return', '--command', command, '/dev/null'],
    {
      cwd: CHECKOUT
    }
  )
  const lines = stdout.trimEnd().split(/\r?\n/)
  // Keeps only the text that remains visible on each line.
  const shown = lines.map((line) =>
    line
      .replace(/\r+$/, '')
      .split('\r')
      .pop()
      .replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
      .trimEnd()
  )
  assert.ok(
    shown.some((line) => /^code +\d+/.test(line)),
    stdout
  )
  const context = await browser.newContext({ viewport: { width: 640, height: 400 } })
  t.after(() => context.close())
  const page = await context.newPage()
  await page.setContent(`<style>
    body { margin: 0; background: #1a1f1c; }
    pre {
      margin: 0; padding: 18px 22px; color: #e4e9e6; width: max-content;
      font: 14px/1.6 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
    }
    b { color: #4cc79c; font-weight: 400; }
  </style><pre></pre>`)
  const box = await page.evaluate(
    ([typed, printed]) => {
      const pre = document.querySelector('pre')
      const prompt = Object.assign(document.createElement('b'), { textContent: '$ ' })
      pre.append(prompt, `${typed}\n${printed}`)
      const { width, height } = pre.getBoundingClientRect()
      return { width: Math.ceil(width), height: Math.ceil(height) }
    },
    [QUICKSTART, shown.join('\n')]
  )
  await page.setViewportSize(box)
  await save(page, 'quickstart.webp', box)
})
