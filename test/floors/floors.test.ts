// Plants one violation per rule of the floors and proves that the check of this very house finds each.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const HOUSE = join(import.meta.dirname, '../..')

/** A house without a fault: every import runs down, and modules meet at contracts. */
const SOUND = {
  'package.json': JSON.stringify({
    name: 'planted',
    type: 'module',
    dependencies: { fastify: '*' },
    devDependencies: { 'fast-check': '*' },
  }),
  'src/kit/merkle.ts':
    "import { hash } from 'node:crypto'\nexport const leaf = (s: string) => hash('sha256', s)",
  'src/kit/merkle.test.ts':
    "import 'node:fs'\nimport 'fast-check'\nimport { leaf } from './merkle.ts'\nleaf('')",
  'src/kernel/log.ts': "import { leaf } from '../kit/merkle.ts'\nexport const append = leaf",
  'src/modules/a/contract.ts': "export interface A { a: string }\nexport const a = 'a'",
  'src/modules/a/module.ts': "import { append } from '../../kernel/log.ts'\nexport const module = append",
  'src/modules/a/module.test.ts': "import { openHub } from '../../hub.ts'\nopenHub()",
  'src/modules/b/module.ts': "import { a } from '../a/contract.ts'\nexport const b = a",
  'src/doors/http.ts':
    "import 'fastify'\nimport { a } from '../modules/a/contract.ts'\nexport const http = a",
  'src/doors/telling/json.ts': 'export const count = 0',
  'src/doors/telling/words.ts': "import { count } from './json.ts'\nexport const words = count",
  'src/doors/telling/words.test.ts': "import 'fast-check'\nimport { words } from './words.ts'\nwords",
  'src/hub.ts': "import { module } from './modules/a/module.ts'\nexport const openHub = () => module",
  'src/main.ts':
    "import { http } from './doors/http.ts'\nimport { openHub } from './hub.ts'\nopenHub()\nhttp",
  'test/clock.ts': 'export const clock = 0',
  'test/hub.test.ts':
    "import { openHub } from '../src/hub.ts'\nimport { clock } from './clock.ts'\nopenHub()\nclock",
  'web/page.ts': "import type { A } from '../src/modules/a/contract.ts'\nexport const page = {} as A",
  'web/words.ts': "import { words } from '../src/doors/telling/words.ts'\nexport const told = words",
} as const

interface Plant {
  readonly rule: string
  readonly what: string
  readonly file: string
  readonly text: string
}

const plant = (rule: string, what: string, file: string, text: string): Plant => ({ rule, what, file, text })

const PLANTS: readonly Plant[] = [
  plant('kit-stands-alone', 'kit imports kernel', 'src/kit/p1.ts', "import '../kernel/log.ts'"),
  plant(
    'kit-stands-alone',
    'kit imports a mere type of kernel',
    'src/kit/p2.ts',
    "import type { append } from '../kernel/log.ts'\nexport type P = typeof append",
  ),
  plant('kit-stands-alone', 'a test of kit imports kernel', 'src/kit/p.test.ts', "import '../kernel/log.ts'"),
  plant('kit-is-pure', 'kit reads the disk', 'src/kit/p3.ts', "import 'node:fs/promises'"),
  plant(
    'kit-is-pure',
    'kit opens a thread, later',
    'src/kit/p4.ts',
    "export const p = import('worker_threads')",
  ),
  plant(
    'kernel-knows-no-feature',
    'kernel imports a module',
    'src/kernel/p1.ts',
    "import '../modules/a/module.ts'",
  ),
  plant(
    'kernel-knows-no-feature',
    'kernel imports a mere type of a contract',
    'src/kernel/p2.ts',
    "import type { A } from '../modules/a/contract.ts'\nexport type P = A",
  ),
  plant(
    'kernel-knows-no-feature',
    'kernel names a type of a module in passing',
    'src/kernel/p3.ts',
    "export type P = import('../modules/a/contract.ts').A",
  ),
  plant('kernel-knows-no-feature', 'kernel imports a door', 'src/kernel/p4.ts', "import '../doors/http.ts'"),
  plant('kernel-knows-no-feature', 'kernel imports the hub', 'src/kernel/p5.ts', "export * from '../hub.ts'"),
  plant(
    'modules-know-no-door',
    'a module imports a door',
    'src/modules/b/p1.ts',
    "import '../../doors/http.ts'",
  ),
  plant('modules-know-no-main', 'a module imports the hub', 'src/modules/b/p2.ts', "import '../../hub.ts'"),
  plant(
    'modules-meet-at-contracts',
    "a module imports another module's module.ts",
    'src/modules/b/p3.ts',
    "import '../a/module.ts'",
  ),
  plant(
    'modules-meet-at-contracts',
    "a module imports a mere type of another module's module.ts",
    'src/modules/b/p4.ts',
    "import type { module } from '../a/module.ts'\nexport type P = typeof module",
  ),
  plant(
    'modules-meet-at-contracts',
    "a test of a module imports another module's module.ts",
    'src/modules/b/p.test.ts',
    "import '../a/module.ts'",
  ),
  plant('doors-know-no-main', 'a door imports the program', 'src/doors/p.ts', "import '../main.ts'"),
  plant(
    'src-knows-no-outside',
    'what ships imports from test/',
    'src/doors/q.ts',
    "import '../../test/clock.ts'",
  ),
  plant('tests-are-not-imported', 'a test imports a test', 'test/p.test.ts', "import './hub.test.ts'"),
  plant(
    'web-takes-types-only',
    'the page imports code',
    'web/p1.ts',
    "import { a } from '../src/modules/a/contract.ts'\nexport const p = a",
  ),
  plant(
    'web-takes-contracts-only',
    'the page imports a type from the kernel',
    'web/p2.ts',
    "import type { append } from '../src/kernel/log.ts'\nexport type P = typeof append",
  ),
  plant(
    'telling-stands-alone',
    'the words import what is no word',
    'src/doors/telling/p1.ts',
    "import { leaf } from '../../kit/merkle.ts'\nexport const p = leaf",
  ),
  plant('telling-stands-alone', 'the words read the disk', 'src/doors/telling/p2.ts', "import 'node:fs'"),
  plant('no-cycles', 'two files need each other', 'src/kernel/c1.ts', "import './other1.ts'"),
  plant(
    'no-cycles',
    'the types of two files need each other',
    'src/kernel/c2.ts',
    "import type { Other } from './other2.ts'\nexport type C = Other | 0",
  ),
  plant('src-ships-its-dependencies', 'what ships imports a tool', 'src/doors/r.ts', "import 'fast-check'"),
  plant('imports-resolve', 'an import leads nowhere', 'src/doors/s.ts', "import './gone.ts'"),
]

