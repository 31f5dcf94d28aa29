// The vault: what is sealed opens, what is erased never does, what is tampered with is found.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { leafHash, verifyInclusion } from '../../kit/merkle.ts'
import { inclusionProof, type ReadTiles, treeRoot } from '../../kit/tile-tree.ts'
import { systemEnv } from '../env.ts'
import { PolityError } from '../errors.ts'
import { entryType, sealEntry } from '../log/entry.ts'
import type { Proposal } from '../log/proposal.ts'
import { view, viewsOf, viewTable } from '../log/view.ts'
import { openViews, type Views } from '../log/views.ts'
import { openWriter, type Writer } from '../log/writer.ts'
import { commitmentOf } from '../schema/privacy.ts'
import { Json, Name, Private } from '../schema/schema.ts'
import { memoryStore } from '../store/memory/memory-store.ts'
import { sqliteStore } from '../store/sqlite/sqlite-store.ts'
import type { Batch, Store } from '../store/store.ts'
import { SHRED_PAYLOADS, VAULT_DEAD } from './shredding.ts'
import { openPayloads, openVault, VAULT_INDEX, VAULT_KEYS, VAULT_PAYLOADS } from './vault.ts'

const Written = entryType('diary.written@1', { page: Name, text: Private(Json) })
const pages = view<{ readonly text: unknown }, typeof Written>('diary.pages', 1, {
  from: [Written],
  keys: ({ data }) => [data.page],
  fold: (_row, { data }) => ({ text: data.text }),
})

const env = systemEnv()
const masterKey = env.random(32)

/** A page of `subject`'s diary, and the payload that goes with it. */
function page(name: string, text: unknown, subject = 'ada'): Proposal & { readonly commitment: string } {
  const sealed = sealEntry(Written({ page: name, text }, { subject }), { source: 'polity://diary' }, env)
  return {
    entries: [sealed.text],
    seals: [{ subject, openings: sealed.openings }],
    commitment: sealed.openings[0]?.commitment ?? '',
  }
}

interface Diary {
  readonly store: Store
  readonly writer: Writer
  readonly views: Views
}

async function diary(store: Store = memoryStore()): Promise<Diary> {
  const writer = await openWriter({
    store,
    views: viewsOf({ pages }),
    vaultKey: masterKey,
    env,
    onCommitted: () => undefined,
  })
  return { store, writer, views: openViews(store, masterKey) }
}

const textOf = async ({ views }: Diary, name: string): Promise<unknown> =>
  (await views.get(pages, name))?.value.text
const tablesOf = async ({ store }: Diary): Promise<number[]> =>
  Promise.all(
    [VAULT_KEYS, VAULT_PAYLOADS, VAULT_INDEX].map(
      async (table) => (await store.scan(table, { limit: 100 })).value.length,
    ),
  )

describe('the vault', () => {
  it('gives private values back through views, and keeps them out of entries and rows', async () => {
    const at = await diary()
    await at.writer.propose(page('monday', { mood: 'grim' }))
    expect(await textOf(at, 'monday')).toEqual({ mood: 'grim' })
    const [entry] = await at.store.entries({ from: 0, to: 1, limit: 1 })
    expect(Buffer.from(entry?.bytes ?? []).toString()).not.toContain('grim')
    for (const table of [viewTable(pages), VAULT_KEYS, VAULT_PAYLOADS, VAULT_INDEX])
      expect(JSON.stringify((await at.store.scan(table, { limit: 10 })).value)).not.toContain('grim')
  })

  it('has one key per subject', async () => {
    const at = await diary()
    await at.writer.propose(page('monday', 1))
    await at.writer.propose(page('tuesday', 2))
    await at.writer.propose(page('wednesday', 3, 'bob'))
    expect(await tablesOf(at)).toEqual([2, 3, 3])
  })

  it('reveals references anywhere in a public form', async () => {
    const at = await diary()
    const { commitment, ...proposal } = page('monday', 'text')
    await at.writer.propose(proposal)
    const form = { list: [{ deep: { $private: commitment } }], plain: 1, gone: { $private: 'f'.repeat(64) } }
    expect(await openVault(at.store, masterKey).reveal(form)).toEqual({
      list: [{ deep: 'text' }],
      plain: 1,
      gone: { $erased: 'f'.repeat(64) },
    })
  })
})

