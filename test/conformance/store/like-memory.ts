// Property: whatever is asked of it, a Store answers as the memory Store does.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PolityError } from '../../../src/kernel/errors.ts'
import { memoryStore } from '../../../src/kernel/store/memory/memory-store.ts'
import type { Batch, Store } from '../../../src/kernel/store/store.ts'
import { entryAt } from './suite.ts'

const key = fc.oneof(
  fc.constantFrom(
    '',
    'a',
    'ab',
    'b',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '\u{10ffff}',
    'a\u{10ffff}',
    'a\0',
    '\ud800',
    '\u{1f600}',
  ),
  fc.string({ unit: 'binary', maxLength: 4 }),
)
const table = fc.constantFrom('t', 'u')
const value = fc.option(fc.constantFrom('1', '"x"', '{}'), { nil: null })

const batch = fc.record({
  /** Offsets from the next seq: mostly dense, sometimes not. */
  entries: fc.array(
    fc.record({
      skew: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, -1),
      id: fc.nat(30),
      source: fc.constantFrom('s', 's 1', 't'),
    }),
    {
      maxLength: 3,
    },
  ),
  rows: fc.array(
    fc.record({
      table,
      key,
      version: fc.nat(9),
      value,
      expiresAtMs: fc.option(fc.nat(50), { nil: undefined }),
    }),
    { maxLength: 4 },
  ),
  drop: fc.array(fc.record({ table, key }), { maxLength: 2 }),
  replace: fc.option(fc.record({ from: table, to: table }), { nil: undefined }),
  pruneBelow: fc.constantFrom(undefined, undefined, undefined, 0, 256, 1),
})

const limit = fc.nat(6)
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('commit' as const), batch }) },
  fc.record({ kind: fc.constant('load' as const), table, keys: fc.array(key, { maxLength: 4 }) }),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('scan' as const),
      table,
      range: fc.record(
        { prefix: key, after: key, limit, reverse: fc.boolean() },
        { requiredKeys: ['limit'] },
      ),
    }),
  },
  fc.record({
    kind: fc.constant('entries' as const),
    range: fc.record(
      {
        from: fc.nat(20),
        to: fc.nat(20),
        limit,
        reverse: fc.boolean(),
        type: fc.constantFrom('even@1', 'odd@1'),
      },
      {
        requiredKeys: ['from', 'to', 'limit'],
      },
    ),
  }),
  fc.record({ kind: fc.constant('known' as const), ids: fc.array(fc.nat(30), { maxLength: 5 }) }),
  fc.record({ kind: fc.constant('tile' as const), level: fc.nat(1), width: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constant('sweep' as const), table, nowMs: fc.nat(60) }),
  fc.record({ kind: fc.constant('minimumIndex' as const) }),
  fc.record({
    kind: fc.constant('rows' as const),
    range: fc.record({ after: fc.record({ table, key }), limit }, { requiredKeys: ['limit'] }),
  }),
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

/** `open` gives an empty, migrated store and what becomes of it afterwards. */
export function likeMemory(
  open: () => Promise<{ readonly store: Store; close(): Promise<void> }>,
  numRuns: number,
): void {
  it('answers as memory does, to any sequence of operations', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 30 }), async (operations) => {
        const memory = memoryStore()
        const { store, close } = await open()
        try {
          for (const each of operations) expect(await answer(store, each)).toEqual(await answer(memory, each))
        } finally {
          await close()
        }
      }),
      { numRuns },
    )
  })
}

/** What a caller can tell: the value in plain form, or the code of the refusal. */
async function answer(store: Store, operation: Operation): Promise<unknown> {
  try {
    return await ask(store, operation)
  } catch (error) {
    if (error instanceof PolityError) return error.code
    throw error
  }
}

async function ask(store: Store, operation: Operation): Promise<unknown> {
  switch (operation.kind) {
    case 'commit':
      await store.commit(await batchOf(store, operation.batch))
      return store.size()
    case 'load': {
      const { size, value: rows } = await store.load(operation.table, operation.keys)
      const plain = [...rows].map(([name, { version, value: text }]) => ({ name, version, text }))
      return { size, rows: plain.sort((a, b) => (a.name < b.name ? -1 : 1)) }
    }
    case 'scan': {
      const { size, value: rows } = await store.scan(
        operation.table,
        operation.range as Parameters<Store['scan']>[1],
      )
      return { size, rows: rows.map(({ key: name, version, value: text }) => ({ name, version, text })) }
    }
    case 'entries': {
      const found = await store.entries(operation.range as Parameters<Store['entries']>[0])
      return found.map(({ seq, id, source, bytes, leaf }) => [
        seq,
        id,
        source,
        Buffer.from(bytes).toString('hex'),
        Buffer.from(leaf).toString('hex'),
      ])
    }
    case 'known':
      return store.known(operation.ids.map((id) => ({ source: 's', id: `${id}` })))
    case 'tile':
      return Buffer.from(await store.tile(operation.level, 0, operation.width)).toString('hex')
    case 'minimumIndex':
      return store.minimumIndex()
    case 'rows':
      return store.rows(operation.range as Parameters<Store['rows']>[0])
    case 'sweep':
      return store.sweep(operation.table, operation.nowMs, 1000)
  }
}

async function batchOf(
  store: Store,
  { entries, rows, drop, replace, pruneBelow }: Extract<Operation, { kind: 'commit' }>['batch'],
): Promise<Batch> {
  const size = await store.size()
  return {
    entries: entries.map(({ skew, id, source }, offset) =>
      entryAt(size + offset + skew, {
        id: `${id}`,
        source,
        type: (size + offset) % 2 === 0 ? 'even@1' : 'odd@1',
      }),
    ),
    nodes: [],
    rows: rows.map(({ expiresAtMs, ...rest }) =>
      expiresAtMs === undefined ? rest : { ...rest, expiresAtMs },
    ),
    drop,
    // A table that replaces itself is nobody's wish.
    ...(replace === undefined || replace.from === replace.to ? {} : { replace }),
    ...(pruneBelow === undefined ? {} : { pruneBelow }),
  }
}
