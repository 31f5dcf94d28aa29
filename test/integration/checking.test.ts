// The check, the closing sum and .ci/run say what happened: one line per step, one sum, the right exit code.

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const HOUSE = join(import.meta.dirname, '../..')
const SUM = /^\d+ passed, \d+ failed, \d+ skipped$/gm

let tree = ''
beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'polity-checking-'))
})
afterEach(() => rmSync(tree, { recursive: true }))

describe('npm run check', () => {
  beforeEach(() => {
    for (const file of ['tsconfig.json', 'biome.json', '.gitignore', 'scripts/lint']) {
      cpSync(join(HOUSE, file), join(tree, file), { recursive: true })
    }
    symlinkSync(join(HOUSE, 'node_modules'), join(tree, 'node_modules'))
    spawnSync('git', ['init', '--quiet'], { cwd: tree })
    write('knip.json', '{ "entry": ["src/main.ts"], "project": ["src/**/*.ts"] }\n')
    write(
      'package.json',
      JSON.stringify({ name: 'sample', type: 'module', engines: { node: '>=20' } }, null, 2).concat('\n'),
    )
    write('src/main.ts', "import { greet } from './greet.ts'\n\nconsole.log(greet('you'))\n")
    write('src/greet.ts', 'export const greet = (name: string): string => name.trim()\n')
  })

  it('says one line per step when all is well', () => {
    const { status, stdout } = check()
    expect(stdout.trim().split('\n').sort()).toEqual([
      expect.stringMatching(/^check dead-code +ok +\d+\.\d s$/),
      expect.stringMatching(/^check floors +ok +\d+\.\d s$/),
      expect.stringMatching(/^check lint +ok +\d+\.\d s$/),
      expect.stringMatching(/^check types +ok +\d+\.\d s$/),
    ])
    expect(status).toBe(0)
  })

  it.each([
    ['types', 'src/greet.ts', 'export const greet = (name: string): number => name\n', 'TS2322'],
    ['types', 'src/greet.ts', 'export enum Greet {\n  A,\n}\nexport const greet = String\n', 'TS1294'],
    [
      'lint',
      'src/greet.ts',
      "export const greet = (name: any): string => 'hello ' + name\n",
      'noExplicitAny',
    ],
    ['lint', 'src/kernel/clock.ts', 'export const startedMs = Date.now()\n', 'Env port'],
    ['lint', 'src/kit/dice.ts', 'export const dice = () => Math.random()\n', 'Env port'],
    ['dead-code', 'src/nobody.ts', 'export const nobody = 0\n', 'src/nobody.ts'],
    ['floors', 'src/greet.ts', "import './main.ts'\n\nexport const greet = String\n", 'no-cycles'],
  ])('fails at %s and shows why: %s', (step, file, text, reason) => {
    write(file, text)
    const { status, stdout } = check()
    expect(status).toBe(1)
    expect(stdout).toMatch(new RegExp(`^check ${step} +FAILED +\\d+\\.\\d s$`, 'm'))
    expect(stdout).toContain(reason)
  })

  it('runs only the steps that were named, and knows no others', () => {
    expect(check('lint').stdout).toMatch(/^check lint +ok +\S+ s\n$/)
    expect(check('lnit')).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('lnit') })
  })
})

describe('the closing sum', () => {
  beforeEach(() => {
    for (const file of ['vitest.config.ts', 'scripts/sum-reporter.ts']) {
      mkdirSync(dirname(join(tree, file)), { recursive: true })
      copyFileSync(join(HOUSE, file), join(tree, file))
    }
    symlinkSync(join(HOUSE, 'node_modules'), join(tree, 'node_modules'))
    write('package.json', '{ "type": "module" }')
  })

  it('is the last line and counts tests that passed, failed and were skipped', () => {
    write(
      'src/a.test.ts',
      `import { describe, expect, it } from 'vitest'
       it('passes', () => {})
       it('fails', () => expect(1).toBe(2))
       it.skip('is skipped', () => {})
       it.todo('is to be done')
       describe.skip('all of these', () => it('too', () => {}))`,
    )
    const { status, output } = vitest()
    expect(output.match(SUM)).toEqual(['1 passed, 1 failed, 3 skipped'])
    expect(output.trimEnd().split('\n').at(-1)).toBe('1 passed, 1 failed, 3 skipped')
    expect(status).toBe(1)
  })

  it('counts as failed what breaks outside of a test', () => {
    write('src/a.test.ts', "throw new Error('does not load')")
    write('src/b.test.ts', "import { beforeAll, describe, it } from 'vitest'\n".concat(BROKEN_HOOK))
    write(
      'src/c.test.ts',
      "import { it } from 'vitest'\nit('strays', () => { Promise.reject(new Error('x')) })",
    )
    expect(vitest().output.match(SUM)).toEqual(['1 passed, 3 failed, 1 skipped'])
  })

  it('counts what passes at the second try, and names it with its first fault, only where a second try is allowed', () => {
    write(
      'src/a.test.ts',
      `import { expect, it } from 'vitest'
       let tries = 0
       it('is unlucky', () => expect(++tries).toBe(2))
       it('is lucky', () => {})
       it('is wrong', () => expect(1).toBe(2))`,
    )
    const { output, status } = vitest({ POLITY_TEST_SECOND_TRY: 'yes' })
    expect(output.match(SUM)).toEqual(['2 passed, 1 failed, 0 skipped'])
    expect(status).toBe(1)
    expect(output.match(/^PASSED ONLY AT THE SECOND TRY.*$/gm)).toEqual([
      'PASSED ONLY AT THE SECOND TRY: src/a.test.ts > is unlucky',
    ])
    expect(output).toMatch(/is unlucky\n.*expected 1 to be 2/)
    expect(vitest({ POLITY_TEST_SECOND_TRY: '' }).output.match(SUM)).toEqual([
      '1 passed, 2 failed, 0 skipped',
    ])
  })

  it('goes to the file of .ci/run instead when there is one', () => {
    write('src/a.test.ts', "import { it } from 'vitest'\nit('passes', () => {})")
    const file = join(tree, 'sums')
    expect(vitest({ POLITY_TEST_SUM_FILE: file }).output).not.toMatch(SUM)
    expect(readFileSync(file, 'utf8')).toBe('1 passed, 0 failed, 0 skipped\n')
  })
})

