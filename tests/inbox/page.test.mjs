// The page as a user operates it, with a client beside it.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import { ask, many, open, openPage, PICTURES, work } from './harness.mjs'

const NUMBER = { country: '22', maxPrice: 100 }
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

test('an SMS from the page reaches the client', {
  timeout: 60_000
}, async (t) => {
  const { client, page, key, errors } = await open(t)
  await page.getByText('No number has been bought').waitFor()
  const number = await client.getNumber('zz_never', NUMBER)
  const row = page.locator('#numbers-window li', { hasText: number.phoneNumber })
  await row.getByText('waiting').waitFor()
  assert.match(await row.locator('.left').innerText(), /^(20:00|19:5\d)$/)
  const waiting = number.waitForCode({ timeoutMs: 30_000 })

  await row.getByRole('button', { name: 'Deliver SMS' }).click()
  const text = page.getByLabel('Text', { exact: true })
  assert.match(await text.inputValue(), /^Your code is \d{6}$/)
  await text.fill('G-482913 is your code')
  await page.getByRole('button', { name: 'Deliver', exact: true }).click()
  assert.equal((await waiting).code, '482913')
  await row.getByText('code 482913').waitFor()
  await number.complete()
  await row.getByText('completed 482913').waitFor()
  assert.equal(await page.locator('#balance').innerText(), '990.00')
  assert.ok(!(await page.content()).includes(key), 'the key is in the page')
  assert.deepEqual(errors, [])
})

test('a fault is armed, hit and disarmed', { timeout: 60_000 }, async (t) => {
  const { client, page } = await open(t)
  await client.getBalance()
  await page.getByRole('searchbox', { name: 'Find' }).fill('documented nonsense')
  assert.equal(await page.locator('.fault:visible').count(), 0)
  await page.getByRole('searchbox', { name: 'Find' }).fill('unknown status')
  await page.getByRole('combobox', { name: 'Action', exact: true }).selectOption('getNumber')
  await page.getByRole('spinbutton', { name: 'Times' }).fill('0')
  await page.getByRole('combobox', { name: 'Variant of unknown_status' }).selectOption('error')
  const fault = page.getByRole('switch', { name: /^unknown_status/ })
  await fault.click()
  const banner = page.getByRole('region', { name: 'Armed faults' })
  await banner.getByText('unknown_status error on getNumber').waitFor()
  assert.equal(await fault.getAttribute('aria-checked'), 'true')
  await assert.rejects(client.getNumber('tg', NUMBER), { code: 'SOMETHING_NEW', charge: 'unknown' })
  await page.locator('#log-window .faulty', { hasText: 'unknown_status' }).first().waitFor()
  await fault.click()
  await banner.waitFor({ state: 'hidden' })
  assert.ok((await client.getNumber('tg', NUMBER)).id)

  await page.getByRole('searchbox', { name: 'Find' }).fill('reply_lost')
  await page.getByRole('spinbutton', { name: 'Times' }).fill('3')
  await page.getByRole('switch', { name: /^reply_lost/ }).click()
  await banner.getByText('3 more').waitFor()
  await banner.getByRole('button', { name: 'Disarm all' }).click()
  await banner.waitFor({ state: 'hidden' })
  assert.equal(
    await page.getByRole('switch', { name: /^reply_lost/ }).getAttribute('aria-checked'),
    'false'
  )
})

test('an advanced clock expires and refunds a number', {
  timeout: 60_000
}, async (t) => {
  const { client, page, control } = await open(t)
  const number = await client.getNumber('zz_never', NUMBER)
  const row = page.locator('#numbers-window li', { hasText: number.phoneNumber })
  await row.getByText('waiting').waitFor()
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.getByText('stopped').waitFor()
  const left = await row.locator('.left').innerText()
  await page.getByRole('button', { name: '+ 1 min' }).click()
  const minutes = (text) => Number(text.split(':')[0])
  await page.waitForFunction(
    ([node, before]) => Number(node.textContent.split(':')[0]) === before - 1,
    [await row.locator('.left').elementHandle(), minutes(left)]
  )
  await page.getByRole('button', { name: '+ 20 min' }).click()
  await row.getByText('expired').waitFor()
  assert.equal(await page.locator('#balance').innerText(), '1000.00')
  await page.locator('summary').click()
  assert.deepEqual(
    (await page.locator('#ledger tr').allInnerTexts()).map((text) => text.split('\t')[2]),
    ['refund', 'charge']
  )
  // A clock may be set to any time.
  await control('clock', { mode: 'manual', now_ms: 2 ** 60 })
  await page.getByText('+275760-09-13 00:00:00').waitFor()
  await page.getByRole('button', { name: 'Real' }).click()
  await page.getByText('real time').waitFor()
  await page.getByRole('textbox', { name: 'Balance' }).fill('7.50')
  await page.getByRole('button', { name: 'Set' }).click()
  await page.locator('#balance', { hasText: '7.50' }).waitFor()
  await assert.rejects(client.getNumber('zz_never', NUMBER), { code: 'NO_BALANCE' })
  await page
    .locator('#log-window .refused', { hasText: 'the number costs 10.00, but the wallet has less' })
    .waitFor()
})

