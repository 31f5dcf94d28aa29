// Erasure in bounded steps: the key goes in one commit with the first dead payloads; the others follow, if need be under the next hub.

import { pages } from '../store/pages.ts'
import type { Batch, RowWrite, Store } from '../store/store.ts'
import { indexPrefix, keyVersionOf, VAULT_INDEX, VAULT_KEYS, VAULT_PAYLOADS } from './vault.ts'

/** Subjects of whose dead payloads some are left. */
export const VAULT_DEAD = 'vault.dead'
/** Payloads that one commit drops per subject. */
export const SHRED_PAYLOADS = 1000

type Drop = Required<Batch>['drop'][number]

export interface Shredded {
  readonly drop: readonly Drop[]
  readonly rows: readonly RowWrite[]
  /** Whether `deadRows` has something left to do. */
  readonly isRest: boolean
}

/** What the commit that destroys a subject's key does besides. None of the stored payloads can be opened after it. */
export async function shredRows(subject: string, store: Store): Promise<Shredded> {
  const prefix = indexPrefix(subject)
  const { value: index } = await store.scan(VAULT_INDEX, { prefix, limit: SHRED_PAYLOADS })
  const isRest = index.length === SHRED_PAYLOADS
  const marker = { table: VAULT_DEAD, key: subject }
  return {
    drop: [
      { table: VAULT_KEYS, key: subject },
      ...index.flatMap(({ key }) => payloadRows(key, prefix)),
      ...(isRest ? [] : [marker]),
    ],
    rows: isRest ? [{ ...marker, version: 1, value: '{}' }] : [],
    isRest,
  }
}

/** The subjects whose erasure an earlier hub did not finish. */
export async function unfinishedShredding(store: Store): Promise<string[]> {
  const subjects: string[] = []
  for await (const page of pages(store, VAULT_DEAD)) subjects.push(...page.map(({ key }) => key))
  return subjects
}

/**
 * The next dead payloads behind `after`; `next` is absent with the last ones. What was sealed since, under a key
 * of its own, stays.
 */
export async function deadRows(
  subject: string,
  after: string | undefined,
  store: Store,
): Promise<{ readonly drop: readonly Drop[]; readonly next?: string }> {
  const prefix = indexPrefix(subject)
  const range = { prefix, limit: SHRED_PAYLOADS, ...(after === undefined ? {} : { after }) }
  const { value: index } = await store.scan(VAULT_INDEX, range)
  const commitments = index.map(({ key }) => key.slice(prefix.length))
  const { value: payloads } = await store.load(VAULT_PAYLOADS, commitments)
  const { value: keys } = await store.load(VAULT_KEYS, [subject])
  const key = keys.get(subject)
  const living = key?.value == null ? undefined : key.version
  const drop = index.flatMap(({ key: row }) => {
    const payload = payloads.get(row.slice(prefix.length))
    const isLiving = living !== undefined && keyVersionOf(payload) === living
    return isLiving ? [] : payloadRows(row, prefix)
  })
  const next = index.length === SHRED_PAYLOADS ? index.at(-1)?.key : undefined
  return next === undefined ? { drop: [...drop, { table: VAULT_DEAD, key: subject }] } : { drop, next }
}

const payloadRows = (indexKey: string, prefix: string): Drop[] => [
  { table: VAULT_INDEX, key: indexKey },
  { table: VAULT_PAYLOADS, key: indexKey.slice(prefix.length) },
]
