// Builds the library and the sandbox program, and packs them for npm: `sastaotp` and the package of this platform.
//
//     node bindings/node/scripts/pack.mjs [FOLDER]      target/node/packages by default

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const here = path.resolve(import.meta.dirname, '..')
const checkout = path.resolve(here, '../..')
const folder = path.resolve(process.argv[2] ?? path.join(checkout, 'target/node/packages'))

const run = (program, args, options) =>
  execFileSync(program, args, {
    cwd: checkout,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options
  })

// As bindings/c builds it: a thread that ends after dlclose would run code that is gone, so the library stays.
const abi = readFileSync(path.join(checkout, 'src/capi/version.rs'), 'utf8').match(
  /SASTAOTP_ABI_VERSION: u32 = (\d+)/
)[1]
const [library, links] =
  process.platform === 'darwin'
    ? ['libsastaotp.dylib', [`-Wl,-install_name,@rpath/libsastaotp.${abi}.dylib`]]
    : ['libsastaotp.so', [`-Wl,-soname,libsastaotp.so.${abi}`, '-Wl,-z,nodelete']]
const build = ['--release', '--locked', '--quiet']
const flags = links.map((link) => `-Clink-arg=${link}`)
run('cargo', [
  'rustc',
  ...build,
  '--lib',
  '--features',
  'capi',
  '--crate-type',
  'cdylib',
  '--',
  ...flags
])
run('cargo', ['build', ...build, '--features', 'sandbox', '--bin', 'sastaotp-sandbox'])
const built = path.join(path.resolve(checkout, process.env.CARGO_TARGET_DIR ?? 'target'), 'release')

const manifest = JSON.parse(readFileSync(path.join(here, 'package.json'), 'utf8'))
const libc =
  process.platform === 'linux' &&
  (process.report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl')
const platform = [process.platform, process.arch, libc].filter(Boolean).join('-')

rmSync(folder, { recursive: true, force: true })
stage('sastaotp', here, ['package.json', 'README.md', 'lib'])
const staged = stage(platform, built, [library, 'sastaotp-sandbox'])
const { version, license } = manifest
writeFileSync(
  path.join(staged, 'package.json'),
  `${JSON.stringify(
    {
      name: `@sastaotp/${platform}`,
      version,
      description: `The library and the sandbox of sastaotp for ${platform}`,
      license,
      os: [process.platform],
      cpu: [process.arch],
      ...(libc && { libc: [libc === 'gnu' ? 'glibc' : 'musl'] }),
      preferUnplugged: true
    },
    null,
    2
  )}\n`
)
writeFileSync(
  path.join(staged, 'README.md'),
  `The native part of [sastaotp](https://www.npmjs.com/package/sastaotp) for ${platform}. Install \`sastaotp\`: it brings this.\n`
)
for (const name of ['sastaotp', platform]) {
  run('npm', ['pack', '--silent', '--pack-destination', folder, path.join(folder, name)], {
    cwd: folder
  })
}

/** Copies files of a package, and the licences, to a folder of its own. */
function stage(name, from, files) {
  const to = path.join(folder, name)
  mkdirSync(to, { recursive: true })
  for (const file of files) cpSync(path.join(from, file), path.join(to, file), { recursive: true })
  for (const file of ['LICENSE-MIT', 'LICENSE-APACHE'])
    cpSync(path.join(checkout, file), path.join(to, file))
  return to
}
