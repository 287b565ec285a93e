// Packs `sastaotp` and its platform packages into a folder, which is emptied first.
//
//     node bindings/node/scripts/pack.mjs [FOLDER]
//         builds the library and the sandbox program, and packs them for this platform;
//         default: target/node/packages
//     node bindings/node/scripts/pack.mjs FOLDER NATIVE...
//         builds nothing, and packs each folder NATIVE that dist/build made, for its target

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const PACKAGE = path.resolve(import.meta.dirname, '..')
// The licences of the code in the native files.
const LICENCES = 'THIRD-PARTY-LICENSES'
const CHECKOUT = path.resolve(PACKAGE, '../..')
const [out, ...natives] = process.argv.slice(2)
const folder = path.resolve(out ?? path.join(CHECKOUT, 'target/node/packages'))

const run = (program, args, options) =>
  execFileSync(program, args, {
    cwd: CHECKOUT,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options
  })

/**
 * Builds the native files in release mode. Returns their paths, the name that the package loads,
 * and this platform in npm's words.
 */
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
  const library = values.get('shared')
  const program = values.get('program.sastaotp-sandbox')
  return { library, libraryName: path.basename(library), program, npm: describePlatform() }
}

/** Reads a folder that dist/build made. Returns the same as `buildNative`. */
function readNative(from) {
  const { files, npm } = JSON.parse(readFileSync(path.join(from, 'target.json'), 'utf8'))
  return {
    library: path.join(from, files.shared),
    libraryName: path.basename(files.shared_link ?? files.shared),
    program: path.join(from, files.sandbox),
    npm
  }
}

/** This platform, such as linux-x64-gnu. */
function describePlatform() {
  const { platform: os, arch: cpu } = process
  if (os !== 'linux') return { name: `${os}-${cpu}`, os, cpu }
  const isGlibc = Boolean(process.report.getReport().header.glibcVersionRuntime)
  const [suffix, libc] = isGlibc ? ['gnu', 'glibc'] : ['musl', 'musl']
  return { name: `${os}-${cpu}-${suffix}`, os, cpu, libc }
}

/** Creates the folder of a package with its manifest and the licences. Returns its path. */
function stage(name, manifest) {
  const to = path.join(folder, name)
  mkdirSync(to, { recursive: true })
  for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) {
    cpSync(path.join(CHECKOUT, licence), path.join(to, licence))
  }
  writeFileSync(path.join(to, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  return to
}

const pack = (staged) =>
  run('npm', ['pack', '--silent', '--pack-destination', folder, staged], { cwd: folder })

const source = JSON.parse(readFileSync(path.join(PACKAGE, 'package.json'), 'utf8'))
// Cargo.toml is the one place for the project's addresses.
const addresses = {}
const cargo = readFileSync(path.join(CHECKOUT, 'Cargo.toml'), 'utf8')
for (const [, name, url] of cargo.matchAll(/^(repository|homepage) = "(.+)"$/gm)) {
  addresses[name] = url
}

/** Packs `sastaotp`, which depends on the platform packages that are packed with it. */
function packMain(names) {
  const dependencies = names.map((name) => [`@sastaotp/${name}`, source.version])
  const unknown = dependencies.filter(([name]) => !source.optionalDependencies[name])
  if (unknown.length) throw new Error(`package.json does not list ${unknown.join()}: add it`)
  const optionalDependencies = Object.fromEntries(dependencies.sort())
  const to = stage('sastaotp', { ...source, optionalDependencies, ...addresses })
  cpSync(path.join(PACKAGE, 'lib'), path.join(to, 'lib'), { recursive: true })
  // On npm's page, links to files of the checkout need the address of the repository.
  const readme = readFileSync(path.join(PACKAGE, 'README.md'), 'utf8')
  const root = addresses.repository && `${addresses.repository}/blob/v${source.version}/`
  const linked = readme.replace(/\[([^\]]*)\]\(\.\.\/\.\.\/([^)]*)\)/g, (_, text, file) =>
    root ? `[${text}](${root}${file})` : text
  )
  writeFileSync(path.join(to, 'README.md'), linked)
  pack(to)
}

function packPlatform({ library, libraryName, program, npm }) {
  const { name, os, cpu, libc } = npm
  const to = stage(name, {
    name: `@sastaotp/${name}`,
    version: source.version,
    description: `The native library and the sandbox of sastaotp for ${name}`,
    license: source.license,
    ...addresses,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    preferUnplugged: true
  })
  // A folder that was downloaded may have lost the permission to execute.
  for (const [from, file, mode] of [
    [library, libraryName, 0o644],
    [program, path.basename(program), 0o755],
    [path.join(CHECKOUT, LICENCES), LICENCES, 0o644]
  ]) {
    cpSync(from, path.join(to, file))
    chmodSync(path.join(to, file), mode)
  }
  writeFileSync(
    path.join(to, 'README.md'),
    `The native part of the package sastaotp for ${name}. ` +
      'Install `sastaotp`, which depends on this package.\n'
  )
  pack(to)
}

const platforms = natives.length ? natives.map(readNative) : [buildNative()]
rmSync(folder, { recursive: true, force: true })
packMain(platforms.map(({ npm }) => npm.name))
for (const platform of platforms) packPlatform(platform)
