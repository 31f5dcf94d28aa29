// A writer that is paused past its lease: another takes over, and the first can neither write nor publish ever again.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, it, vi } from 'vitest'
import { openPostgres } from '../../src/kernel/store/postgres/postgres.ts'
import type { Store } from '../../src/kernel/store/store.ts'
import { parseCheckpoint } from '../../src/kit/checkpoint.ts'
import { leafHash } from '../../src/kit/merkle.ts'
import { parseNote } from '../../src/kit/signed-note.ts'
import { TreeEdge } from '../../src/kit/tile-tree.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'

const CHILD = fileURLToPath(new URL('./postgres-writer.child.ts', import.meta.url))
const TTL_MS = 900
const WAIT = { timeout: 30_000, interval: 20 }

const name = randomRealm()
const children: ChildProcess[] = []
afterEach(async () => {
  // One that is paused ends by nothing less.
  for (const each of children.splice(0)) each.kill('SIGKILL')
  await dropRealm(name)
})

interface Writer {
  readonly process: ChildProcess
  readonly lines: string[]
  said(what: string): string[]
}

function startWriter(realm: string, keyPath: string, holder: string): Writer {
  const args = [CHILD, POSTGRES_URL, realm, keyPath, holder, `${TTL_MS}`, '4']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  return {
    process: child,
    lines,
    said: (what) =>
      lines.flatMap((line) => (line.startsWith(`${what} `) ? [line.slice(what.length + 1)] : [])),
  }
}

await describeOnPostgres('a writer on PostgreSQL', () => {
  it('that sleeps past its lease can never write or publish again', { timeout: 120_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'polity-fencing-'))
    const keyPath = join(folder, 'log.key')
    const first = startWriter(name, keyPath, 'first')
    await vi.waitFor(() => expect(first.said('pub').length).toBeGreaterThan(3), WAIT)
    const second = startWriter(name, keyPath, 'second')
    first.process.kill('SIGSTOP')
    await vi.waitFor(() => expect(second.said('pub').length).toBeGreaterThan(3), WAIT)
    second.process.kill('SIGSTOP')
    // Nobody writes while both sleep: what the first says from here on, it says after it lost.
    const realm = await openPostgres(POSTGRES_URL, name)
    const store = realm.store('read')
    const sizeBefore = await store.size()
    first.process.kill('SIGCONT')
    await vi.waitFor(() => expect(first.lines).toContain('ended'), WAIT)
    expect(await store.size()).toBe(sizeBefore)
    // Whether its commit or its anchor hears of it first, nothing of it is taken.
    expect(first.said('refused').length).toBeGreaterThan(0)
    expect(['store.fenced', 'log.closed']).toEqual(expect.arrayContaining(first.said('refused')))
    expect(first.said('forged')).toEqual(['anchor.conflict'])
    // What the second found in the anchor is the last that the first ever published, whenever it says so.
    expect(sizeOf(first.said('pub').at(-1))).toBeLessThanOrEqual(sizeOf(second.said('pub')[0]))
    expect(Number(second.said('writing')[0])).toBeGreaterThan(Number(first.said('writing')[0]))

    second.process.kill('SIGCONT')
    second.process.kill('SIGTERM')
    await vi.waitFor(() => expect(second.lines).toContain('ended'), WAIT)
    await expectOneHistory(store, [first, second], await realm.published())
    await realm.close()
    rmSync(folder, { recursive: true })
  })
})

const sizeOf = (note: string | undefined): number =>
  parseCheckpoint(parseNote(JSON.parse(note ?? '""') as string).text).size

/** Whatever was acknowledged is there; whatever was published, by whom ever, is a prefix of it. */
async function expectOneHistory(
  store: Store,
  writers: readonly Writer[],
  anchored: string | undefined,
): Promise<void> {
  const texts: string[] = []
  for (let size = -1; size !== texts.length; ) {
    size = texts.length
    for (const { seq, bytes } of await store.entries({ from: size, to: size + 1000, limit: 1000 })) {
      expect(seq).toBe(texts.length)
      texts.push(Buffer.from(bytes).toString())
    }
  }
  const edge = await TreeEdge.open(0, async () => [])
  const roots = [hex(edge.root())]
  for (const text of texts) {
    edge.append(leafHash(Buffer.from(text)))
    roots.push(hex(edge.root()))
  }
  const given = new Set<number>()
  for (const { said } of writers)
    for (const line of said('ack')) {
      const [seq = '', ...words] = line.split(' ')
      expect(given).not.toContain(Number(seq))
      given.add(Number(seq))
      expect(texts[Number(seq)]).toBe(words.join(' '))
    }
  const notes = writers.flatMap(({ said }) => said('pub').map((note) => JSON.parse(note) as string))
  for (const note of [...notes, anchored ?? '']) {
    const { size, root } = parseCheckpoint(parseNote(note).text)
    expect(hex(root)).toBe(roots[size])
  }
  expect(given.size).toBeGreaterThan(10)
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