describe('erasing a subject with more payloads than fit into a step', () => {
  const COUNT = SHRED_PAYLOADS * 2 + 7
  /** A store whose commits fail once `left` of them were taken. */
  function mortal(store: Store) {
    const life = { left: Number.POSITIVE_INFINITY }
    const commits: Batch[] = []
    const commit = async (batch: Batch) => {
      if (life.left-- <= 0) throw new PolityError('store.failed', 'killed')
      await store.commit(batch)
      commits.push(batch)
    }
    return { store: { ...store, commit }, life, commits }
  }
  const full = async (store: Store) => {
    const at = await diary(store)
    const texts = Array.from({ length: COUNT }, (_, n) => page(`day-${n}`, n))
    await Promise.all(texts.map((each) => at.writer.propose(each)))
    return { at, payloads: texts.map(({ commitment }) => commitment) }
  }
  const leftIn = async (store: Store, payloads: readonly string[]) =>
    (await store.load(VAULT_PAYLOADS, payloads)).value.size

  it('answers after the first step, and drops all of them in bounded commits', async () => {
    const { store, commits } = mortal(memoryStore())
    const { at, payloads } = await full(store)
    commits.length = 0
    await at.writer.propose({ entries: [], shred: ['ada'] })
    expect(await openPayloads(payloads, store, masterKey)).toEqual(new Map())
    await expect.poll(() => leftIn(store, payloads)).toBe(0)
    await at.writer.close()
    expect(commits.length).toBe(3)
    for (const { drop = [] } of commits) expect(drop.length).toBeLessThanOrEqual(SHRED_PAYLOADS * 2 + 1)
    expect(await tablesOf(at)).toEqual([0, 0, 0])
    expect((await store.scan(VAULT_DEAD, { limit: 1 })).value).toEqual([])
  })

  it.each([1, 2])('is finished by the next hub when this one dies after %i commits', async (left) => {
    const disk = memoryStore()
    const { store, life } = mortal(disk)
    const { at, payloads } = await full(store)
    life.left = left
    await at.writer.propose({ entries: [], shred: ['ada'] })
    await at.writer.close()
    expect(await leftIn(disk, payloads)).toBeGreaterThan(0)
    expect(await openPayloads(payloads, disk, masterKey)).toEqual(new Map())
    const next = await diary(disk)
    await expect.poll(() => leftIn(disk, payloads)).toBe(0)
    await next.writer.close()
    expect(await tablesOf(next)).toEqual([0, 0, 0])
  })

  it('leaves alone what is sealed since under a new key', async () => {
    const disk = memoryStore()
    const { at, payloads } = await full(disk)
    const fresh = Array.from({ length: 20 }, (_, n) => page(`new-${n}`, n))
    await Promise.all([
      at.writer.propose({ entries: [], shred: ['ada'] }),
      ...fresh.map((each) => at.writer.propose(each)),
    ])
    await expect.poll(() => leftIn(disk, payloads)).toBe(0)
    const opened = await openPayloads(
      fresh.map(({ commitment }) => commitment),
      disk,
      masterKey,
    )
    expect(opened.size).toBe(20)
    await at.writer.close()
    expect(await tablesOf(at)).toEqual([1, 20, 20])
  })

  it('goes on when the disk takes nothing for a while', async () => {
    const { store, life } = mortal(memoryStore())
    const { at, payloads } = await full(store)
    life.left = 1
    await at.writer.propose({ entries: [], shred: ['ada'] })
    await expect.poll(() => life.left).toBeLessThan(-1)
    life.left = Number.POSITIVE_INFINITY
    await expect.poll(() => leftIn(store, payloads)).toBe(0)
    await at.writer.close()
  })
})

