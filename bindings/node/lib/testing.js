// The sandbox: the service itself, small and deterministic, in a process of its own.

const { spawn } = require('node:child_process')
const { randomBytes } = require('node:crypto')
const { once } = require('node:events')
const { createInterface } = require('node:readline')
const { Client } = require('./client.js')
const { locateSandbox } = require('./platform.js')

const running = new Set()
process.once('exit', () => {
  for (const child of running) child.kill()
})

/** A running sandbox. It does not keep the process alive, and ends with it. */
class Sandbox {
  #child

  constructor(child, url) {
    this.#child = child
    this.url = url
  }

  static async start({ port = 0 } = {}) {
    const program = locateSandbox()
    // Whatever ends this process closes the pipe to the program, and that ends the program.
    const child = spawn(program, ['--port', String(port), '--until-eof'], { stdio: 'pipe' })
    running.add(child)
    child.once('exit', () => running.delete(child))
    const complaint = []
    child.stderr.on('data', (text) => complaint.push(text))
    const lines = createInterface(child.stdout)
    const line = await Promise.race([
      once(lines, 'line').then(([text]) => text),
      once(child, 'close').then(() => {
        throw new Error(`starting ${program}: it ended: ${Buffer.concat(complaint)}`)
      })
    ])
    lines.close()
    for (const handle of [child, ...child.stdio]) handle.unref()
    return new Sandbox(child, line.replace('SASTAOTP_URL=', ''))
  }

  /** A client with a key of its own, and so a wallet, orders and a clock of its own. */
  client(settings) {
    return new Client({
      apiKey: `test-${randomBytes(8).toString('hex')}`,
      baseUrl: this.url,
      ...settings
    })
  }

  /** Makes a control call, such as `control('key', 'sms', { id, code: '1234' })`. Without a body it reads. */
  async control(apiKey, call, body) {
    const address = new URL(`/_sandbox/${call}`, this.url)
    const reply = await fetch(address, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'X-API-Key': apiKey },
      body: body === undefined ? undefined : JSON.stringify(body)
    })
    const answer = await reply.json()
    if (!reply.ok) throw new Error(`${call} of the sandbox: ${JSON.stringify(answer)}`)
    return answer
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
