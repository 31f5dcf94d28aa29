// The export of a period verifies offline, and does not once anything in it was changed.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exportSource } from '../../src/kernel/audit/sources/export.ts'
import { exportHistory } from '../../src/kernel/decisions/history.ts'
import { inclusionProof } from '../../src/kit/tile-tree.ts'
import { formatProof } from '../../src/kit/tlog-proof.ts'
import { verifyPeriod, writePeriod } from '../../src/modules/compliance/folder.ts'
import { codeOf, tempFolder } from './lab/hubs.ts'

const BACKUP = join(import.meta.dirname, '../fixtures/releases/0.1.0/backup')
const PERIOD = { from: '1970-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z' }

async function exported({ isWhole = false, period = PERIOD } = {}) {
  const source = await exportSource(BACKUP)
  const { size } = JSON.parse(readFileSync(join(BACKUP, '../expected.json'), 'utf8')) as { size: number }
  const { vkey = '' } = source
  const checkpoint = source.checkpoints[0]?.note ?? ''
  const dir = join(tempFolder().root, 'period')
  const written = await writePeriod(
    {
      origin: checkpoint.split('\n')[0] ?? '',
      size,
      vkey,
      entries: source.entries(size),
      texts: exportHistory(BACKUP, source, size).texts,
      prove: async (seq) => {
        const hashes = await inclusionProof(seq, size, (refs) =>
          Promise.all(refs.map((ref) => source.tile(ref))),
        )
        return formatProof({ index: seq, hashes, checkpoint })
      },
    },
    period,
    dir,
    { isWhole },
  )
  return { dir, vkey, written, size }
}

interface Manifest {
  readonly files: Record<string, string>
  range?: { from: number; end: number }
}

/** Edits the manifest alone. */
function reclaim(dir: string, edit: (manifest: Manifest) => void): void {
  const path = join(dir, 'manifest.json')
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Manifest
  edit(manifest)
  writeFileSync(path, JSON.stringify(manifest))
}

/** Takes an entry out, as somebody would who wants it forgotten. */
function leaveOut(dir: string, seq: number): void {
  rmSync(join(dir, `entries/${seq}.json`))
  reclaim(dir, ({ files }) => delete files[`entries/${seq}.json`])
}

/** Edits a file, and the manifest with it, as somebody would who wants to be believed. */
function forge(dir: string, path: string, edit: (text: string) => string): void {
  const before = readFileSync(join(dir, path), 'utf8')
  writeFileSync(join(dir, path), edit(before))
  const manifest = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8'))
  manifest.files[path] = `sha256:${createHash('sha256').update(edit(before)).digest('hex')}`
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify(manifest))
}

