// What npm would publish runs from an otherwise empty folder: workers, assets and types included.

import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const HOUSE = join(import.meta.dirname, '../..')
const TOOLS = ['bin', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'LICENSE']

/** A program with everything that is more than an import: a worker, an asset, a path that is only text. */
const SAMPLE = {
  'src/main.ts': `
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { openHub } from './hub.ts'
const policy = readFileSync(new URL('./kernel/starter.cedar', import.meta.url), 'utf8')
const worker = new Worker(new URL('./kernel/worker.ts', import.meta.url))
worker.once('message', (heard: string) => {
  console.log(JSON.stringify({ heard, policy, hub: openHub(), text: './no-such-file.ts', args: process.argv.slice(2) }))
})`,
  'src/hub.ts': `
import type { Options } from './kernel/options.ts'
/** Opens nothing. */
export const openHub = (options: Options = { name: 'hub' }): string => options.name`,
  'src/index.ts': "export { openHub } from './hub.ts'",
  'src/kernel/options.ts': 'export interface Options { readonly name: string }',
  'src/kernel/worker.ts': `
import { parentPort } from 'node:worker_threads'
import { word } from './word.ts'
parentPort?.postMessage(word)`,
  'src/kernel/word.ts': "export const word = 'hello'",
  'src/kernel/word.test.ts': "throw new Error('a test was packed')",
  'src/kernel/starter.cedar': 'permit(principal, action, resource);',
  'src/kernel/fixtures/odd.json': '{}',
  'web/index.html': '<!doctype html>',
  'web/index.test.ts': '',
} as const

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

describe('a packed program', () => {
  let app = ''
  beforeAll(() => {
    const tree = folder()
    for (const tool of TOOLS) cpSync(join(HOUSE, tool), join(tree, tool), { recursive: true })
    for (const [name, text] of Object.entries(SAMPLE)) {
      mkdirSync(dirname(join(tree, name)), { recursive: true })
      writeFileSync(join(tree, name), text)
    }
    app = packAndInstall(tree)
  })

  it('starts its workers and finds its assets', () => {
    const { stdout, stderr } = polity(app, ['up', '--port', '0'])
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({
      heard: 'hello',
      policy: SAMPLE['src/kernel/starter.cedar'],
      hub: 'hub',
      text: './no-such-file.ts',
      args: ['up', '--port', '0'],
    })
  })

  it('holds what runs and nothing else', () => {
    const packed = globSync('**/*', { cwd: join(app, 'node_modules/polity') })
    expect(packed.filter((file) => /[.]test[.]|fixtures|(?<![.]d)[.]ts$/.test(file))).toEqual([])
    expect(packed).toEqual(
      expect.arrayContaining(['bin/polity', 'web/index.html', 'dist/kernel/starter.cedar', 'LICENSE']),
    )
  })

  it('can be embedded, with types', () => {
    writeFileSync(
      join(app, 'use.mts'),
      "import { openHub } from 'polity'\nconsole.log(openHub({ name: 'mine' }))",
    )
    writeFileSync(join(app, 'misuse.mts'), "import { openHub } from 'polity'\nopenHub({ name: 1 })")
    expect(typesOf(app, 'misuse.mts').stdout).toContain("'number' is not assignable to type 'string'")
    expect(run(process.execPath, ['use.mts'], app).stdout).toBe('mine\n')
  })
})