test('the page expires and cancels numbers', {
  timeout: 60_000
}, async (t) => {
  const { client, page } = await open(t)
  for (const [name, state] of [
    ['Expire', 'expired'],
    ['Cancel as the provider', 'cancelled']
  ]) {
    const number = await client.getNumber('zz_never', NUMBER)
    const row = page.locator('#numbers-window li', { hasText: number.phoneNumber })
    await row.getByRole('button', { name }).click()
    await row.getByText(state).waitFor()
    assert.equal((await number.getStatus()).kind, 'cancelled')
  }
})

test('each key has a separate view', { timeout: 60_000 }, async (t) => {
  const { client, sandbox, page } = await open(t)
  const mine = await client.getNumber('zz_never', NUMBER)
  await page.getByText(mine.phoneNumber).first().waitFor()
  const other = sandbox.client()
  const theirs = await other.getNumber('zz_never', NUMBER)
  await page.waitForFunction(() => document.querySelector('#namespaces').options.length === 2)
  assert.deepEqual(
    await page.locator('#namespaces option').allInnerTexts(),
    ['namespace 2', 'namespace 1'],
    'the most recently used one is first'
  )
  assert.equal(await page.getByText(theirs.phoneNumber).count(), 0)
  await page.getByRole('combobox', { name: 'Key', exact: true }).selectOption('namespace 2')
  await page.getByText(theirs.phoneNumber).first().waitFor()
  assert.equal(await page.locator('#numbers-window').getByText(mine.phoneNumber).count(), 0)
})

test('the page works without a mouse', { timeout: 60_000 }, async (t) => {
  const { client, page } = await open(t)
  await many(40, () => client.getBalance())
  const number = await client.getNumber('zz_never', NUMBER)
  await page.locator('#numbers-window li').waitFor()
  const focused = () =>
    page.evaluate(() => {
      const { activeElement: node } = document
      const { outlineStyle, outlineWidth } = getComputedStyle(node)
      const sibling =
        node.nextElementSibling && getComputedStyle(node.nextElementSibling).outlineStyle
      return {
        name:
          node.getAttribute('aria-label') ??
          node.labels?.[0]?.textContent.trim() ??
          node.textContent.trim(),
        visible:
          (outlineStyle !== 'none' && outlineWidth !== '0px') || (sibling && sibling !== 'none')
      }
    })
  /**
   * Presses Tab until the element with this name has the focus, and checks that its focus is
   * visible.
   */
  const walk = async (name) => {
    for (let step = 0; step < 200; step++) {
      await page.keyboard.press('Tab')
      const at = await focused()
      if (at.name === 'SastaOTP sandbox') continue
      if (at.name && (name.test ? name.test(at.name) : at.name === name)) {
        assert.ok(at.visible, `the focus is visible on ${at.name}`)
        return
      }
    }
    assert.fail(`Tab never reaches ${name}`)
  }
  await walk('Skip to the log')
  await walk(/^Deliver SMS/)
  await page.keyboard.press('Enter')
  await page.keyboard.type('Use 7788 to log in')
  await page.keyboard.press('Enter')
  await page.getByText('code 7788').waitFor()
  assert.match((await focused()).name, /^Deliver SMS/, 'the focus returns to the button')
  await walk(/\+ 1 min/)
  await page.keyboard.press('Space')
  await walk('Find')
  await page.keyboard.type('server_error')
  await walk(/^server_error/)
  await page.keyboard.press('Space')
  await page.getByText('server_error html on any action').waitFor()
  await walk(/^getNumber at .*show the call/)
  await page.keyboard.press('Enter')
  await page.getByRole('radio', { name: 'curl' }).focus()
  await page.keyboard.press('ArrowRight')
  assert.match(await page.locator('#call-text').innerText(), /client\.get_number/)
  await page.keyboard.press('Escape')
  assert.match((await focused()).name, /^getNumber at/)
  // New requests do not move the row that has the focus.
  const { name } = await focused()
  const top = () => page.evaluate(() => document.activeElement.getBoundingClientRect().top)
  const before = await top()
  await many(60, () => client.getBalance())
  await page.waitForFunction(() => Number(document.querySelector('#log-count').textContent) > 100)
  await page.waitForTimeout(100)
  assert.equal((await focused()).name, name)
  assert.ok(Math.abs((await top()) - before) <= 1, 'the row does not move')
  assert.ok(number.id)
})

