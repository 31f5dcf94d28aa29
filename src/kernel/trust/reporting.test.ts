// Reports under whatever one peer says: bounded in all families together, once in a window, and never about oneself.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OUTCOME } from '../../kit/reputation.ts'
import type { Chain } from '../gate/types.ts'
import type { Draft } from '../log/entry.ts'
import type { View, ViewName } from '../log/view.ts'
import { ANY_FAMILY } from './evidence.ts'
import { foundIn, readKnown } from './reading.ts'
import { type Claim, report } from './reporting.ts'
import { reports, reputations } from './views.ts'

const START_MS = Date.parse('2026-01-01T00:00:00Z')
const HOUR_MS = 3600_000
const SUBJECT = 'component:shop'

/** The views of trust over what is recorded, folded as the writer folds them. */
function ledger() {
  const rows = new Map<string, { readonly version: number; readonly value: unknown }>()
  const place = ({ name }: ViewName, key: string) => `${name}\n${key}`
  const fold = (each: View, { type, data }: Draft, time: string) => {
    const entry = { id: 'i', source: 's', seq: 1, type: type.name, time, data }
    for (const key of each.keys(entry)) {
      const before = rows.get(place(each, key))
      const value = each.fold(before, entry, key)
      rows.set(place(each, key), { version: (before?.version ?? 0) + 1, value })
    }
  }
  const views = [reports, reputations] as readonly View[]
  return {
    record(now: string, drafts: readonly Draft[]) {
      for (const draft of drafts) for (const each of views) fold(each, draft, draft.time ?? now)
    },
    async get<V>(view: ViewName<V>, key: string) {
      const row = rows.get(place(view, key))
      return row && { key, version: row.version, value: row.value as V }
    },
    async list<V>(view: ViewName<V>, { prefix = '' }: { readonly prefix?: string }) {
      return [...rows].flatMap(([at, { version, value }]) => {
        const key = at.slice(view.name.length + 1)
        return at.startsWith(`${view.name}\n`) && key.startsWith(prefix)
          ? [{ key, version, value: value as V }]
          : []
      })
    },
  }
}

const OWNER: Chain = [{ kind: 'user', id: 'owner', roles: [] }]

async function say(book: ReturnType<typeof ledger>, chain: Chain, atMs: number, claim: Partial<Claim> = {}) {
  const now = new Date(atMs).toISOString()
  const recorded: Draft[] = []
  const ctx = { chain, now, get: book.get, record: (...drafts: readonly Draft[]) => recorded.push(...drafts) }
  const whole: Claim = {
    ...{ principal: SUBJECT, family: 'state', verdict: 'negative', kind: 'alert', strength: 5 },
    ...claim,
  }
  const answer = await report({ ...ctx, record: (...drafts) => void ctx.record(...drafts) }, whole, book)
  book.record(now, recorded)
  return { answer, recorded }
}

const totalOf = async (book: ReturnType<typeof ledger>, atMs: number) => {
  const { own } = foundIn(await readKnown(book, SUBJECT), ANY_FAMILY, atMs)
  return (own.positive + own.negative) / OUTCOME
}

const claims = fc.array(
  fc.record({
    gapHours: fc.integer({ min: 0, max: 60 }),
    family: fc.constantFrom('state', 'mesh', 'lab', 'attest', 'runs', '*'),
    kind: fc.constantFrom<Claim['kind']>('peer', 'verification', 'alert'),
    verdict: fc.constantFrom<Claim['verdict']>('positive', 'negative'),
    strength: fc.integer({ min: 1, max: 5 }),
  }),
  { maxLength: 60 },
)

describe('all that one reporter says about one principal', () => {
  it('counts no more than ten outcomes at any time, in all families together', async () => {
    await fc.assert(
      fc.asyncProperty(claims, async (said) => {
        const book = ledger()
        let atMs = START_MS
        const lastMs = new Map<string, number>()
        for (const { gapHours, ...claim } of said) {
          atMs += gapHours * HOUR_MS
          const { answer } = await say(book, OWNER, atMs, claim)
          // Rounding: a millionth for each row that fades.
          expect(await totalOf(book, atMs)).toBeLessThanOrEqual(10 + 1e-4)
          if (!answer.isCounted) continue
          expect(answer.counted).toBeLessThanOrEqual(claim.strength)
          const since = atMs - (lastMs.get(claim.family) ?? Number.NEGATIVE_INFINITY)
          expect(since).toBeGreaterThanOrEqual(24 * HOUR_MS)
          lastMs.set(claim.family, atMs)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('counts again once it has faded, and says so until then', async () => {
    const book = ledger()
    const families = ['state', 'mesh', 'lab', 'attest', 'runs']
    const counted: number[] = []
    for (const family of families) counted.push((await say(book, OWNER, START_MS, { family })).answer.counted)
    expect(counted.reduce((sum, each) => sum + each, 0)).toBeCloseTo(10, 1)
    const { answer, recorded } = await say(book, OWNER, START_MS, { family: '*' })
    expect([answer.isCounted, recorded]).toEqual([false, []])
    expect(answer.sentence).toContain('no more before that has faded')
    const late = await say(book, OWNER, START_MS + 30 * 24 * HOUR_MS, { family: '*' })
    expect(late.answer.isCounted).toBe(true)
  })

  it('has room of its own for each reporter and each principal', async () => {
    const book = ledger()
    for (const family of ['state', 'mesh', 'lab', 'attest', 'runs'])
      await say(book, OWNER, START_MS, { family })
    const other: Chain = [{ kind: 'user', id: 'other', roles: [] }]
    expect((await say(book, other, START_MS, { family: '*' })).answer.isCounted).toBe(true)
    const elsewhere = { principal: 'component:till' }
    expect((await say(book, OWNER, START_MS, elsewhere)).answer.isCounted).toBe(true)
  })

  it('about himself, or behind somebody he sent, is nothing', async () => {
    const shop = { kind: 'component', id: 'shop', roles: [] } as const
    // Somebody whose word counts, so that nothing but the chain can be the reason.
    const puppet = { kind: 'user', id: 'puppet', roles: [] } as const
    for (const chain of [[shop], [shop, puppet], [...OWNER, shop]] as const)
      expect((await say(ledger(), chain, START_MS)).recorded).toEqual([])
  })
})
