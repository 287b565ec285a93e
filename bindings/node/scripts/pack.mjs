// Builds the library and the sandbox program, and packs `sastaotp` and this platform's package.
//
//     node bindings/node/scripts/pack.mjs [FOLDER]      default: target/node/packages

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const PACKAGE = path.resolve(import.meta.dirname, '..')
const CHECKOUT = path.resolve(PACKAGE, '../..')
const folder = path.resolve(process.argv[2] ?? path.join(CHECKOUT, 'target/node/packages'))

const run = (program, args, options) =>
  execFileSync(program, args, {
    cwd: CHECKOUT,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options
  })

/** Builds the native files in release mode. Returns their folder and their names. */
function buildNative() {
  const temporary = mkdtempSync(path.join(tmpdir(), 'sastaotp-'))
  const builder = path.join(temporary, 'build_native')
  run('rustc', ['--edition', '2024', '-o', builder, 'bindings/build_native.rs'])
  const printed = run(builder, ['--program', 'sastaotp-sandbox', '--', '--quiet'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8'
  })
  rmSync(temporary, { recursive: true })
  const values = new Map(printed.split('\n').map((line) => line.split(/=(.*)/)))
  const files = [values.get('shared'), values.get('program.sastaotp-sandbox')]
  return { from: path.dirname(files[0]), files: files.map((file) => path.basename(file)) }
}

/** The platform in npm's words, such as linux-x64-gnu, and its libc on Linux. */
function describePlatform() {
  const { platform, arch } = process
  if (platform !== 'linux') return { name: `${platform}-${arch}` }
  const isGlibc = Boolean(process.report.getReport().header.glibcVersionRuntime)
  return {
    name: `${platform}-${arch}-${isGlibc ? 'gnu' : 'musl'}`,
    libc: isGlibc ? 'glibc' : 'musl'
  }
}

/** Copies a package's files and the licences to a folder. Returns the folder. */
function stage(name, from, files) {
  const to = path.join(folder, name)
  mkdirSync(to, { recursive: true })
  for (const file of files) cpSync(path.join(from, file), path.join(to, file), { recursive: true })
  for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) {
    cpSync(path.join(CHECKOUT, licence), path.join(to, licence))
  }
  return to
}

const native = buildNative()
const { name: platform, libc } = describePlatform()
const source = JSON.parse(readFileSync(path.join(PACKAGE, 'package.json'), 'utf8'))
const { version, license } = source
// Cargo.toml is the one place for the project's addresses.
const addresses = {}
const cargo = readFileSync(path.join(PACKAGE, '../../Cargo.toml'), 'utf8')
for (const [, name, url] of cargo.matchAll(/^(repository|homepage) = "(.+)"$/gm)) {
  addresses[name] = url
}
const manifest = {
  name: `@sastaotp/${platform}`,
  version,
  description: `The native library and the sandbox of sastaotp for ${platform}`,
  license,
  ...addresses,
  os: [process.platform],
  cpu: [process.arch],
  ...(libc && { libc: [libc] }),
  preferUnplugged: true
}
const readme =
  `The native part of the package sastaotp for ${platform}. ` +
  'Install `sastaotp`, which depends on this package.\n'

rmSync(folder, { recursive: true, force: true })
stage('sastaotp', PACKAGE, ['package.json', 'README.md', 'lib'])
const staged = stage(platform, native.from, native.files)
const writeManifest = (to, contents) =>
  writeFileSync(path.join(to, 'package.json'), `${JSON.stringify(contents, null, 2)}\n`)
writeManifest(staged, manifest)
writeManifest(path.join(folder, 'sastaotp'), { ...source, ...addresses })
writeFileSync(path.join(staged, 'README.md'), readme)
for (const name of ['sastaotp', platform]) {
  run('npm', ['pack', '--silent', '--pack-destination', folder, path.join(folder, name)], {
    cwd: folder
  })
}
