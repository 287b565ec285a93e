// Proxies and certificates: the options `proxy`, `roots` and `caPem`.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { inspect } from 'node:util'
import { NUMBER, rejectionOf, require, sandbox } from './harness.mjs'

const { Client, ConfigError } = require('sastaotp')
const apiKey = 'stp_canary_network'

/** Starts a server that does not keep this process alive: a client keeps its connections open. */
async function listen(server) {
  server.on('connection', (socket) => socket.unref())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  server.unref()
  return `127.0.0.1:${server.address().port}`
}

function relay(near, port) {
  const far = net.connect(port, '127.0.0.1')
  for (const socket of [near, far]) socket.unref().on('error', () => {})
  near.pipe(far).pipe(near)
}

/** An HTTP proxy that requires the user name `me` and the password `s3cret`. */
async function startHttpProxy() {
  const hosts = []
  const expected = `Basic ${Buffer.from('me:s3cret').toString('base64')}`
  const server = createHttpServer()
  server.on('connect', (request, socket) => {
    socket.on('error', () => {})
    if (request.headers['proxy-authorization'] !== expected) {
      socket.end('HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n')
      return
    }
    const [host, port] = request.url.split(':')
    hosts.push(host)
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    relay(socket, Number(port))
  })
  return { address: await listen(server), hosts }
}

/** A SOCKS5 proxy with the same credentials. It reaches this machine only. */
async function startSocksProxy() {
  const hosts = []
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    let step = 0
    let received = Buffer.alloc(0)
    const onData = (data) => {
      received = Buffer.concat([received, data])
      if (step === 0 && received.length >= 2 + received[1]) {
        const knowsPassword = received.subarray(2, 2 + received[1]).includes(2)
        received = received.subarray(2 + received[1])
        socket.write(Buffer.from([5, knowsPassword ? 2 : 255]))
        if (!knowsPassword) socket.end()
        step = 1
      } else if (step === 1 && received.length >= 11) {
        const isRight = received.equals(Buffer.from('\x01\x02me\x06s3cret'))
        received = Buffer.alloc(0)
        socket.write(Buffer.from([1, isRight ? 0 : 1]))
        if (!isRight) socket.end()
        step = 2
      } else if (step === 2 && received.length >= 10) {
        const isName = received[3] === 3
        const end = isName ? 5 + received[4] : 8
        if (received.length < end + 2) return
        const host = isName
          ? received.subarray(5, end).toString()
          : [...received.subarray(4, end)].join('.')
        const port = received.readUInt16BE(end)
        hosts.push(host)
        socket.off('data', onData)
        const isHere = host === '127.0.0.1'
        socket.write(Buffer.from([5, isHere ? 0 : 4, 0, 1, 0, 0, 0, 0, 0, 0]))
        if (isHere) relay(socket, port)
        else socket.end()
      }
    }
    socket.on('data', onData)
  })
  return { address: await listen(server), hosts }
}

/** Runs `act` with environment variables; undefined removes one. */
async function withEnvironment(variables, act) {
  const before = Object.fromEntries(Object.keys(variables).map((name) => [name, process.env[name]]))
  const set = (values) => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
  set(variables)
  try {
    return await act()
  } finally {
    set(before)
  }
}

