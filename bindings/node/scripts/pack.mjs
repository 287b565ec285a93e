// Builds the library and the sandbox program, and packs `sastaotp` and this platform's package.
//
//     node bindings/node/scripts/pack.mjs [FOLDER]      default: target/node/packages

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
  const versionSource = readFileSync(path.join(CHECKOUT, 'src/capi/version.rs'), 'utf8')
  const [, abi] = versionSource.match(/SASTAOTP_ABI_VERSION: u32 = (\d+)/)
  const isMac = process.platform === 'darwin'
  // `nodelete` keeps the library loaded after dlclose: a thread that ends later runs its code.
  const linkArgs = isMac
    ? [`-Wl,-install_name,@rpath/libsastaotp.${abi}.dylib`]
    : [`-Wl,-soname,libsastaotp.so.${abi}`, '-Wl,-z,nodelete']
  const common = ['--release', '--locked', '--quiet']
  const library = [...common, '--lib', '--features', 'capi', '--crate-type', 'cdylib']
  run('cargo', ['rustc', ...library, '--', ...linkArgs.map((arg) => `-Clink-arg=${arg}`)])
  run('cargo', ['build', ...common, '--features', 'sandbox', '--bin', 'sastaotp-sandbox'])
  return {
    from: path.join(path.resolve(CHECKOUT, process.env.CARGO_TARGET_DIR ?? 'target'), 'release'),
    files: [isMac ? 'libsastaotp.dylib' : 'libsastaotp.so', 'sastaotp-sandbox']
  }
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
const { version, license } = JSON.parse(readFileSync(path.join(PACKAGE, 'package.json'), 'utf8'))
const manifest = {
  name: `@sastaotp/${platform}`,
  version,
  description: `The native library and the sandbox of sastaotp for ${platform}`,
  license,
  os: [process.platform],
  cpu: [process.arch],
  ...(libc && { libc: [libc] }),
  preferUnplugged: true
}
const readme =
  `The native part of [sastaotp](https://www.npmjs.com/package/sastaotp) for ${platform}. ` +
  'Install `sastaotp`, which depends on this package.\n'

rmSync(folder, { recursive: true, force: true })
stage('sastaotp', PACKAGE, ['package.json', 'README.md', 'lib'])
const staged = stage(platform, native.from, native.files)
writeFileSync(path.join(staged, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
writeFileSync(path.join(staged, 'README.md'), readme)
for (const name of ['sastaotp', platform]) {
  run('npm', ['pack', '--silent', '--pack-destination', folder, path.join(folder, name)], {
    cwd: folder
  })
}