describe('erasing a subject', () => {
  it('turns values into tombstones, everywhere, and leaves other subjects alone', async () => {
    const at = await diary()
    const monday = page('monday', 'secret')
    await at.writer.propose(monday)
    await at.writer.propose(page('tuesday', 'other', 'bob'))
    await at.writer.propose({ entries: [], shred: ['ada'] })
    expect(await textOf(at, 'monday')).toEqual({ $erased: monday.commitment })
    expect(await textOf(at, 'tuesday')).toBe('other')
    expect(await tablesOf(at)).toEqual([1, 1, 1])
  })

  it('leaves every proof valid', async () => {
    const at = await diary()
    for (const name of ['a', 'b', 'c']) await at.writer.propose(page(name, name))
    const read: ReadTiles = (refs) =>
      Promise.all(refs.map(({ level, index, width }) => at.store.tile(level, index, width)))
    const [root, proof] = [await treeRoot(3, read), await inclusionProof(1, 3, read)]
    await at.writer.propose({ entries: [], shred: ['ada'] })
    const [entry] = await at.store.entries({ from: 1, to: 2, limit: 1 })
    expect(
      verifyInclusion({ index: 1, size: 3, leaf: leafHash(entry?.bytes ?? new Uint8Array()), proof, root }),
    ).toBe(true)
    expect(await treeRoot(3, read)).toEqual(root)
    expect(at.writer.root()).toEqual(root)
  })

  it('finds more payloads than one page of the index holds', async () => {
    const at = await diary()
    const sealed = Array.from({ length: 1500 }, (_, n) => page(`p${n % 10}`, n))
    await Promise.all(sealed.map((each) => at.writer.propose(each)))
    await at.writer.propose({ entries: [], shred: ['ada'] })
    await expect.poll(() => tablesOf(at)).toEqual([0, 0, 0])
  })

  it('does not reach a subject whose name begins alike', async () => {
    const at = await diary()
    await at.writer.propose(page('monday', 1, 'ada'))
    await at.writer.propose(page('tuesday', 2, 'ada lovelace'))
    await at.writer.propose({ entries: [], shred: ['ada'] })
    expect(await textOf(at, 'tuesday')).toBe(2)
  })

  it('of someone unknown, or twice, is no error', async () => {
    const at = await diary()
    await at.writer.propose({ entries: [], shred: ['nobody', 'nobody'] })
    await at.writer.propose({ entries: [], shred: ['nobody'] })
    await at.writer.propose(page('monday', 1, 'nobody'))
    expect(await textOf(at, 'monday')).toBe(1)
  })

  it('and writing anew, in one batch or later, opens the new and never the old', async () => {
    for (const isOneBatch of [true, false]) {
      const at = await diary()
      const [old, dead, fresh] = [page('old', 'old'), page('dead', 'dead'), page('fresh', 'fresh')]
      await at.writer.propose(old)
      const steps: Proposal[] = [dead, { entries: [], shred: ['ada'] }, fresh]
      if (isOneBatch) await Promise.all(steps.map((step) => at.writer.propose(step)))
      else for (const step of steps) await at.writer.propose(step)
      expect(await textOf(at, 'old')).toEqual({ $erased: old.commitment })
      expect(await textOf(at, 'dead')).toEqual({ $erased: dead.commitment })
      expect(await textOf(at, 'fresh')).toBe('fresh')
      // The next erasure takes whatever the first could not find yet.
      await at.writer.propose({ entries: [], shred: ['ada'] })
      expect(await textOf(at, 'fresh')).toEqual({ $erased: fresh.commitment })
      expect(await tablesOf(at)).toEqual([0, 0, 0])
    }
  })

  it('within the proposal that brings a payload erases first and seals then', async () => {
    const at = await diary()
    await at.writer.propose(page('monday', 1))
    await at.writer.propose({ ...page('tuesday', 2), shred: ['ada'] })
    expect(await textOf(at, 'monday')).toHaveProperty('$erased')
    expect(await textOf(at, 'tuesday')).toBe(2)
  })

  it('that is refused erases nothing', async () => {
    const at = await diary()
    await at.writer.propose(page('monday', 1))
    const refused = at.writer.propose({
      entries: [],
      shred: ['ada'],
      expect: [{ table: 'x', key: 'k', version: 1 }],
    })
    await expect(refused).rejects.toMatchObject({ code: 'expectation.failed' })
    expect(await textOf(at, 'monday')).toBe(1)
  })
})

