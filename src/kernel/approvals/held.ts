// What it takes to carry a request out later: who asked, with what, and how; its private part sealed until it is closed.

import { Buffer } from 'node:buffer'
import { type Caller, callerOf } from '../catalog/caller.ts'
import type { CommittedInput } from '../catalog/decide.ts'
import type { InvokeOptions } from '../catalog/invocation.ts'
import type { Proposal } from '../log/proposal.ts'
import { canonicalText } from '../schema/canonical.ts'
import { commitmentOf, KnownOpenings, type Opening, reveal, SALT_SIZE_BYTES } from '../schema/privacy.ts'
import type { StoreReader } from '../store/store.ts'
import type { Seal, Vault } from '../vault/vault.ts'
import { sharesOf, type WaitingShare } from './waiting-shares.ts'

/** Working state: approval -> the request as it was made. It goes when the request is closed. */
export const HELD = 'approvals.held'

export const vaultSubject = (approval: string): string => `approval/${approval}`

type KeptOptions = Pick<
  InvokeOptions,
  | 'key'
  | 'correlationId'
  | 'traceparent'
  | 'parent'
  | 'depth'
  | 'deadline'
  | 'callbackUrl'
  | 'isPartOfRun'
  | 'agreed'
>

const KEPT: readonly (keyof KeptOptions)[] = [
  'key',
  'correlationId',
  'traceparent',
  'parent',
  'depth',
  'deadline',
  'callbackUrl',
  'isPartOfRun',
  'agreed',
]

interface HeldRow {
  readonly action: string
  readonly caller: Caller
  /** The input in public form. */
  readonly form: unknown
  readonly options: KeptOptions
  /** Reference to the openings of its private fields, which are one payload of their own. */
  readonly openings?: unknown
}

/** As JSON holds it. */
interface KeptOpening {
  readonly commitment: string
  /** Base64. */
  readonly salt: string
  readonly canonical: string
}

export interface Asked {
  readonly action: string
  readonly caller: Caller
  readonly options: InvokeOptions
  readonly committed: CommittedInput
  readonly known: KnownOpenings
}

/** The row and the seal that keep a request. Openings that wait for a subject are taken from a copy. */
export function holdRequest(
  approval: string,
  { action, caller, options, committed, known }: Asked,
  random: (sizeBytes: number) => Uint8Array,
): Required<Pick<Proposal, 'rows' | 'seals'>> {
  const openings = known.copy().claimRest(vaultSubject(approval))
  const seals = openings.length === 0 ? [] : [sealOf(approval, openings, random)]
  const [reference] = seals.flatMap((each) => each.openings.map(({ commitment }) => commitment))
  const row: HeldRow = {
    action,
    caller: callerOf(caller),
    form: committed.form,
    options: Object.fromEntries(
      KEPT.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
    ),
    ...(reference === undefined ? {} : { openings: { $private: reference } }),
  }
  return { rows: [{ table: HELD, key: approval, value: JSON.stringify(row) }], seals }
}

/**
 * The openings themselves are what is sealed, so that the request, once it is carried out, commits to its private values
 * by the very commitments that people saw, and erasing what it then becomes erases them too.
 */
function sealOf(
  approval: string,
  openings: readonly Opening[],
  random: (sizeBytes: number) => Uint8Array,
): Seal {
  const kept: KeptOpening[] = openings.map(({ commitment, salt, canonical }) => ({
    commitment,
    salt: Buffer.from(salt).toString('base64'),
    canonical,
  }))
  const canonical = canonicalText(kept)
  const salt = random(SALT_SIZE_BYTES)
  return {
    subject: vaultSubject(approval),
    openings: [{ commitment: commitmentOf(salt, canonical), salt, canonical }],
  }
}

/** What it counts against, of a row of HELD. */
export function sharesOfHeld(value: string): readonly WaitingShare[] {
  const { options, caller } = JSON.parse(value) as HeldRow
  return sharesOf(options, caller.chain)
}

export interface HeldRequest extends Asked {
  /** The input with its private fields opened. */
  readonly input: unknown
}

/** Undefined where there is none any more, or its private part was erased. */
export async function findHeld(
  approval: string,
  reader: Pick<StoreReader, 'load'>,
  vault: Pick<Vault, 'reveal'>,
): Promise<HeldRequest | undefined> {
  const row = (await reader.load(HELD, [approval])).value.get(approval)
  if (row?.value == null) return undefined
  const { action, caller, form, options, openings = [] } = JSON.parse(row.value) as HeldRow
  const kept = await vault.reveal(openings)
  if (!Array.isArray(kept)) return undefined
  const known = (kept as KeptOpening[]).map(
    ({ salt, ...opening }): Opening => ({ ...opening, salt: new Uint8Array(Buffer.from(salt, 'base64')) }),
  )
  const values = new Map(
    known.map(({ commitment, canonical }) => [commitment, JSON.parse(canonical) as unknown]),
  )
  return {
    action,
    caller,
    options,
    input: reveal(form, values),
    committed: { form, canonical: canonicalText(form) },
    known: new KnownOpenings(known.map((opening) => [opening.canonical, opening])),
  }
}