describe('the export of a period', () => {
  it('verifies with the key of the log', async () => {
    const { dir, vkey, written } = await exported()
    expect(written.entries).toBeGreaterThan(0)
    expect(await verifyPeriod(dir, { vkey })).toMatchObject({ entries: written.entries, isPinned: true })
  })

  it.each<[string, (dir: string) => void]>([
    [
      'its report says something else',
      (dir) => forge(dir, 'report.json', (text) => text.replace('"total":', '"total":1')),
    ],
    [
      'its text says something else',
      (dir) => forge(dir, 'report.md', (text) => text.replace(' allowed', '0 allowed')),
    ],
    [
      'an entry says something else',
      (dir) => forge(dir, firstEntry(dir), (text) => text.replace('2026', '2027')),
    ],
    ['an entry is gone', (dir) => rmSync(join(dir, firstEntry(dir)))],
    ['an entry stands under another number', (dir) => renameEntry(dir, 'entries/999.json')],
    ['the manifest leads out of the folder', (dir) => renameEntry(dir, '../outside.json')],
    ['the rules are others', (dir) => forge(dir, firstOf(dir, 'rules'), (text) => `${text} `)],
    ['the manifest is no JSON', (dir) => writeFileSync(join(dir, 'manifest.json'), '{')],
    ['the manifest is of another form', (dir) => writeFileSync(join(dir, 'manifest.json'), 'null')],
  ])('is refused where %s', async (_, change) => {
    const { dir, vkey } = await exported()
    change(dir)
    expect(await codeOf(verifyPeriod(dir, { vkey }))).toBe('verify.failed')
  })

  it('that is whole holds every entry, and says so', async () => {
    const { dir, vkey, written, size } = await exported({ isWhole: true })
    expect(written.entries).toBe(size)
    const picked = await exported()
    // What else is in the log says nothing to the report.
    expect(written.report).toEqual(picked.written.report)
    expect(await verifyPeriod(dir, { vkey })).toMatchObject({ entries: size, isComplete: true })
    expect(await verifyPeriod(picked.dir, { vkey })).toMatchObject({ isComplete: false })
  })

  it('that is whole for a time after everything holds the last entry, which shows that nothing came after it', async () => {
    const period = { from: '2090-01-01T00:00:00Z', to: '2100-01-01T00:00:00Z' }
    const { dir, vkey, written, size } = await exported({ isWhole: true, period })
    expect(written).toMatchObject({ entries: 1, report: { decisions: { total: 0 } } })
    expect(readdirSync(join(dir, 'entries'))).toEqual([`${size - 1}.json`])
    expect(await verifyPeriod(dir, { vkey })).toMatchObject({ isComplete: true })
  })

  it.each<[string, (dir: string, size: number) => void]>([
    ['an entry in the middle is left out', (dir, size) => leaveOut(dir, Math.floor(size / 2))],
    [
      'its end is left out, and it claims to end there',
      (dir, size) => {
        leaveOut(dir, size - 1)
        reclaim(dir, (manifest) => {
          manifest.range = { from: 0, end: size - 1 }
        })
      },
    ],
    [
      'its beginning is left out, and it claims to begin there',
      (dir, size) => {
        leaveOut(dir, 0)
        reclaim(dir, (manifest) => {
          manifest.range = { from: 1, end: size }
        })
      },
    ],
    [
      'it claims to be of no entry at all',
      (dir, size) => {
        for (let seq = 0; seq < size; seq++) leaveOut(dir, seq)
        reclaim(dir, (manifest) => {
          manifest.range = { from: 0, end: 0 }
        })
      },
    ],
    [
      'it does not say what it holds',
      (dir) => reclaim(dir, (manifest) => Object.assign(manifest, { range: { from: 0 } })),
    ],
  ])('that is whole is refused where %s', async (_, change) => {
    const { dir, vkey, size } = await exported({ isWhole: true })
    change(dir, size)
    expect(await codeOf(verifyPeriod(dir, { vkey }))).toBe('verify.failed')
  })

  it('that was picked is no whole one, whatever it claims', async () => {
    const { dir, vkey, size } = await exported()
    for (const range of [
      { from: 0, end: size },
      { from: 0, end: readdirSync(join(dir, 'entries')).length },
    ]) {
      reclaim(dir, (manifest) => {
        manifest.range = range
      })
      expect(await codeOf(verifyPeriod(dir, { vkey }))).toBe('verify.failed')
    }
  })

  it('is never written into a folder that holds something', async () => {
    const { dir } = await exported()
    const nothing = {
      origin: '',
      size: 0,
      vkey: '',
      entries: (async function* () {})(),
      texts: async () => new Map(),
    }
    expect(await codeOf(writePeriod({ ...nothing, prove: async () => '' }, PERIOD, dir))).toBe(
      'data.unwritable',
    )
  })
})

const firstOf = (dir: string, folder: string): string =>
  `${folder}/${readdirSync(join(dir, folder)).sort()[0]}`
const firstEntry = (dir: string): string => firstOf(dir, 'entries')

function renameEntry(dir: string, path: string): void {
  const before = firstEntry(dir)
  renameSync(join(dir, before), join(dir, path))
  const manifest = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8'))
  const { [before]: digest, ...files } = manifest.files
  writeFileSync(
    join(dir, 'manifest.json'),
    JSON.stringify({ ...manifest, files: { ...files, [path]: digest } }),
  )
}
