// Bundles that esbuild and webpack make with the lines of the README, and without them.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { CHECKOUT, sandbox } from '../harness.mjs'

const tools = createRequire(path.join(process.env.SASTAOTP_HOST_TOOLS, 'package.json'))
const [esbuild, webpack] = [tools('esbuild'), tools('webpack')]
const readme = readFileSync(path.join(CHECKOUT, 'bindings/node/README.md'), 'utf8')

/** Beside the installed package, which a bundle needs, or elsewhere. */
const beside = mkdtempSync(path.join(import.meta.dirname, 'bundles-'))
const elsewhere = mkdtempSync(path.join(tmpdir(), 'sastaotp-bundles-'))
after(() => {
  for (const folder of [beside, elsewhere]) rmSync(folder, { recursive: true })
})

const program = path.join(beside, 'app.mjs')
writeFileSync(
  program,
  `import { Client, ConfigError, NoNumbersError } from 'sastaotp'
  import { Sandbox } from 'sastaotp/testing'
  const options = { country: '22', maxPrice: 100 }
  async function main() {
    const client = new Client()
    const number = await client.lease('zz_ok', options)
    const { code } = await number.waitForCode({ timeoutMs: 60_000 })
    const { state } = await number.close()
    const error = await client.getNumber('zz_nonumbers', options).catch((error) => error)
    const names = [error instanceof NoNumbersError, error.name, error.constructor.name]
    console.log(state, code.length, ...names, ConfigError.name, typeof Sandbox.start)
  }
  main()`
)
const PRINTED = 'completed 6 true NoNumbersError NoNumbersError ConfigError function\n'

const run = (file) =>
  promisify(execFile)(process.execPath, [file], {
    env: { ...process.env, SASTAOTP_API_KEY: 'bundle', SASTAOTP_BASE_URL: sandbox.url },
    timeout: 60_000
  })

let bundleCount = 0
const newFile = (folder, extension) => {
  mkdirSync(folder, { recursive: true })
  return path.join(folder, `bundle-${bundleCount++}.${extension}`)
}

async function withEsbuild(folder, format, options) {
  const outfile = newFile(folder, format === 'esm' ? 'mjs' : 'cjs')
  const settings = { bundle: true, platform: 'node', minify: true, logLevel: 'error' }
  await esbuild.build({ entryPoints: [program], outfile, format, ...settings, ...options })
  return outfile
}

async function withWebpack(folder, options) {
  const file = newFile(folder, 'cjs')
  const compiler = webpack({
    mode: 'production',
    target: 'node',
    entry: program,
    output: { path: folder, filename: path.basename(file) },
    ...options
  })
  const stats = await promisify(compiler.run.bind(compiler))()
  assert.deepEqual(stats.toJson().errors, [])
  return file
}

describe('with the lines of the README', () => {
  for (const format of ['cjs', 'esm']) {
    test(`esbuild, ${format}`, async () => {
      assert.match(readme, /^esbuild app\.js --bundle --platform=node --external:sastaotp /m)
      const file = await withEsbuild(beside, format, { external: ['sastaotp'] })
      assert.equal((await run(file)).stdout, PRINTED)
    })
  }
  test('webpack', async () => {
    const [line] = readme.match(/^externals: \{.*\}$/m)
    const externals = new Function(`return { ${line} }`)()
    const file = await withWebpack(beside, externals)
    assert.equal((await run(file)).stdout, PRINTED)
  })
})

test('a minified copy of the package has its classes', async () => {
  const file = await withEsbuild(beside, 'cjs', { external: ['koffi'] })
  assert.equal((await run(file)).stdout, PRINTED)
})

describe('without them, the error names them', () => {
  const bundlers = {
    'esbuild, cjs': () => withEsbuild(elsewhere, 'cjs'),
    'esbuild, esm': () => withEsbuild(elsewhere, 'esm'),
    webpack: () => withWebpack(elsewhere)
  }
  for (const [name, bundle] of Object.entries(bundlers)) {
    test(name, async () => {
      const file = await bundle()
      await assert.rejects(run(file), ({ stderr }) => {
        assert.match(stderr, /ConfigError: loading .*: declare sastaotp as external \(esbuild: /)
        for (const line of ['--external:sastaotp', 'externals: {', 'serverExternalPackages']) {
          assert.ok(stderr.includes(line) && readme.includes(line), line)
        }
        return true
      })
    })
  }
})