describe('Polity, packed', () => {
  let app = ''
  beforeAll(() => {
    const tree = folder()
    const parts = [...TOOLS, 'src', 'sdk', 'tsconfig.sdk.json', 'web', 'README.md', 'CHANGELOG.md']
    for (const part of parts.filter((name) => existsSync(join(HOUSE, name)))) {
      cpSync(join(HOUSE, part), join(tree, part), { recursive: true })
    }
    app = packAndInstall(tree)
  })

  it('answers polity --help from another folder', () => {
    const { status, stdout, stderr } = polity(app, ['--help'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('polity')
  })

  it('brings the middlewares along', () => {
    const packed = globSync('dist/sdk/*', { cwd: join(app, 'node_modules/polity') })
    for (const name of ['client', 'governing', 'fastify', 'express'])
      expect(packed).toEqual(expect.arrayContaining([`dist/sdk/${name}.js`, `dist/sdk/${name}.d.ts`]))
  })

  it('leaves the simulator and fixtures at home', () => {
    const packed = globSync('**/*', { cwd: join(app, 'node_modules/polity') })
    expect(packed.filter((file) => /simulator|fixture/.test(file))).toEqual([])
  })

  it('serves the page with the words that it shares with the terminal, under the names it imports', () => {
    writeFileSync(
      join(app, 'page.mjs'),
      `import { pageRoutes } from './node_modules/polity/dist/doors/http/static.js'
       const routes = new Map(pageRoutes('node_modules/polity/web').map((route) => [route.path, route]))
       const seen = new Set(['/live.ts'])
       for (const path of seen) {
         const route = routes.get(path)
         if (!route) throw new Error('nobody serves ' + path)
         const text = new TextDecoder().decode(route.handle({ headers: {} }).body)
         for (const [, other] of text.matchAll(/^(?:im|ex)port\\b(?:[^'"]*\\bfrom)? ['"]([^'"]+)['"]/gm))
           seen.add(new URL(other, 'http://page' + path).pathname)
       }
       console.log([...seen].filter((path) => path.startsWith('/src/')).join(' '))`,
    )
    const { status, stdout, stderr } = run(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', 'page.mjs'],
      app,
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain('/src/doors/telling/telling.ts')
  })

  it('is embedded as the README says', () => {
    const [, snippet = ''] =
      /## Embed it[\s\S]*?```ts\n([\s\S]*?)```/.exec(readFileSync(join(HOUSE, 'README.md'), 'utf8')) ?? []
    writeFileSync(join(app, 'embed.mts'), snippet)
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', 'embed.mts'],
      {
        cwd: app,
        encoding: 'utf8',
        env: { ...process.env, XDG_STATE_HOME: join(app, 'state') },
      },
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^done polity[.]invalid\/main\//)
    expect(existsSync(join(app, '.polity/log.db'))).toBe(true)
  })
})

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'polity packing '))
  folders.push(made)
  return made
}

/** npm pack, then what npm install would do with the tarball, dependencies linked instead of fetched. */
function packAndInstall(tree: string): string {
  symlinkSync(join(HOUSE, 'node_modules'), join(tree, 'node_modules'))
  const packed = run('npm', ['pack', '--silent', '--offline'], tree)
  expect(packed).toMatchObject({ status: 0 })
  const app = folder()
  const modules = join(app, 'node_modules')
  mkdirSync(join(modules, '.bin'), { recursive: true })
  const tarball = join(tree, packed.stdout.trim().split('\n').at(-1) ?? '')
  expect(run('tar', ['-xzf', tarball], modules)).toMatchObject({ status: 0 })
  run('mv', ['package', 'polity'], modules)
  symlinkSync('../polity/bin/polity', join(modules, '.bin/polity'))
  for (const name of shippedDependencies(tree)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(HOUSE, 'node_modules', name), join(modules, name))
  }
  return app
}

function shippedDependencies(tree: string): string[] {
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(tree, 'package.json'), 'utf8'))
  const present = new Set(readdirSync(join(HOUSE, 'node_modules')))
  return [
    ...Object.keys(dependencies),
    ...Object.keys(optionalDependencies).filter((name) => present.has(name)),
  ]
}

function polity(app: string, args: readonly string[]) {
  return run(join(app, 'node_modules/.bin/polity'), args, app)
}

function typesOf(app: string, file: string) {
  const tsc = join(HOUSE, 'node_modules/.bin/tsc')
  return run(process.execPath, [tsc, '--noEmit', '--strict', '--module', 'nodenext', file], app)
}

function run(file: string, args: readonly string[], cwd: string) {
  return spawnSync(file, args, { cwd, encoding: 'utf8' })
}
