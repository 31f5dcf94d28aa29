// Turns drafts into one proposal: entries sealed, private payloads with them, all caused by one invocation.

import type { Env } from '../env.ts'
import type { Chain } from '../gate/types.ts'
import { type Draft, sealEntry } from '../log/entry.ts'
import type { KnownOpenings } from '../schema/privacy.ts'
import type { Seal } from '../vault/vault.ts'

/** What the entries of one invocation share. */
export interface Origin {
  readonly source: string
  readonly actor: string
  readonly correlationid: string
  readonly causationid?: string
  readonly traceparent?: string
}

export const actorOf = (chain: Chain): string => chain.map(({ kind, id }) => `${kind}:${id}`).join(' > ')

export interface Recorded {
  readonly entries: readonly string[]
  readonly seals: readonly Seal[]
}

/** Seals the drafts in order. `source` is `polity://realm/area`, the area being that of the entry type. */
export function seal(drafts: readonly Draft[], origin: Origin, env: Env, known: KnownOpenings): Recorded {
  const { source, ...shared } = origin
  const sealed = drafts.map((draft) =>
    sealEntry(
      { ...shared, ...draft },
      { source: `${source}/${draft.type.name.slice(0, draft.type.name.indexOf('.'))}` },
      env,
      known,
    ),
  )
  return {
    entries: sealed.map(({ text }) => text),
    seals: sealed.flatMap(({ openings, vaultSubject }) =>
      openings.length > 0 ? [{ subject: vaultSubject, openings }] : [],
    ),
  }
}