describe('.ci/run', () => {
  beforeEach(() => {
    mkdirSync(join(tree, '.ci'))
    copyFileSync(join(HOUSE, '.ci/run'), join(tree, '.ci/run'))
    mkdirSync(join(tree, 'path'))
    for (const tool of ['git', 'go', 'chromium', 'timeout', 'apt-get', 'sudo']) stub(tool, 'exit 1')
    for (const tool of ['bash', 'dirname', 'mktemp', 'rm', 'env']) {
      const found = ['/usr/bin', '/bin'].map((folder) => join(folder, tool)).find((file) => existsSync(file))
      if (found === undefined) throw new Error(`this machine has no ${tool}`)
      symlinkSync(found, join(tree, 'path', tool))
    }
  })

  it('adds both runs up in one line at the end', () => {
    write('test/e2e/page.test.ts', '')
    npm({ test: 'sum 5 passed, 0 failed, 2 skipped', e2e: 'sum 3 passed, 0 failed, 1 skipped' })
    expect(ci()).toMatchObject({ status: 0, last: '8 passed, 0 failed, 3 skipped', calls: [CI, TEST, E2E] })
  })

  it('leaves the browser out where there is no console', () => {
    npm({ test: 'sum 5 passed, 0 failed, 2 skipped' })
    expect(ci()).toMatchObject({ status: 0, last: '5 passed, 0 failed, 2 skipped', calls: [CI, TEST] })
  })

  it('fails with the tests, and still runs the browser', () => {
    write('test/e2e/page.test.ts', '')
    npm({ test: 'sum 5 passed, 1 failed, 0 skipped; exit 1', e2e: 'sum 3 passed, 0 failed, 0 skipped' })
    expect(ci()).toMatchObject({ status: 1, last: '8 passed, 1 failed, 0 skipped', calls: [CI, TEST, E2E] })
  })

  it('counts a step that fails before any test', () => {
    npm({ test: 'exit 1' })
    expect(ci()).toMatchObject({ status: 1, last: '0 passed, 1 failed, 0 skipped' })
  })

  it('ends where the installation fails', () => {
    npm({ ci: 'exit 1', test: 'sum 5 passed, 0 failed, 0 skipped' })
    expect(ci()).toMatchObject({ status: 1, last: '0 passed, 1 failed, 0 skipped', calls: [CI] })
  })

  it('says loudly which tool it could not install, and goes on', () => {
    rmSync(join(tree, 'path/chromium'))
    npm({ test: 'sum 5 passed, 0 failed, 1 skipped' })
    const { status, stderr } = ci()
    expect(status).toBe(0)
    expect(stderr).toMatch(/COULD NOT INSTALL .*chromium/)
  })
})

const CI = 'ci'
const TEST = 'test'
const E2E = 'run test:e2e'

const BROKEN_HOOK = `describe('all', () => {
  beforeAll(() => { throw new Error('hook') })
  it('is never reached', () => {})
})`

function write(name: string, text: string): void {
  mkdirSync(dirname(join(tree, name)), { recursive: true })
  writeFileSync(join(tree, name), text)
}

function stub(tool: string, script: string): void {
  write(join('path', tool), `#!/bin/sh\n${script}\n`)
  chmodSync(join(tree, 'path', tool), 0o755)
}

/** An npm that notes its calls and does what the case says. */
function npm({ ci = 'exit 0', test = 'exit 0', e2e = 'exit 0' }: Readonly<Record<string, string>>): void {
  const body = (script: string) => script.replace(/sum ([^;]*)/, 'echo "$1" >>"$POLITY_TEST_SUM_FILE"')
  stub(
    'npm',
    `echo "$*" >>calls
case "$*" in '${CI}') ${body(ci)} ;; '${TEST}') ${body(test)} ;; '${E2E}') ${body(e2e)} ;; esac`,
  )
}

function ci() {
  const { status, stdout, stderr } = spawnSync(join(tree, '.ci/run'), [], {
    cwd: '/',
    encoding: 'utf8',
    env: { PATH: join(tree, 'path') },
  })
  expect(stdout.match(SUM)).toHaveLength(1)
  const calls = readFileSync(join(tree, 'calls'), 'utf8').trim().split('\n')
  return { status, stderr, calls, last: stdout.trimEnd().split('\n').at(-1) }
}

function check(...steps: readonly string[]) {
  return spawnSync(process.execPath, [join(HOUSE, 'scripts/check.ts'), ...steps], {
    cwd: tree,
    encoding: 'utf8',
  })
}

function vitest(environment: Readonly<Record<string, string>> = {}) {
  const { POLITY_TEST_SUM_FILE, POLITY_TEST_SECOND_TRY, VITEST, ...inherited } = process.env
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(HOUSE, 'node_modules/vitest/vitest.mjs'), 'run', '--no-color'],
    { cwd: tree, encoding: 'utf8', env: { ...inherited, ...environment } },
  )
  return { status, output: `${stderr}${stdout}` }
}
