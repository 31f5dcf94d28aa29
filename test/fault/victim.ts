// Starts the realm process of a fault test, listens to what it says, and looks at what it left behind.

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { readAnchor } from '../../src/kernel/log/anchor.ts'
import { parseEntry } from '../../src/kernel/log/entry.ts'
import { viewTable } from '../../src/kernel/log/view.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import type { Store } from '../../src/kernel/store/store.ts'
import { parseCheckpoint } from '../../src/kit/checkpoint.ts'
import { leafHash } from '../../src/kit/merkle.ts'
import { parseNote } from '../../src/kit/signed-note.ts'
import { TreeEdge, treeRoot } from '../../src/kit/tile-tree.ts'
import { tallies } from './tally.ts'

export const CHILD = fileURLToPath(new URL('./realm.child.ts', import.meta.url))

/** What a process said before it ended. */
export interface Words {
  /** seq -> canonical text, as acknowledged. */
  readonly acknowledged: Map<number, string>
  readonly published: string[]
  readonly failures: string[]
}

export interface Victim {
  readonly process: ChildProcess
  readonly words: Words
  /** Resolves once the realm is open; rejects when the process ends before. */
  readonly ready: Promise<void>
  /** Resolves with the signal or the exit code, when every word has been heard. */
  readonly ended: Promise<NodeJS.Signals | number | null>
  ask(
    command:
      | { kind: 'append'; teller: string; count: number; sizeBytes: number }
      | { kind: 'read' | 'close' },
  ): Promise<Answer>
}

export type Answer =
  | { readonly value: unknown; readonly code?: undefined }
  | { readonly code: string; readonly value?: undefined }

/** `command` runs Node with the child and its arguments behind it, so a shell can set limits first. */
export function startVictim(
  command: readonly string[],
  onLine: (line: string, victim: ChildProcess) => void = () => {},
): Victim {
  const [file = '', ...args] = command
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const words: Words = { acknowledged: new Map(), published: [], failures: [] }
  const waiting = new Map<number, (answer: Answer) => void>()
  let nextId = 0
  child.on('message', ({ id, ...answer }: Answer & { id: number }) => {
    waiting.get(id)?.(answer as Answer)
    waiting.delete(id)
  })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const closed = new Promise<void>((resolve) => lines.on('close', resolve))
  const exited = new Promise<NodeJS.Signals | number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => resolve(signal ?? code))
  })
  const ended = Promise.all([exited, closed]).then(([how]) => how)
  const ready = new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      hear(words, line)
      if (line === 'ready') resolve()
      onLine(line, child)
    })
    ended.then((how) => reject(new Error(`the process ended with ${how} before it was ready`)), reject)
  })
  // A victim may be killed before it is ready, and nobody need be waiting for that.
  ready.catch(() => undefined)
  return {
    process: child,
    words,
    ready,
    ended,
    ask: (request) =>
      new Promise((resolve, reject) => {
        const id = nextId++
        waiting.set(id, resolve)
        child.send({ id, ...request }, (error) => error && reject(error))
      }),
  }
}

function hear({ acknowledged, published, failures }: Words, line: string): void {
  const [, seq, text] = /^ack (\d+) (.*)$/.exec(line) ?? []
  if (seq !== undefined && text !== undefined) acknowledged.set(Number(seq), text)
  else if (line.startsWith('pub ')) published.push(JSON.parse(line.slice(4)) as string)
  else if (line.startsWith('failure ')) failures.push(line.slice(8))
}

/**
 * Opens what a dead process left and holds it against its words: every acknowledged entry is there with the
 * same bytes, the tree is that of the bytes, every checkpoint ever published is a prefix of this very log,
 * and the rows are the fold of the entries. Answers the log's size.
 */
export async function expectWhole(folder: string, { acknowledged, published }: Words): Promise<number> {
  const store = sqliteStore(join(folder, 'realm.db'), 'write')
  try {
    await store.migrate()
    const texts = await allTexts(store)
    for (const [seq, text] of acknowledged) expect(texts[seq]).toBe(text)
    const roots = await rootsOf(texts)
    const size = texts.length
    const stored = await treeRoot(size, (refs) =>
      Promise.all(refs.map(({ level, index, width }) => store.tile(level, index, width))),
    )
    expect(hex(stored)).toBe(roots[size])
    const anchored = readAnchor(join(folder, 'anchor'))
    for (const note of anchored === undefined ? published : [...published, anchored]) {
      const checkpoint = parseCheckpoint(parseNote(note).text)
      expect(checkpoint.size).toBeLessThanOrEqual(size)
      expect(hex(checkpoint.root)).toBe(roots[checkpoint.size])
    }
    await expectTallies(store, texts)
    return size
  } finally {
    await store.close()
  }
}

async function allTexts(store: Store): Promise<string[]> {
  const texts: string[] = []
  for (;;) {
    const page = await store.entries({ from: texts.length, to: Number.MAX_SAFE_INTEGER, limit: 1000 })
    for (const { seq, bytes } of page) {
      expect(seq).toBe(texts.length)
      texts.push(Buffer.from(bytes).toString())
    }
    if (page.length < 1000) return texts
  }
}

/** The root of every prefix, in hex, derived from bytes alone. */
async function rootsOf(texts: readonly string[]): Promise<string[]> {
  const edge = await TreeEdge.open(0, async () => [])
  const roots = [hex(edge.root())]
  for (const text of texts) {
    edge.append(leafHash(Buffer.from(text)))
    roots.push(hex(edge.root()))
  }
  return roots
}

async function expectTallies(store: Store, texts: readonly string[]): Promise<void> {
  const counts: Record<string, number> = {}
  for (const text of texts) {
    const { teller } = parseEntry(0, text).data as { teller: string }
    counts[teller] = (counts[teller] ?? 0) + 1
  }
  const { value: rows } = await store.scan(viewTable(tallies), { limit: 1000 })
  expect(
    Object.fromEntries(rows.map(({ key, value }) => [key, (JSON.parse(value) as { count: number }).count])),
  ).toEqual(counts)
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
