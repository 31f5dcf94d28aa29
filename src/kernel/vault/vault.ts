// The vault: private payloads under one key per subject; destroying the key erases them and leaves every proof valid.

import { Buffer } from 'node:buffer'
import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import { commitmentOf, commitmentsIn, type Opening, reveal, SALT_SIZE_BYTES } from '../schema/privacy.ts'
import { pages } from '../store/pages.ts'
import type { RowVersion, RowWrite, Store } from '../store/store.ts'

/** Subject -> its key, wrapped by the hub's master key. */
export const VAULT_KEYS = 'vault.keys'
/** Commitment -> subject, version of the subject's key, and sealed payload. */
export const VAULT_PAYLOADS = 'vault.payloads'
/** `subject U+0001 commitment` -> nothing: finds a subject's payloads when they are shredded. */
export const VAULT_INDEX = 'vault.index'

export const MASTER_KEY_SIZE_BYTES = 32

/** Private payloads that one proposal brings along. */
export interface Seal {
  readonly subject: string
  readonly openings: readonly Opening[]
}

/** Rows of one table as the writer sees them inside a proposal. */
export type RowReader = (table: string, key: string) => RowVersion | undefined

/** The Vault room as handlers and doors use it. */
export interface Vault {
  /** Opens every private reference in a public form; erased ones become tombstones. */
  reveal(publicForm: unknown): Promise<unknown>
  /** How many payloads are stored for a subject: what erasing it would destroy. */
  count(subject: string): Promise<number>
}

export const openVault = (store: Store, masterKey: Uint8Array): Vault => ({
  reveal: async (publicForm) =>
    reveal(publicForm, await openPayloads(commitmentsIn(publicForm), store, masterKey)),
  async count(subject) {
    let payloads = 0
    for await (const page of pages(store, VAULT_INDEX, { prefix: indexPrefix(subject) }))
      payloads += page.length
    return payloads
  },
})

/** Seals payloads into rows. Runs in the writer, which alone may create a subject's key. */
export function sealPayloads(
  seals: readonly Seal[],
  read: RowReader,
  masterKey: Uint8Array,
  env: Env,
): RowWrite[] {
  const rows: RowWrite[] = []
  const keys = new Map<string, SubjectKey>()
  for (const { subject, openings } of seals) {
    const key =
      keys.get(subject) ??
      existingKey(subject, read, masterKey) ??
      createKey(subject, read, masterKey, env, rows)
    keys.set(subject, key)
    for (const { commitment, salt, canonical } of openings) {
      const sealed = encrypt(key.bytes, Buffer.concat([salt, Buffer.from(canonical)]), commitment, env)
      const record: PayloadRecord = { subject, keyVersion: key.version, sealed }
      rows.push({ table: VAULT_PAYLOADS, key: commitment, version: 1, value: JSON.stringify(record) })
      rows.push({ table: VAULT_INDEX, key: indexPrefix(subject) + commitment, version: 1, value: '{}' })
    }
  }
  return rows
}

/** A subject's key; a new one after an erasure has another version, so old payloads are known to be dead. */
interface SubjectKey {
  readonly bytes: Uint8Array
  readonly version: number
}

interface PayloadRecord {
  readonly subject: string
  readonly keyVersion: number
  /** Base64 of IV, ciphertext and tag. */
  readonly sealed: string
}

/** The keys whose rows `sealPayloads` reads. */
export const keysToSeal = (seals: readonly Seal[]): string[] => seals.map(({ subject }) => subject)

function existingKey(subject: string, read: RowReader, masterKey: Uint8Array): SubjectKey | undefined {
  const row = read(VAULT_KEYS, subject)
  return row?.value == null
    ? undefined
    : { bytes: unwrap(row.value, subject, masterKey), version: row.version }
}

function createKey(
  subject: string,
  read: RowReader,
  masterKey: Uint8Array,
  env: Env,
  rows: RowWrite[],
): SubjectKey {
  const bytes = env.random(32)
  const version = (read(VAULT_KEYS, subject)?.version ?? 0) + 1
  rows.push({
    table: VAULT_KEYS,
    key: subject,
    version,
    value: JSON.stringify({ wrapped: encrypt(masterKey, bytes, subject, env) }),
  })
  return { bytes, version }
}

const unwrap = (value: string, subject: string, masterKey: Uint8Array): Uint8Array =>
  decrypt(masterKey, (JSON.parse(value) as { wrapped: string }).wrapped, subject)

/** Under which of its subject's keys a payload was sealed. */
export const keyVersionOf = (payload: RowVersion | undefined): number | undefined =>
  payload?.value == null ? undefined : (JSON.parse(payload.value) as PayloadRecord).keyVersion

/** The rows of VAULT_INDEX that lead to a subject's payloads start with it, and a commitment follows. */
export const indexPrefix = (subject: string): string => `${subject}\u0001`

/**
 * Opens commitments: a map of commitment -> value. One that is missing from the map was erased.
 * Throws `log.corrupt` when a payload does not match its commitment.
 */
export async function openPayloads(
  commitments: readonly string[],
  store: Store,
  masterKey: Uint8Array,
): Promise<ReadonlyMap<string, unknown>> {
  const opened = new Map<string, unknown>()
  if (commitments.length === 0) return opened
  const payloads = (await store.load(VAULT_PAYLOADS, commitments)).value
  const records = [...payloads].flatMap(([commitment, { value }]) =>
    value === null ? [] : [{ commitment, ...(JSON.parse(value) as PayloadRecord) }],
  )
  const keys = (await store.load(VAULT_KEYS, [...new Set(records.map(({ subject }) => subject))])).value
  for (const { commitment, subject, keyVersion, sealed } of records) {
    const key = keys.get(subject)
    // Sealed under a key that an erasure has destroyed, even if the subject has a new one since.
    if (key?.value == null || key.version !== keyVersion) continue
    const plain = decrypt(unwrap(key.value, subject, masterKey), sealed, commitment)
    const salt = plain.subarray(0, SALT_SIZE_BYTES)
    const canonical = Buffer.from(plain.subarray(SALT_SIZE_BYTES)).toString()
    if (commitmentOf(salt, canonical) !== commitment) throw damaged(commitment)
    opened.set(commitment, JSON.parse(canonical))
  }
  return opened
}

const IV_SIZE_BYTES = 12
const TAG_SIZE_BYTES = 16

/** AES-256-GCM (NIST SP 800-38D); the row's own key is authenticated, so sealed values cannot change places. */
function encrypt(key: Uint8Array, plain: Uint8Array, bound: string, env: Env): string {
  const iv = env.random(IV_SIZE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(bound))
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64')
}

function decrypt(key: Uint8Array, sealed: string, bound: string): Uint8Array {
  const bytes = Buffer.from(sealed, 'base64')
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_SIZE_BYTES), {
      authTagLength: TAG_SIZE_BYTES,
    })
      .setAAD(Buffer.from(bound))
      .setAuthTag(bytes.subarray(-TAG_SIZE_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(IV_SIZE_BYTES, -TAG_SIZE_BYTES)), decipher.final()])
  } catch (error) {
    throw damaged(bound, error)
  }
}

const damaged = (bound: string, cause?: unknown): PolityError =>
  new PolityError(
    'log.corrupt',
    `the vault's payload ${bound} does not open with its key`,
    { payload: bound },
    cause,
  )
