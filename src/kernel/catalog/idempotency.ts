// Idempotency keys: (principal, action, key) -> input digest and answer, for a day.

import { createHmac } from 'node:crypto'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import type { Expectation } from '../log/view.ts'
import { canonicalText } from '../schema/canonical.ts'
import type { Store } from '../store/store.ts'
import type { Caller } from './caller.ts'

/** Working state. */
export const IDEMPOTENCY = 'idempotency'
const KEPT_MS = 24 * 3600_000
/** What people agreed to for a run that waits: a hub that was off meanwhile, or a run that is parked, finds it all the same. */
const AWAITED_KEPT_MS = 90 * 24 * 3600_000
const KEY_MAX_CHARS = 256

/** Output in public form: private fields stay references, so erasing reaches them here too. */
export type KeptAnswer =
  | { readonly status: 'done'; readonly decision: string; readonly output: unknown }
  | { readonly status: 'running'; readonly decision: string; readonly run: string }
  | {
      readonly status: 'suspended'
      readonly decision: string
      readonly sentence: string
      readonly obligations: readonly string[]
      readonly approval: string
    }

export interface KeyRow {
  readonly key: string
  readonly digest: string
  /** Version of the row that `find` last saw: 0, or that of an expired one that may be written over. */
  version: number
}

export interface Idempotency {
  /** Throws `input.invalid` for a key out of bounds, and what `canonicalText` throws for an input that has no digest. */
  row(caller: Caller, action: string, key: string, input: unknown): KeyRow
  /** Throws `idempotency.conflict` when the key was used with another input. */
  find(row: KeyRow): Promise<KeptAnswer | undefined>
  /** Expectation that nobody has used the key since. */
  absent(row: KeyRow): Expectation
  /** The key under which a run asks for another action: the same asking, after a crash, is the same invocation. */
  subKey(runId: string, action: string, input: unknown): string
  /** `isAwaited`: whoever waits for the answer may be long in coming for it. */
  write(row: KeyRow, answer: KeptAnswer, isAwaited?: boolean): WorkingWrite
}

/** `secret` keeps whoever reads the rows from searching the digests for keys and inputs, which may be private. */
export function openIdempotency(reader: Store, env: Env, secret: Uint8Array): Idempotency {
  const digestOf = (text: string) => createHmac('sha256', secret).update(text).digest('hex')
  return {
    row(caller, action, key, input) {
      if (key.length === 0 || key.length > KEY_MAX_CHARS)
        throw new PolityError('input.invalid', `an idempotency key has 1 to ${KEY_MAX_CHARS} characters`)
      // Roles and scopes belong to the owner of a key: who may do less must not get an answer that was given to more.
      const asker = canonicalText({ chain: caller.chain, scopes: caller.scopes ?? null })
      const owner = digestOf(`key\n${asker}\n${action}\n${key}`)
      return { key: owner, digest: digestOf(`input\n${canonicalText(input)}`), version: 0 }
    },
    async find(row) {
      const kept = (await reader.load(IDEMPOTENCY, [row.key])).value.get(row.key)
      row.version = kept?.version ?? 0
      if (kept?.value == null) return undefined
      const { digest, expiresAtMs, answer } = JSON.parse(kept.value) as {
        digest: string
        expiresAtMs: number
        answer: KeptAnswer
      }
      if (expiresAtMs <= env.now()) return undefined
      if (digest !== row.digest)
        throw new PolityError(
          'idempotency.conflict',
          'this idempotency key was used with another input: use a new key',
        )
      return answer
    },
    subKey: (runId, action, input) =>
      `${runId}.${digestOf(`sub\n${runId}\n${action}\n${canonicalText(input)}`).slice(0, 32)}`,
    absent: (row) => ({ table: IDEMPOTENCY, key: row.key, version: row.version }),
    write(row, answer, isAwaited = false) {
      const expiresAtMs = env.now() + (isAwaited ? AWAITED_KEPT_MS : KEPT_MS)
      return {
        table: IDEMPOTENCY,
        key: row.key,
        value: JSON.stringify({ digest: row.digest, expiresAtMs, answer }),
        expiresAtMs,
      }
    },
  }
}
