// A candidate before it is in force: what it would have said to the last decisions, and whether it would shut its own loader out.

import { ActionDecided } from '../catalog/records.ts'
import type { RoomHost } from '../catalog/room.ts'
import { pastDecisions, storeHistory } from '../decisions/history.ts'
import { type Flip, flipsUnder } from '../decisions/what-if.ts'
import { PolityError } from '../errors.ts'
import type { Bundle } from '../gate/bundle.ts'
import type { Gate } from '../gate/gate.ts'
import { type Chain, type GateRequest, PLAIN_STANDING } from '../gate/types.ts'
import type { Static } from '../schema/schema.ts'
import { activate, load, rollBack } from './actions.ts'

export type Rehearsal = Static<(typeof load)['output']>['rehearsal']

export interface Watching {
  readonly signal: AbortSignal
  readonly onProgress: (looked: number) => void
}

/** As many decisions as a rehearsal looks at, the last ones. */
export const REHEARSED_MAX = 2000
const PAGE_SIZE = 1000
const KINDS_MAX = 20
const POLICIES_SHOWN_MAX = 8
/** Names that one of the lists of differences takes. */
const NAMES_MAX = 200

export async function rehearse(
  { realm }: Pick<RoomHost, 'realm'>,
  {
    before,
    candidate,
    against,
  }: { readonly before: Bundle; readonly candidate: Gate; readonly against: string | undefined },
  watching: Watching,
): Promise<Rehearsal> {
  const { reader, log } = realm
  const { size } = log.head()
  const fromSeq = await lastDecisions(reader, size)
  const history = pastDecisions(storeHistory(reader, size), { fromSeq }, { signal: watching.signal })
  const { looked, flipped, flips } = await flipsUnder(history, candidate, watching)
  const different = differences(before, candidate.source)
  return {
    ...(against === undefined ? {} : { against }),
    size,
    looked,
    flipped,
    flips: kindsOf(flips),
    ...different,
    held: heldStates(candidate, [...different.added, ...different.changed]),
  }
}

/** With what was decided since, up to `toSeq`: before rules are in force, people may have taken days to agree. */
export async function rehearsedSince(
  { realm: { reader } }: Pick<RoomHost, 'realm'>,
  { rehearsal, candidate, toSeq }: { rehearsal: Rehearsal; candidate: Gate; toSeq: number },
  watching: Watching,
): Promise<Rehearsal> {
  const { size } = rehearsal
  if (size === undefined || toSeq <= size) return rehearsal
  const range = { fromSeq: Math.max(size, await lastDecisions(reader, toSeq)) }
  const history = pastDecisions(storeHistory(reader, toSeq), range, { signal: watching.signal })
  const { looked, flipped, flips } = await flipsUnder(history, candidate, watching)
  return {
    ...rehearsal,
    size: toSeq,
    looked: rehearsal.looked + looked,
    flipped: rehearsal.flipped + flipped,
    flips: joined(rehearsal.flips, kindsOf(flips)),
  }
}

/** The seq from which on there are REHEARSED_MAX decisions, or all of them. */
async function lastDecisions(
  reader: Pick<RoomHost['realm']['reader'], 'entries'>,
  size: number,
): Promise<number> {
  let to = size
  for (let found = 0; found < REHEARSED_MAX; found += PAGE_SIZE) {
    const page = await reader.entries({
      from: 0,
      to,
      limit: PAGE_SIZE,
      type: ActionDecided.name,
      reverse: true,
    })
    const oldest = page.at(-1)
    if (oldest === undefined || page.length < PAGE_SIZE) return 0
    to = oldest.seq
  }
  return to
}

/** Flips of the same action to the same effect by the same policies are one kind. */
function kindsOf(flips: readonly Flip[]): Rehearsal['flips'] {
  const all = flips.map(({ action, before, after, reasons, nowReasons, count, decision: example }) => {
    const policies = (after === 'allow' ? reasons : nowReasons).slice(0, POLICIES_SHOWN_MAX)
    return { action, before, after, policies, count, example }
  })
  return joined(all)
}

function joined(...all: readonly Rehearsal['flips'][]): Rehearsal['flips'] {
  const kinds = new Map<string, Rehearsal['flips'][number]>()
  for (const flip of all.flat()) {
    const { action, before, after, policies, count } = flip
    const key = JSON.stringify([action, before, after, policies])
    const known = kinds.get(key)
    kinds.set(key, known === undefined ? flip : { ...known, count: known.count + count })
  }
  return [...kinds.values()].sort((a, b) => b.count - a.count).slice(0, KINDS_MAX)
}

/** By id and text; the policies that are built in are in every bundle. */
function differences(before: Bundle, after: Bundle): Pick<Rehearsal, 'added' | 'removed' | 'changed'> {
  const names = (bundle: Bundle, is: (id: string, text: string) => boolean) =>
    [...bundle.policies].flatMap(([id, { text }]) => (is(id, text) ? [id] : [])).slice(0, NAMES_MAX)
  const [old, now] = [before.policies, after.policies]
  return {
    added: names(after, (id) => !old.has(id)),
    removed: names(before, (id) => !now.has(id)),
    changed: names(after, (id, text) => old.has(id) && old.get(id)?.text !== text),
  }
}

/** What was said of a rule by its name outlives its text: whoever wrote another one under that name should know. */
function heldStates(
  { rollout: { policies = {} }, source }: Gate,
  ids: readonly string[],
): NonNullable<Rehearsal['held']> {
  return [...ids].sort().flatMap((policy) => {
    const [state, declaredState] = [policies[policy], source.policies.get(policy)?.state]
    if (!Object.hasOwn(policies, policy) || state === undefined || declaredState === undefined) return []
    return state === declaredState ? [] : [{ policy, state, declaredState }]
  })
}

/** What somebody needs to mend rules that turn out wrong: a load asks for the second of them by itself. */
const MENDING = [load, activate, rollBack] as const

/** As the hub would decide it, so that rules which raise the risk have their say. Throws `gate.lock-out`. */
export function requireMendable(candidate: Gate, chain: Chain, nowMs: number): void {
  for (const { name: action, risk, conduct = {} } of MENDING) {
    const request: GateRequest = {
      chain,
      action,
      resource: 'gate/rules',
      risk,
      facts: {},
      conduct,
      standing: PLAIN_STANDING,
      inScope: true,
      approvals: [],
      solo: true,
      now: new Date(nowMs).toISOString(),
    }
    const { effect, sentence } = candidate.decide({ ...request, ...candidate.classify(request) })
    if (effect === 'denied')
      throw new PolityError(
        'gate.lock-out',
        `with these rules you could not ask for ${action} any more (${sentence}): permit it, or say that it is meant (isLockOutAccepted, --accept-lock-out)`,
        { action },
      )
  }
}
