// Every acknowledged commit was synced first, and every anchor before it was published: read off the system calls.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { expect, it } from 'vitest'
import { CHILD, startVictim } from './victim.ts'

const APPENDS = 40

const TRACER = 'strace'
const canTrace = spawnSync(TRACER, ['-f', '-e', 'trace=none', 'true'], { stdio: 'ignore' }).status === 0
if (!canTrace)
  console.warn('SKIPPED: whether commits are synced is read off system calls, and strace cannot trace here')

it.skipIf(!canTrace)('syncs the database before it answers and the anchor before it publishes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-sync-'))
  const trace = join(folder, 'trace')
  // -y names the file behind each descriptor.
  const strace = [
    TRACER,
    '-f',
    '-y',
    '-s',
    '256',
    '-o',
    trace,
    '-e',
    'trace=write,pwrite64,pwritev,fsync,fdatasync,ftruncate',
  ]
  const victim = startVictim([...strace, process.execPath, CHILD, join(folder, 'data')])
  await victim.ready
  for (let turn = 0; turn < APPENDS; turn++)
    expect(await victim.ask({ kind: 'append', teller: 'one', count: 1, sizeBytes: 100 })).toEqual({
      value: turn,
    })
  expect(await victim.ask({ kind: 'close' })).toEqual({ value: true })
  victim.process.disconnect()
  await victim.ended

  const seen = follow(callsOf(readFileSync(trace, 'utf8')))
  expect(seen.unsyncedAnswers).toEqual([])
  expect(seen.unsyncedCheckpoints).toEqual([])
  expect(seen.anchorsAheadOfDatabase).toEqual([])
  // The trace was not empty: each answer had a write and a sync of its own.
  expect(seen.answers).toBe(APPENDS)
  expect(seen.databaseSyncs).toBeGreaterThanOrEqual(APPENDS)
  expect(seen.checkpoints).toBeGreaterThan(0)
  expect(seen.anchorSyncs).toBeGreaterThanOrEqual(seen.checkpoints - 1)
  rmSync(folder, { recursive: true })
})

interface Call {
  readonly name: string
  readonly file: string
  readonly text: string
}

/** Completed calls in order of their completion: one that was interrupted in the trace counts where it resumes. */
function callsOf(trace: string): Call[] {
  const begun = new Map<string, Call>()
  return trace.split('\n').flatMap((line): Call[] => {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    const [, name, file = ''] = /^(\w+)\(\d+<([^>]*)>/.exec(rest) ?? []
    if (name === undefined) {
      const resumed = /^<\.\.\. \w+ resumed>/.test(rest) ? begun.get(thread) : undefined
      begun.delete(thread)
      return resumed && !/= -1 /.test(rest) ? [resumed] : []
    }
    const call = { name, file, text: rest }
    if (!rest.endsWith('<unfinished ...>')) return /= -1 /.test(rest) ? [] : [call]
    // A write counts from its beginning, so that nothing that follows can look older.
    if (!isSync(call)) return [call]
    begun.set(thread, call)
    return []
  })
}

const isSync = ({ name }: Pick<Call, 'name'>): boolean => name === 'fsync' || name === 'fdatasync'

interface Seen {
  answers: number
  checkpoints: number
  databaseSyncs: number
  anchorSyncs: number
  readonly unsyncedAnswers: string[]
  readonly unsyncedCheckpoints: string[]
  readonly anchorsAheadOfDatabase: string[]
}

function subjectOf({ file, text }: Call): 'database' | 'anchor' | 'answer' | 'checkpoint' | undefined {
  if (file.endsWith('/realm.db-wal') || file.endsWith('/realm.db')) return 'database'
  if (file.endsWith('/anchor')) return 'anchor'
  if (text.includes('"ack ')) return 'answer'
  return text.includes('"pub ') ? 'checkpoint' : undefined
}

/** The root hash of the checkpoint that is written: 32 bytes in base64, its third line. */
const rootIn = (text: string): string => /n([A-Za-z0-9+/]{43}=)\\/.exec(text)?.[1] ?? text

/** Walks the calls and notes every promise that was made while something it rests on was still unsynced. */
function follow(calls: readonly Call[]): Seen {
  const seen: Seen = {
    answers: 0,
    checkpoints: 0,
    databaseSyncs: 0,
    anchorSyncs: 0,
    unsyncedAnswers: [],
    unsyncedCheckpoints: [],
    anchorsAheadOfDatabase: [],
  }
  let isDatabaseSynced = true
  let written = ''
  /** Roots that the anchor holds. The next one may be on its way to the disk while an earlier one is told. */
  const anchored = new Set<string>()
  let commitsSinceAnswer = 0
  for (const call of calls) {
    const isSynced = isSync(call)
    switch (subjectOf(call)) {
      case 'database':
        isDatabaseSynced = isSynced
        if (isSynced) seen.databaseSyncs += 1
        else commitsSinceAnswer += 1
        break
      case 'anchor':
        if (!isSynced && !isDatabaseSynced) seen.anchorsAheadOfDatabase.push(call.text)
        if (isSynced) {
          seen.anchorSyncs += 1
          anchored.add(written)
        } else written = rootIn(call.text)
        break
      case 'answer':
        seen.answers += 1
        if (!isDatabaseSynced || commitsSinceAnswer === 0) seen.unsyncedAnswers.push(call.text)
        commitsSinceAnswer = 0
        break
      case 'checkpoint':
        seen.checkpoints += 1
        if (!anchored.has(rootIn(call.text))) seen.unsyncedCheckpoints.push(call.text)
    }
  }
  return seen
}
