// The vault held against itself: every payload opens under its subject's key to the value that the log committed to.

import { decodeBase64 } from '../../../kit/base64.ts'
import type { Env } from '../../env.ts'
import { pages } from '../../store/pages.ts'
import type { Row, Store } from '../../store/store.ts'
import { openPayloads, sealPayloads, VAULT_INDEX, VAULT_KEYS, VAULT_PAYLOADS } from '../../vault/vault.ts'
import { asFinding, failed } from './failure.ts'

export interface CheckedVault {
  /** Payloads that opened and fit their commitments. */
  readonly payloads: number
  /** Payloads left of subjects whose key was destroyed. */
  readonly shut: number
  readonly subjects: number
}

/** A payload may have some megabytes, so a page of them has few. */
const PAGE_PAYLOADS = 64

/**
 * Checks keys, payloads and index with AES-256-GCM and the commitments of the log. A flipped byte in
 * any of their rows is found. A payload whose rows are gone as a whole looks like one that was erased.
 *
 * Throws `verify.failed` with reason `vault` and facts table and key.
 */
export async function checkVault(
  store: Store,
  vaultKey: Uint8Array,
  signal?: AbortSignal,
): Promise<CheckedVault> {
  const subjects = await checkKeys(store, vaultKey, signal)
  let payloads = 0
  let shut = 0
  for await (const page of pages(store, VAULT_PAYLOADS, { limit: PAGE_PAYLOADS, signal })) {
    const closed = await checkPayloads(store, vaultKey, page)
    shut += closed
    payloads += page.length - closed
  }
  for await (const page of pages(store, VAULT_INDEX, { signal }))
    for (const { key, value } of page)
      if (value !== '{}') throw failed('vault', 'a row of the vault is damaged', { table: VAULT_INDEX, key })
  return { payloads, shut, subjects }
}

async function checkKeys(store: Store, vaultKey: Uint8Array, signal?: AbortSignal): Promise<number> {
  let subjects = 0
  for await (const page of pages(store, VAULT_KEYS, { signal }))
    for (const { key: subject, version, value } of page) {
      const { wrapped } = readRecord<{ readonly wrapped: string }>(VAULT_KEYS, subject, value, {
        wrapped: 'string',
      })
      checkSpelling(VAULT_KEYS, subject, wrapped)
      try {
        // To seal nothing takes no more than opening the subject's key.
        sealPayloads([{ subject, openings: [] }], () => ({ version, value }), vaultKey, NO_ENV)
      } catch (error) {
        throw asVaultFinding(error, VAULT_KEYS, subject)
      }
      subjects += 1
    }
  return subjects
}

/** The subject has its key, so nothing needs to be made. */
const NO_ENV = {} as Env

/** Answers how many of the page's payloads are shut. */
async function checkPayloads(store: Store, vaultKey: Uint8Array, page: readonly Row[]): Promise<number> {
  const records = page.map(({ key: commitment, value }) => readPayload(commitment, value))
  const { value: index } = await store.load(
    VAULT_INDEX,
    records.map(({ indexKey }) => indexKey),
  )
  const { value: keys } = await store.load(VAULT_KEYS, [...new Set(records.map(({ subject }) => subject))])
  const opened = await openPage(store, vaultKey, records)
  let shut = 0
  for (const record of records) {
    const { commitment, subject, indexKey, keyVersion } = record
    const fault = (what: string) =>
      failed('vault', `a payload of the vault ${what}`, { table: VAULT_PAYLOADS, key: commitment })
    if (index.get(indexKey)?.value !== '{}') throw fault('is not in its index')
    if (opened.has(commitment)) continue
    // Shut is what an older key sealed; a destroyed key leaves its version behind.
    const current = keys.get(subject)
    if (current === undefined || keyVersion > current.version) throw fault('belongs to no known key')
    if (current.value !== null && (await opensUnder(store, vaultKey, record, current.version)))
      throw fault('names a key that did not seal it')
    shut += 1
  }
  return shut
}

interface Payload {
  readonly commitment: string
  readonly subject: string
  readonly keyVersion: number
  readonly sealed: string
  readonly indexKey: string
}

function readPayload(commitment: string, value: string): Payload {
  const record = readRecord<Omit<Payload, 'commitment' | 'indexKey'>>(VAULT_PAYLOADS, commitment, value, {
    subject: 'string',
    keyVersion: 'number',
    sealed: 'string',
  })
  checkSpelling(VAULT_PAYLOADS, commitment, record.sealed)
  return { ...record, commitment, indexKey: `${record.subject}\u0001${commitment}` }
}

async function openPage(
  store: Store,
  vaultKey: Uint8Array,
  records: readonly Payload[],
): Promise<ReadonlyMap<string, unknown>> {
  try {
    return await openPayloads(
      records.map(({ commitment }) => commitment),
      store,
      vaultKey,
    )
  } catch (error) {
    throw asVaultFinding(error, VAULT_PAYLOADS)
  }
}

/** Whether a payload that says it was sealed by an older key opens with the current one after all. */
async function opensUnder(
  store: Store,
  vaultKey: Uint8Array,
  payload: Payload,
  keyVersion: number,
): Promise<boolean> {
  const { commitment, subject, sealed } = payload
  const value = JSON.stringify({ subject, keyVersion, sealed })
  const asked: Pick<Store, 'load'> = {
    load: async (table, names) =>
      table === VAULT_PAYLOADS
        ? { size: 0, value: new Map([[commitment, { version: 1, value }]]) }
        : store.load(table, names),
  }
  try {
    return (await openPayloads([commitment], { ...store, ...asked }, vaultKey)).has(commitment)
  } catch {
    // It does not open: it is as dead as it says.
    return false
  }
}

/** The members of a record, which is written exactly as the vault writes it: these members in this order. */
function readRecord<R extends object>(
  table: string,
  key: string,
  value: string,
  form: { readonly [name in keyof R]: 'string' | 'number' },
): R {
  try {
    const record = JSON.parse(value) as R
    const names = Object.keys(form) as (keyof R)[]
    const isFormed = names.every((name) => typeof record[name] === form[name])
    const expected = Object.fromEntries(names.map((name) => [name, record[name]]))
    if (!isFormed || JSON.stringify(expected) !== value) throw new TypeError('it has another form')
    return record
  } catch (error) {
    throw failed('vault', 'a row of the vault is damaged', { table, key }, error)
  }
}

/** Several spellings decode to the same sealed bytes; only one of them was written. */
function checkSpelling(table: string, key: string, sealed: string): void {
  if (decodeBase64(sealed) === undefined)
    throw failed('vault', 'a row of the vault is damaged', { table, key })
}

const asVaultFinding = (error: unknown, table: string, key?: string) =>
  asFinding(error, 'vault', { table, ...(key === undefined ? {} : { key }) })
