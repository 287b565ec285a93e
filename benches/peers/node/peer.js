// Clients of Node that do the same work: `undici|fetch URL COUNT`, `parse FILE ROUNDS`,
// `waits URL COUNT WARM_UP_S MEASURED_S [CA_FILE]`.

import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const HEADERS = { 'X-API-Key': '0123456789abcdef0123456789abcdef' }
const QUERY = '?action=getStatus&id='
const INTERVAL = 5000
const [command, target, ...rest] = process.argv.slice(2)

const cpu = () => {
  const { user, system } = process.cpuUsage()
  return user + system
}
const status = (name) => {
  const pattern = new RegExp(`^${name}:\\s*(\\d+)`, 'm')
  return Number(readFileSync('/proc/self/status', 'utf8').match(pattern)[1])
}
const check = (text) => {
  if (text !== 'STATUS_WAIT_CODE') throw new Error(`unexpected reply: ${text}`)
}
// The module is installed next to the built programs, not next to this file.
const undici = () => createRequire(join(process.env.PEER_MODULES, 'index.js'))('undici')

async function poll (call, count) {
  for (let i = 0; i < Math.max(1, Math.min(count / 10, 500)); i++) await call()
  const [before, start] = [cpu(), performance.now()]
  for (let i = 0; i < count; i++) await call()
  const [used, took] = [cpu() - before, (performance.now() - start) * 1000]
  const results = { cpu_us: used / count, wall_us: took / count, rss_kb: status('VmHWM') }
  console.log(JSON.stringify(results))
}

function decode (path, rounds) {
  const body = readFileSync(path)
  globalThis.gc?.()
  writeFileSync('/proc/self/clear_refs', '5')
  const before = status('VmRSS')
  const entries = Object.keys(JSON.parse(body.toString())).length
  const peak = status('VmHWM') - before
  let best = Infinity
  for (let i = 0; i < rounds; i++) {
    const start = performance.now()
    JSON.parse(body.toString())
    best = Math.min(best, performance.now() - start)
  }
  console.log(JSON.stringify({ ms: best, peak_kb: peak, entries }))
}

async function waits (url, count, warmUp, measured, caFile) {
  const { Pool } = undici()
  const { origin, pathname } = new URL(url)
  const connect = caFile ? { ca: readFileSync(caFile) } : {}
  const pool = new Pool(origin, { connections: 512, pipelining: 1, connect })
  let late = []
  const wait = (number, due) => {
    setTimeout(async () => {
      late.push(performance.now() - due)
      const path = `${pathname}${QUERY}${1_000_000 + number}`
      const { body } = await pool.request({ method: 'GET', path, headers: HEADERS })
      check(await body.text())
      wait(number, performance.now() + INTERVAL + (Math.random() * INTERVAL) / 10)
    }, due - performance.now())
  }
  const begin = performance.now()
  // As in the library, tasks start half a millisecond apart.
  for (let number = 0; number < count; number++) wait(number, begin + number * 0.5)
  await new Promise((resolve) => setTimeout(resolve, warmUp * 1000))
  late = []
  const [before, start] = [cpu(), performance.now()]
  await new Promise((resolve) => setTimeout(resolve, measured * 1000))
  const [used, seconds] = [cpu() - before, (performance.now() - start) / 1000]
  late.sort((one, other) => one - other)
  const at = (share) => late[Math.min(Math.floor(late.length * share), late.length - 1)]
  console.log(
    JSON.stringify({
      polls: late.length,
      seconds,
      cpu_us: used,
      p50_ms: at(0.5),
      p99_ms: at(0.99),
      max_ms: at(1),
      threads: status('Threads'),
      rss_kb: status('VmRSS'),
      peak_kb: status('VmHWM')
    })
  )
  process.exit(0)
}

if (command === 'undici') {
  const { Pool } = undici()
  const { origin, pathname } = new URL(target)
  const pool = new Pool(origin, { connections: 1 })
  await poll(async () => {
    const path = `${pathname}${QUERY}1000001`
    const { body } = await pool.request({ method: 'GET', path, headers: HEADERS })
    check(await body.text())
  }, Number(rest[0]))
  await pool.close()
} else if (command === 'fetch') {
  await poll(async () => {
    const reply = await fetch(`${target}${QUERY}1000001`, { headers: HEADERS })
    check(await reply.text())
  }, Number(rest[0]))
} else if (command === 'parse') {
  decode(target, Number(rest[0]))
} else {
  await waits(target, Number(rest[0]), Number(rest[1]), Number(rest[2]), rest[3])
}
