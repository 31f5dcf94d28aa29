// A disk that fills up or stops taking writes: writes are refused with a code, reads go on, and nobody has to help afterwards.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CHILD, expectWhole, startVictim, type Victim } from './victim.ts'

const NAMESPACE = 'unshare'
const works = (file: string, ...args: string[]): boolean =>
  spawnSync(file, args, { stdio: 'ignore' }).status === 0
const announce = (isPossible: boolean, what: string): boolean => {
  if (!isPossible) console.warn(`SKIPPED: ${what}`)
  return isPossible
}

const hasTmpfs = announce(
  works(NAMESPACE, '-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp'),
  'a really full disk needs a mount namespace (unshare -rm), which this machine does not give',
)
const hasRlimit = announce(works('prlimit', '--version'), 'a file size limit needs prlimit of util-linux')
const hasImmutable = announce(
  isImmutabilityPossible(),
  'a disk that turns read-only needs chattr +i, which needs root on a file system that knows it',
)

describe('a disk that is full', () => {
  let folder: string
  let victim: Victim | undefined
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'polity-disk-'))
  })
  afterEach(() => {
    victim?.process.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })

  it.skipIf(!hasTmpfs)('refuses with store.full, reads on, and writes again once there is room', async () => {
    // A file system of its own, gone with the process; the ballast is what will be cleared away.
    const script = `mount -t tmpfs -o size=6m tmpfs ${folder} && head -c 2m /dev/zero > ${folder}/ballast && exec "$@"`
    victim = startVictim([
      'unshare',
      '-rm',
      'sh',
      '-c',
      script,
      'sh',
      process.execPath,
      CHILD,
      join(folder, 'data'),
    ])
    await victim.ready
    await expectRefusedThenRecovered(victim, 'store.full', () => {
      rmSync(`/proc/${victim?.process.pid}/root${folder}/ballast`)
    })
  })

  it.skipIf(!hasRlimit)('does the same when a file may grow no further (RLIMIT_FSIZE)', async () => {
    // In blocks of 512 bytes: 1 MiB per file.
    victim = startVictim([
      'sh',
      '-c',
      'ulimit -S -f 2048 && exec "$@"',
      'sh',
      process.execPath,
      CHILD,
      folder,
    ])
    await victim.ready
    await expectRefusedThenRecovered(victim, 'store.full', () => {
      expect(works('prlimit', '--pid', `${victim?.process.pid}`, '--fsize=unlimited')).toBe(true)
    })
    await expectWhole(folder, victim.words)
  })

  it.skipIf(!hasImmutable)(
    'refuses with store.readonly where files cannot be written, and recovers when they can',
    async () => {
      victim = startVictim([process.execPath, CHILD, folder])
      await victim.ready
      expect(await victim.ask({ kind: 'append', teller: 'before', count: 3, sizeBytes: 10 })).toEqual({
        value: 0,
      })
      const files = ['realm.db', 'realm.db-wal'].map((name) => join(folder, name))
      expect(works('chattr', '+i', ...files)).toBe(true)
      try {
        for (let turn = 0; turn < 3; turn++)
          expect(await victim.ask({ kind: 'append', teller: 'during', count: 1, sizeBytes: 10 })).toEqual({
            code: 'store.readonly',
          })
        expect(await victim.ask({ kind: 'read' })).toMatchObject({ value: { size: 3, rows: 1 } })
      } finally {
        works('chattr', '-i', ...files)
      }
      expect(await victim.ask({ kind: 'append', teller: 'after', count: 1, sizeBytes: 10 })).toEqual({
        value: 3,
      })
      await expectClosed(victim)
      expect(await expectWhole(folder, victim.words)).toBe(4)
    },
  )
})

describe('a file system mounted read-only', () => {
  it.skipIf(!hasTmpfs)('is refused at the door with a code, not with a stack', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'polity-disk-'))
    const store = new URL('../../src/kernel/store/sqlite/sqlite-store.ts', import.meta.url).href
    const anchor = new URL('../../src/kernel/log/anchor.ts', import.meta.url).href
    const program = `
      const { sqliteStore } = await import('${store}')
      const { fileAnchor } = await import('${anchor}')
      const codeOf = (act) => { try { act() } catch (error) { return error.code } }
      console.log(codeOf(() => sqliteStore('${folder}/realm.db', 'write')), codeOf(() => fileAnchor('${folder}/anchor')))`
    const script = `mount -t tmpfs -o ro tmpfs ${folder} && exec "$@"`
    const { stdout } = spawnSync(
      NAMESPACE,
      ['-rm', 'sh', '-c', script, 'sh', process.execPath, '-e', program],
      { encoding: 'utf8' },
    )
    expect(stdout.trim()).toBe('store.readonly anchor.unwritable')
    rmSync(folder, { recursive: true })
  })
})

/** Fills the disk with facts, looks, makes room, and goes on with the same process. */
async function expectRefusedThenRecovered(victim: Victim, code: string, makeRoom: () => void): Promise<void> {
  let size = 0
  let refused: string | undefined
  // A fact brings 60 kB of private payload, so a few hundred fill any disk of these tests.
  for (let turn = 0; turn < 300 && refused === undefined; turn++) {
    const answer = await victim.ask({ kind: 'append', teller: 'filler', count: 1, sizeBytes: 60_000 })
    if (answer.code === undefined) size += 1
    else refused = answer.code
  }
  expect(refused).toBe(code)
  expect(size).toBeGreaterThan(0)
  // It stays refused, and what was acknowledged can be read and proven.
  expect(await victim.ask({ kind: 'append', teller: 'filler', count: 2, sizeBytes: 60_000 })).toEqual({
    code,
  })
  const read = await victim.ask({ kind: 'read' })
  expect(read).toMatchObject({ value: { size, rows: 1 } })
  expect((read.value as { proven: string }).proven).toContain(`index ${size - 1}\n`)

  makeRoom()
  expect(await victim.ask({ kind: 'append', teller: 'after', count: 2, sizeBytes: 60_000 })).toEqual({
    value: size,
  })
  expect(await victim.ask({ kind: 'read' })).toMatchObject({ value: { rows: 2 } })
  expect(victim.words.acknowledged.size).toBe(size + 2)
  await expectClosed(victim)
}

async function expectClosed(victim: Victim): Promise<void> {
  expect(await victim.ask({ kind: 'close' })).toEqual({ value: true })
  victim.process.disconnect()
  expect(await victim.ended).toBe(0)
}

function isImmutabilityPossible(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'polity-immutable-'))
  const file = join(folder, 'probe')
  writeFileSync(file, 'x')
  const isPossible = works('chattr', '+i', file) && !works('sh', '-c', `echo y >> ${file}`)
  works('chattr', '-i', file)
  expect(statSync(file).size).toBeGreaterThan(0)
  rmSync(folder, { recursive: true })
  return isPossible
}