describe('a damaged vault', () => {
  const tampered = async (change: (payloads: Map<string, { subject: string; sealed: string }>) => void) => {
    const at = await diary()
    const proposals = [page('monday', 'one'), page('tuesday', 'two'), page('friday', 'three', 'bob')]
    for (const each of proposals) await at.writer.propose(each)
    const commitments = proposals.map(({ commitment }) => commitment)
    const { value } = await at.store.load(VAULT_PAYLOADS, commitments)
    const payloads = new Map(commitments.map((key) => [key, JSON.parse(value.get(key)?.value ?? '')]))
    change(payloads)
    const rows = [...payloads].map(([key, record]) => ({
      table: VAULT_PAYLOADS,
      key,
      version: 1,
      value: JSON.stringify(record),
    }))
    await at.store.commit({ entries: [], nodes: [], rows })
    return { at, commitments }
  }
  const coded = expect.objectContaining({ code: 'log.corrupt' })

  it('is found when two ciphertexts of one subject have changed places', async () => {
    const { at, commitments } = await tampered((payloads) => {
      const [[a, first], [b, second]] = [...payloads] as [
        [string, { subject: string; sealed: string }],
        [string, { subject: string; sealed: string }],
      ]
      payloads.set(a, second).set(b, first)
    })
    await expect(openPayloads(commitments.slice(0, 1), at.store, masterKey)).rejects.toEqual(coded)
    await expect(at.views.get(pages, 'monday')).rejects.toEqual(coded)
  })

  it.each([
    ['a flipped bit', (sealed: string) => `${sealed[0] === 'A' ? 'B' : 'A'}${sealed.slice(1)}`],
    ['a shortened one', (sealed: string) => sealed.slice(0, -8)],
    ['an empty one', () => ''],
    ['text', () => 'not base64 at all !!'],
  ])('is found with %s for a ciphertext', async (_what, change) => {
    const { at, commitments } = await tampered((payloads) => {
      for (const record of payloads.values()) record.sealed = change(record.sealed)
    })
    for (const commitment of commitments)
      await expect(openPayloads([commitment], at.store, masterKey)).rejects.toEqual(coded)
  })

  it('is found when a payload is given to another subject', async () => {
    const { at, commitments } = await tampered((payloads) => {
      for (const record of payloads.values()) record.subject = record.subject === 'ada' ? 'bob' : 'ada'
    })
    await expect(openPayloads(commitments, at.store, masterKey)).rejects.toEqual(coded)
  })

  it('is found when a payload was sealed that is not what the entry commits to', async () => {
    const at = await diary()
    const { commitment, seals = [], entries } = page('monday', 'true')
    const forged = seals.map(({ subject, openings }) => ({
      subject,
      openings: openings.map((opening) => ({ ...opening, canonical: '"false"' })),
    }))
    await at.writer.propose({ entries, seals: forged })
    await expect(openPayloads([commitment], at.store, masterKey)).rejects.toEqual(coded)
  })

  it('does not open with another master key', async () => {
    const { at, commitments } = await tampered(() => undefined)
    await expect(openPayloads(commitments, at.store, env.random(32))).rejects.toEqual(coded)
    expect((await openPayloads(commitments, at.store, masterKey)).size).toBe(3)
  })
})

describe('a database after an erasure', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'polity-vault-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** Whether any file of the database (itself, its write-ahead log) still holds the bytes. */
  const holds = (bytes: string): boolean =>
    readdirSync(folder).some((name) => readFileSync(join(folder, name)).includes(bytes))

  it('holds neither the key nor the ciphertext in any of its files', async () => {
    const store = sqliteStore(join(folder, 'realm.db'), 'write')
    await store.migrate()
    const at = await diary(store)
    const reader = sqliteStore(join(folder, 'realm.db'), 'read')
    for (let n = 0; n < 20; n++) await at.writer.propose(page(`p${n}`, 'x'.repeat(3000)))
    await at.writer.propose(page('other', 'y', 'bob'))
    const { wrapped } = JSON.parse((await store.load(VAULT_KEYS, ['ada'])).value.get('ada')?.value ?? '') as {
      wrapped: string
    }
    const { value: payloads } = await reader.scan(VAULT_PAYLOADS, { limit: 100 })
    const sealed = payloads.map(({ value }) => JSON.parse(value) as { subject: string; sealed: string })
    const theirs = sealed
      .filter(({ subject }) => subject === 'ada')
      .map((record) => record.sealed.slice(0, 60))
    const others = sealed
      .filter(({ subject }) => subject === 'bob')
      .map((record) => record.sealed.slice(0, 60))
    expect(holds(wrapped)).toBe(true)
    expect(theirs.every(holds)).toBe(true)

    await at.writer.propose({ entries: [], shred: ['ada'] })
    expect(holds(wrapped)).toBe(false)
    expect(theirs.filter(holds)).toEqual([])
    expect(others.every(holds)).toBe(true)
    await reader.close()
    await store.close()
    expect(holds(wrapped)).toBe(false)
  })
})

describe('a commitment', () => {
  it('is SHA-256 over salt and canonical text', () => {
    // 32 zero bytes followed by "a" in quotes, through sha256sum.
    expect(commitmentOf(new Uint8Array(32), '"a"')).toBe(
      '88eddaf7c34e551cb487eadeab12f450093102c8e250cf037a2bfb74ed84a1a8',
    )
    expect(commitmentOf(new Uint8Array(32), '"a"')).not.toBe(commitmentOf(new Uint8Array(32).fill(1), '"a"'))
  })
})