/** The other halves of the two planted cycles; the check accuses the first half. */
const HALVES = {
  'src/kernel/other1.ts': "import './c1.ts'",
  'src/kernel/other2.ts': "import type { C } from './c2.ts'\nexport type Other = C | 1",
} as const

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true })
})

describe('the floors', () => {
  let sound = ''
  let planted = ''
  let found: readonly Found[] = []
  beforeAll(() => {
    sound = build(SOUND)
    const plants = Object.fromEntries(PLANTS.map(({ file, text }) => [file, text]))
    planted = build({ ...SOUND, ...HALVES, ...plants })
    found = violations(planted)
  })

  it('finds nothing in a sound house, and has looked at its TypeScript', () => {
    const { summary, modules } = cruise(sound)
    expect(summary.violations).toEqual([])
    expect(modules.map(({ source }) => source)).toEqual(
      expect.arrayContaining(Object.keys(SOUND).filter((file) => file.endsWith('.ts'))),
    )
    expect(checkFloors(sound)).toMatchObject({ status: 0 })
  })

  it.each(PLANTS)('$rule: $what', ({ rule, file }) => {
    expect(found).toContainEqual({ rule, file, severity: 'error' })
  })

  it('accuses only what was planted, and of nothing else', () => {
    const accused = new Set(found.map(({ rule, file }) => `${rule} ${file}`))
    expect([...accused].sort()).toEqual(PLANTS.map(({ rule, file }) => `${rule} ${file}`).sort())
  })

  it('has a plant for every rule there is', () => {
    const rules = cruise(sound).summary.ruleSetUsed.forbidden.map(({ name }) => name)
    expect(rules.filter((name) => !PLANTS.some(({ rule }) => rule === name))).toEqual([])
  })

  it('fails npm run check and names each violation', () => {
    const { status, stdout } = checkFloors(planted)
    expect(status).toBe(1)
    expect(stdout).toMatch(/check floors +FAILED/)
    for (const { rule, file } of PLANTS) expect(stdout).toContain(`error ${rule}: ${file}`)
  })
})

function build(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'polity-floors-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), `${text}\n`)
  }
  symlinkSync(join(HOUSE, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** What `npm run check` runs, in another tree. */
function checkFloors(folder: string): { status: number | null; stdout: string } {
  return spawnSync(process.execPath, [join(HOUSE, 'scripts/check.ts'), 'floors'], {
    cwd: folder,
    encoding: 'utf8',
  })
}

interface Cruise {
  readonly summary: {
    readonly violations: readonly Violation[]
    readonly ruleSetUsed: { readonly forbidden: readonly { readonly name: string }[] }
  }
  readonly modules: readonly { readonly source: string }[]
}

interface Violation {
  readonly from: string
  readonly rule: { readonly name: string; readonly severity: string }
}

function cruise(folder: string): Cruise {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(HOUSE, 'node_modules/.bin/depcruise'),
      ...['--config', join(HOUSE, '.dependency-cruiser.mjs'), '--output-type', 'json'],
      ...['src', 'test', 'web'],
    ],
    { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  )
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

interface Found {
  readonly rule: string
  readonly file: string
  readonly severity: string
}

function violations(folder: string): Found[] {
  return cruise(folder).summary.violations.map(({ from, rule }) => ({
    rule: rule.name,
    file: from,
    severity: rule.severity,
  }))
}