test('axe finds no serious violation in any layout', {
  timeout: 120_000
}, async (t) => {
  for (const [name, options] of Object.entries({
    light: {},
    dark: { colorScheme: 'dark' },
    narrow: { width: 360, height: 780 }
  })) {
    const { client, page, control, context } = await open(t, options)
    await work(client, control)
    await page.locator('#numbers-window li').first().waitFor()
    const check = async (view) => {
      // The page's policy blocks scripts, but the browser driver may run its own.
      await page.evaluate(AXE)
      const { violations } = await page.evaluate(() => globalThis.axe.run())
      const serious = violations.filter(
        ({ impact }) => impact === 'serious' || impact === 'critical'
      )
      assert.deepEqual(
        serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`),
        [],
        `${name} ${view}`
      )
      t.diagnostic(
        `${name}, ${view}: ${violations.length} minor findings ${violations.map(({ id }) => id)}`
      )
      await page.screenshot({
        path: path.join(PICTURES, `${name}-${view}.png`),
        fullPage: name === 'narrow' && view === 'page'
      })
    }
    assert.ok(
      await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
      `${name} scrolls sideways`
    )
    await check('page')
    await page
      .getByRole('button', { name: /^Deliver SMS/ })
      .first()
      .click()
    await check('sms')
    await page.keyboard.press('Escape')
    await page
      .getByRole('button', { name: /show the call/ })
      .first()
      .click()
    await check('call')
    await context.close()
  }
})

test('the page is small and loads nothing else', { timeout: 60_000 }, async (t) => {
  const { page, url } = await open(t)
  const reply = await fetch(url)
  const size = (await reply.arrayBuffer()).byteLength
  t.diagnostic(`${size} bytes`)
  assert.ok(size <= 60_000, `${size} bytes`)
  await page.goto(url)
  await page.locator('.live', { hasText: /^live$/ }).waitFor()
  const requests = await page.evaluate(() =>
    performance.getEntriesByType('resource').map(({ name }) => name)
  )
  assert.deepEqual(
    requests.filter((name) => !name.includes('/_inbox/events')),
    [],
    'the page fetches nothing else'
  )
})

test('long lists render only their visible rows', { timeout: 120_000 }, async (t) => {
  const { sandbox, key, page, control, url } = await open(t)
  await control('seed', { wallet: '1000000' })
  await page.locator('#balance', { hasText: '1000000' }).waitFor()
  await many(1_000, () => ask(sandbox, key, 'action=getNumber&service=zz_never&country=22'))
  await many(9_500, (at) => ask(sandbox, key, `action=getStatus&id=${at}`))
  await page.waitForFunction(() => /10500/.test(document.querySelector('#log-count').textContent))
  assert.equal(await page.locator('#numbers-count').innerText(), '1000 active')
  assert.match(await page.locator('#log-count').innerText(), /^the newest 10000 of 10500$/)

  // Counts the work of 120 frames while both lists scroll, countdowns run, and requests arrive. If
  // it does not grow with the lists, long lists cannot stall the page on any machine.
  let going = true
  const ids = (await control('ledger')).entries.map((entry) => entry.activation_id)
  const traffic = (async () => {
    for (let at = 0; going; at++) {
      await ask(sandbox, key, `action=getStatus&id=${ids[at % ids.length]}`)
      if (at % 20 === 0) await control('sms', { id: ids[(at / 20) % ids.length], code: '123456' })
      await new Promise((done) => setTimeout(done, 5))
    }
  })()
  const work = await page.evaluate(
    () =>
      new Promise((done) => {
        const windows = ['#numbers-window', '#log-window'].map((id) => document.querySelector(id))
        const known = new Set(document.querySelectorAll('.window li'))
        const most = { rows: 0, changes: 0 }
        let [frames, created] = [0, 0]
        const pending = []
        const observer = new MutationObserver((records) => pending.push(...records))
        const everything = { childList: true, attributes: true, characterData: true, subtree: true }
        for (const window of windows) observer.observe(window, everything)
        const frame = () => {
          pending.push(...observer.takeRecords())
          const rows = document.querySelectorAll('.window li')
          for (const row of rows) {
            if (!known.has(row)) created++
            known.add(row)
          }
          most.rows = Math.max(most.rows, rows.length)
          most.changes = Math.max(most.changes, pending.splice(0).length)
          windows.forEach((window, at) => {
            window.scrollTop =
              (window.scrollTop + (at ? 2_900 : 390)) % (window.scrollHeight - window.clientHeight)
          })
          if (++frames < 120) requestAnimationFrame(frame)
          else done({ ...most, created })
        }
        requestAnimationFrame(frame)
      })
  )
  going = false
  await traffic
  t.diagnostic(`at most ${work.rows} rows and ${work.changes} changes of the DOM in a frame`)
  t.diagnostic(`${work.created} rows were created in 120 frames`)
  assert.ok(work.rows < 100, `${work.rows} rows exist, but only the visible ones should`)
  assert.ok(work.created < 100, `${work.created} rows were created instead of reused`)
  assert.ok(work.changes < 2_000, `${work.changes} changes of the DOM in one frame`)

  const again = await openPage(t, sandbox)
  await again.page.goto(url)
  await again.page.getByText('1000 active').waitFor()
})