describe('proxies', () => {
  for (const [scheme, start] of [
    ['http', startHttpProxy],
    ['socks5', startSocksProxy],
    ['socks5h', startSocksProxy]
  ]) {
    test(`the stated ${scheme} proxy is used`, async () => {
      const { address, hosts } = await start()
      const client = sandbox.client({ proxy: `${scheme}://me:s3cr%65t@${address}` })
      const number = await client.getNumber('zz_ok', NUMBER)
      assert.ok((await number.waitForCode({ timeoutMs: 60_000 })).code)
      await number.complete()
      assert.deepEqual([...new Set(hosts)], ['127.0.0.1'])

      const refused = sandbox.client({ proxy: `${scheme}://me:wr0ng1@${address}` })
      const error = await rejectionOf(refused.getNumber('zz_ok', NUMBER))
      assert.equal(error.charge, 'not_charged')
      assert.match(error.message, /check them in the URL of the proxy, percent-encoded/)
      assert.doesNotMatch(inspect([error, refused], { depth: 9, showHidden: true }), /wr0ng/)
    })
  }

  test('the environment chooses the proxy', async () => {
    const { address, hosts } = await startSocksProxy()
    const names = ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'no_proxy', 'NO_PROXY']
    const unset = Object.fromEntries(names.map((name) => [name, undefined]))
    const baseUrl = 'https://service.test/'
    await withEnvironment({ ...unset, ALL_PROXY: `socks5h://me:s3cret@${address}` }, async () => {
      const error = await rejectionOf(new Client({ apiKey, baseUrl }).getNumber('tg', NUMBER))
      assert.equal(error.charge, 'not_charged')
      assert.match(error.message, /the proxy cannot reach the host of the service/)
      assert.deepEqual([...new Set(hosts)], ['service.test'])
      const count = hosts.length
      await sandbox.client().getBalance()
      const direct = new Client({ apiKey, baseUrl: 'https://service.invalid/', proxy: 'direct' })
      assert.match((await rejectionOf(direct.getBalance())).message, /looking up service.invalid/)
      assert.equal(hosts.length, count)
    })
    await withEnvironment({ ...unset, ALL_PROXY: 'socks4://127.0.0.1:1' }, () => {
      const create = () => new Client({ apiKey })
      assert.throws(create, /in ALL_PROXY is a SOCKS4 proxy.*or set proxy to "direct"/)
      new Client({ apiKey, proxy: 'direct' }).close()
    })
  })
})

// Such as in Wine.
const lacksOpenssl = spawnSync('openssl', ['version']).error !== undefined
const skip = lacksOpenssl && 'openssl, which makes the certificate, is missing'

test('the certificates of the service are trusted', { skip }, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'sastaotp-'))
  after(() => rmSync(folder, { recursive: true }))
  const [certificate, key] = ['certificate.pem', 'key.pem'].map((name) => path.join(folder, name))
  const request = 'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost'.split(' ')
  const files = ['-out', certificate, '-keyout', key]
  const name = ['-addext', 'subjectAltName=DNS:localhost']
  execFileSync('openssl', [...request, ...name, ...files], { stdio: 'ignore' })
  const caPem = readFileSync(certificate)
  const server = createHttpsServer({ cert: caPem, key: readFileSync(key) }, (_, response) => {
    response.end('{"status":"OK","balance":5}')
  })
  const port = (await listen(server)).split(':')[1]
  const options = { apiKey, baseUrl: `https://localhost:${port}/` }
  const balance = async (more) => (await new Client({ ...options, ...more }).getBalance()).amount
  const refused = async (pattern) => assert.match((await rejectionOf(balance({}))).message, pattern)

  await withEnvironment({ SSL_CERT_FILE: undefined, SSL_CERT_DIR: undefined }, async () => {
    assert.equal(await balance({ caPem }), 5)
    await refused(/caPem, or set roots to both/)
    assert.throws(() => new Client({ ...options, caPem: certificate }), ConfigError)
  })
  await withEnvironment({ SSL_CERT_FILE: certificate, SSL_CERT_DIR: undefined }, async () => {
    assert.equal(await balance({ roots: 'system' }), 5)
    assert.equal(await balance({ roots: 'both' }), 5)
    await refused(/caPem, or set roots .*: only then SSL_CERT_FILE and SSL_CERT_DIR count/)
  })
  const missing = `${certificate}.missing`
  await withEnvironment({ SSL_CERT_FILE: missing, SSL_CERT_DIR: undefined }, () => {
    const create = () => new Client({ ...options, roots: 'system' })
    assert.throws(create, /SSL_CERT_FILE is .*, which cannot be read/)
  })
})
