// A page of another origin, and a call without the page's token, are refused. Tested in a real
// browser.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { test } from 'node:test'
import { browser, open } from './harness.mjs'

/** Sends a request with headers that fetch would not allow. */
async function raw(url, { method = 'POST', headers = {}, body = '' } = {}) {
  const request = http.request(url, { method, headers })
  request.end(body)
  const [reply] = await once(request, 'response')
  let text = ''
  for await (const piece of reply) text += piece
  return { status: reply.statusCode, headers: reply.headers, text }
}

test('a page of another origin can do nothing', {
  timeout: 60_000
}, async (t) => {
  const { sandbox, key, client, url, control } = await open(t)
  await client.getBalance()
  const foreign = http.createServer((_, reply) =>
    reply.setHeader('Content-Type', 'text/html').end('<title>foreign</title>')
  )
  await once(foreign.listen(0, '127.0.0.1'), 'listening')
  t.after(() => foreign.close())
  const context = await browser.newContext()
  t.after(() => context.close())
  const page = await context.newPage()
  await page.goto(`http://127.0.0.1:${foreign.address().port}/`)
  const buy = `${sandbox.url}?action=getNumber&service=zz_never&api_key=${key}`
  const outcome = await page.evaluate(
    async ({ url, buy, key }) => {
      const tried = (address, options) =>
        fetch(address, options).then(
          (reply) => `${reply.type} ${reply.status}`,
          () => 'refused'
        )
      const form = document.createElement('form')
      Object.assign(form, {
        method: 'post',
        action: `${url}_sandbox/seed?api_key=${key}`,
        target: 'frame',
        enctype: 'text/plain'
      })
      form.append(
        Object.assign(document.createElement('input'), { name: '{"wallet":"1","x":"', value: '"}' })
      )
      const frame = Object.assign(document.createElement('iframe'), { name: 'frame' })
      document.body.append(form, frame)
      form.submit()
      await new Promise((done) => (frame.onload = done))
      const image = new Image()
      image.src = buy
      await new Promise((done) => (image.onerror = done))
      const framed = Object.assign(document.createElement('iframe'), { src: url })
      document.body.append(framed)
      await new Promise((done) => (framed.onload = done))
      return [
        await tried(url),
        await tried(`${url}_inbox/events`),
        await tried(buy),
        await tried(`${url}_inbox/sms?namespace=1`, { method: 'POST', body: '{}' }),
        await tried(`${url}_sandbox/seed?api_key=${key}`, {
          method: 'POST',
          body: '{"wallet":"1"}',
          headers: { 'Content-Type': 'text/plain' }
        })
      ]
    },
    { url, buy, key }
  )
  assert.deepEqual(outcome, Array(5).fill('refused'))
  await page.evaluate((buy) => fetch(buy, { mode: 'no-cors' }).catch(() => {}), buy)
  // The frame shows the browser's error page, not the sandbox.
  for (const frame of page.frames().slice(1))
    assert.ok(!(await frame.content().catch(() => '')).includes('data-token'))
  await control('assert', { charges: 0, balance: '1000.00' })
  // A link to the page works.
  await page.evaluate((address) => (location.href = address), url)
  await page.getByRole('heading', { name: 'Numbers' }).waitFor()
})

test('a foreign Host, origin or token is refused', {
  timeout: 60_000
}, async (t) => {
  const { client, url, page, control } = await open(t)
  await client.getBalance()
  const token = await page.evaluate(() => document.body.dataset.token)
  const { host, port } = new URL(url)
  const seed = `${url}_inbox/seed?namespace=1`
  const body = '{"wallet":"5"}'
  for (const [name, address, headers, status] of [
    ['no token', seed, {}, 403],
    ['a wrong token', seed, { 'X-Sandbox-Token': '0'.repeat(32) }, 403],
    ['a wrong Host', seed, { 'X-Sandbox-Token': token, Host: 'sandbox.example' }, 403],
    [
      'a Host that resolves to here',
      seed,
      { 'X-Sandbox-Token': token, Host: `127.0.0.1.example:${port}` },
      403
    ],
    ['a foreign origin', seed, { 'X-Sandbox-Token': token, Origin: 'http://sandbox.example' }, 403],
    ['no origin', seed, { 'X-Sandbox-Token': token, Origin: 'null' }, 403],
    ['another port', seed, { 'X-Sandbox-Token': token, Origin: 'http://127.0.0.1:1' }, 403],
    ['no namespace', `${url}_inbox/seed?namespace=99`, { 'X-Sandbox-Token': token }, 404],
    [
      'a call that the page does not make',
      `${url}_inbox/ledger?namespace=1`,
      { 'X-Sandbox-Token': token },
      404
    ]
  ]) {
    const reply = await raw(address, { headers, body })
    assert.equal(reply.status, status, `${name}: ${reply.text}`)
    assert.equal(reply.headers['access-control-allow-origin'], undefined, name)
  }
  await control('assert', { balance: '1000.00' })
  const same = await raw(seed, {
    headers: {
      'X-Sandbox-Token': token,
      Origin: `http://${host}`,
      'Sec-Fetch-Site': 'same-origin'
    },
    body
  })
  assert.equal(same.status, 200, same.text)
  await control('assert', { balance: '5.00' })
})

test('text from clients and SMS is never executed', {
  timeout: 60_000
}, async (t) => {
  const { client, page, control, sandbox, key, errors } = await open(t)
  const markup = '<img src=x onerror="window.hit=1"><script>window.hit=1</scr' + 'ipt>'
  const number = await client.getNumber('zz_never', { country: '22', maxPrice: 100 })
  await control('sms', { id: number.id, text: markup })
  await fetch(
    `${sandbox.url}?action=${encodeURIComponent(markup)}&id=${encodeURIComponent(markup)}`,
    {
      headers: { 'X-API-Key': key }
    }
  )
  await page.locator('#log-window li', { hasText: '<img' }).first().getByRole('button').click()
  await page.locator('#call-facts', { hasText: '<img' }).waitFor()
  assert.equal(await page.evaluate(() => window.hit), undefined)
  assert.deepEqual(errors, [])
  const policy = (await raw(new URL('/', sandbox.url), { method: 'GET' })).headers[
    'content-security-policy'
  ]
  assert.match(
    policy,
    /^default-src 'none'; script-src 'nonce-[0-9a-f]{32}'; style-src 'nonce-[0-9a-f]{32}';/
  )
  assert.match(policy, / connect-src 'self';/)
  assert.match(policy, /frame-ancestors 'none'/)
  const blocked = await page.evaluate(() => {
    const script = document.createElement('script')
    try {
      script.textContent = 'window.hit = 1'
      document.body.append(script)
    } catch {}
    return window.hit
  })
  assert.equal(blocked, undefined)
})

test('the seventeenth page shows why it is refused', {
  timeout: 60_000
}, async (t) => {
  const { url, page } = await open(t)
  await page.goto('about:blank')
  const controllers = []
  // The first page counts until the sandbox notices that it was closed.
  while (controllers.length < 16) {
    const abort = new AbortController()
    const { status } = await fetch(`${url}_inbox/events`, { signal: abort.signal })
    if (status === 200) controllers.push(abort)
    else await new Promise((done) => setTimeout(done, 20))
  }
  await page.goto(url)
  await page.getByText('The sandbox serves at most 16 open pages').waitFor()
  for (const abort of controllers) abort.abort()
  await page.locator('.live', { hasText: /^live$/ }).waitFor({ timeout: 30_000 })
})
