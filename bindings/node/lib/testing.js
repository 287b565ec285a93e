// The sandbox: an imitation of the service on this machine, in a separate process.

require('./bundled.js')
const { spawn } = require('node:child_process')
const { randomBytes } = require('node:crypto')
const { once } = require('node:events')
const { createInterface } = require('node:readline')
const { Client } = require('./client.js')
const { permissionRemedy, reasonOf } = require('./host.js')
const { locateSandbox } = require('./locate.js')

const children = new Set()
process.once('exit', () => {
  for (const child of children) child.kill()
})

/** A running sandbox. It does not keep this process alive, and exits with it. */
class Sandbox {
  #child

  constructor(child, url) {
    this.#child = child
    this.url = url
  }

  static async start({ port = 0 } = {}) {
    const program = locateSandbox()
    // The program exits when its stdin closes, even if this process is killed.
    const args = ['--port', String(port), '--until-eof']
    const failure = (cause) => {
      const remedy =
        permissionRemedy(cause) ?? 'make the program executable, or install the package again'
      return new Error(`starting ${program}: ${reasonOf(cause)}: ${remedy}`, { cause })
    }
    let child
    try {
      child = spawn(program, args, { stdio: 'pipe', windowsHide: true })
    } catch (cause) {
      // Node throws some errors, such as that of a wrong format, and emits the others.
      throw failure(cause)
    }
    children.add(child)
    child.once('exit', () => children.delete(child))
    const stderr = []
    child.stderr.on('data', (chunk) => stderr.push(chunk))
    const lines = createInterface(child.stdout)
    const line = await Promise.race([
      once(lines, 'line').then(([text]) => text),
      once(child, 'close').then(
        () => {
          throw new Error(`starting ${program}: it exited: ${Buffer.concat(stderr)}`)
        },
        (cause) => {
          throw failure(cause)
        }
      )
    ])
    lines.close()
    // In Bun the streams keep nothing alive, and have no such method.
    for (const handle of [child, ...child.stdio]) handle.unref?.()
    return new Sandbox(child, line.replace('SASTAOTP_URL=', ''))
  }

  /** Creates a client of the sandbox, with a new API key unless one is given. */
  client(options) {
    const apiKey = `test-${randomBytes(8).toString('hex')}`
    return new Client({ apiKey, baseUrl: this.url, ...options })
  }

  /** Makes a control call, such as `control('key', 'sms', { id, code: '1234' })`. */
  async control(apiKey, call, body) {
    const response = await fetch(new URL(`/_sandbox/${call}`, this.url), {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'X-API-Key': apiKey },
      body: body === undefined ? undefined : JSON.stringify(body)
    })
    const reply = await response.json()
    if (!response.ok) throw new Error(`${call} of the sandbox: ${JSON.stringify(reply)}`)
    return reply
  }

  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.ref()
    this.#child.kill()
    await once(this.#child, 'exit')
  }

  [Symbol.asyncDispose]() {
    return this.stop()
  }
}

module.exports = { Sandbox }
