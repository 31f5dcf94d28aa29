// A DATA folder as a hub leaves it: a log on SQLite with a view, private payloads, evidence, keys, anchor and checkpoint.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Env, systemEnv } from '../src/kernel/env.ts'
import { fileAnchor, readAnchor } from '../src/kernel/log/anchor.ts'
import { type Draft, entryType, sealEntry } from '../src/kernel/log/entry.ts'
import { type DataPaths, dataPaths, EVIDENCE, LOG_META, ORIGIN_KEY } from '../src/kernel/log/layout.ts'
import type { Proposal } from '../src/kernel/log/proposal.ts'
import { type OpenedSequencer, openSequencer } from '../src/kernel/log/sequencer.ts'
import { fileSigner } from '../src/kernel/log/signer.ts'
import { type View, view } from '../src/kernel/log/view.ts'
import { Private, Type } from '../src/kernel/schema/schema.ts'
import { sqliteStore } from '../src/kernel/store/sqlite/sqlite-store.ts'

export const ORIGIN = 'log.example/test'

const NoteWritten = entryType('test.note.written@1', {
  key: Type.String(),
  text: Private(Type.String()),
})
const NoteRemoved = entryType('test.note.removed@1', { key: Type.String() })

export const notes: View = view('test.notes', 1, {
  from: [NoteWritten, NoteRemoved],
  keys: (entry) => [entry.data.key],
  fold: (
    row: { readonly version: number; readonly value: { readonly writes: number } } | undefined,
    entry,
  ) =>
    entry.type === NoteRemoved.name
      ? null
      : { writes: (row?.value.writes ?? 0) + 1, last: entry.id, data: entry.data },
}) as unknown as View

export interface DataFolder {
  readonly dir: string
  readonly paths: DataPaths
  readonly anchorPath: string
  readonly vkey: string
  readonly vaultKey: Uint8Array
  readonly checkpoint: string
}

export const EVIDENCE_TEXT = '{"entities":["one","two"]}'

/** Writes `count` entries about a few dozen notes in batches, and closes the store. */
export async function writeDataFolder(dir: string, count: number): Promise<DataFolder> {
  mkdirSync(dir, { recursive: true })
  const paths = dataPaths(dir)
  const vaultKey = new Uint8Array(Buffer.alloc(32, 7))
  writeFileSync(paths.vaultKey, vaultKey)
  const folder = { dir, paths, anchorPath: join(dir, '..', 'test.anchor'), vaultKey }
  const env = systemEnv()
  const sequencer = await openFolder(folder, env)
  const digest = `sha256:${hash('sha256', EVIDENCE_TEXT, 'hex')}`
  await sequencer.propose({
    entries: [],
    rows: [
      { table: LOG_META, key: ORIGIN_KEY, value: JSON.stringify(ORIGIN) },
      { table: EVIDENCE, key: digest, value: JSON.stringify(EVIDENCE_TEXT) },
    ],
  })
  const written: Promise<unknown>[] = []
  for (let n = 0; n < count; n++) written.push(sequencer.propose(proposalOf(n, env)))
  await Promise.all(written)
  await sequencer.close()
  const vkey = sequencer.vkey
  const checkpoint = readAnchor(folder.anchorPath) ?? ''
  writeFileSync(paths.vkey, `${vkey}\n`)
  writeFileSync(paths.checkpoint, checkpoint)
  return { ...folder, vkey, checkpoint }
}

/** The writing side of a folder, as a hub would open it. */
export async function openFolder(
  { paths, anchorPath }: Pick<DataFolder, 'paths' | 'anchorPath'>,
  env: Env = systemEnv(),
): Promise<OpenedSequencer> {
  const store = sqliteStore(paths.database, 'write')
  await store.migrate()
  return openSequencer({
    origin: ORIGIN,
    store,
    views: [notes],
    signer: fileSigner(ORIGIN, paths.signingKey, true),
    anchor: fileAnchor(anchorPath),
    vaultKey: readFileSync(paths.vaultKey),
    env,
    publishIntervalMs: 0,
    onPublished() {},
    onFailure(error) {
      throw error
    },
    onLost(error) {
      throw error
    },
  })
}

/** Note `n % 40`, written or, every seventh time, removed; private text under one of four subjects. */
export function proposalOf(n: number, env: Env): Proposal {
  const key = `note-${n % 40}`
  const draft: Draft = n % 7 === 6 ? NoteRemoved({ key }) : NoteWritten({ key, text: `secret ${n}` })
  const sealed = sealEntry({ ...draft, subject: `subject-${n % 4}` }, { source: 'polity://test' }, env)
  const seals =
    sealed.openings.length === 0 ? [] : [{ subject: sealed.vaultSubject, openings: sealed.openings }]
  return { entries: [sealed.text], seals }
}
