// Whose components serve a capability: those of the principal that named it first and still has it, and of those it shares it with.

import type { LeaseRow, NamedSince } from './leases.ts'
import type { ComponentRow } from './views.ts'

/** A component, and what its lease says. */
interface Named {
  readonly lease: LeaseRow | undefined
  readonly row: ComponentRow
}

/**
 * What a component named before keeps its place, however often it registers again, and a new one takes the place of
 * its principal's others: a principal that replaces all of them, one by one, loses nothing meanwhile.
 */
export function namedSince(
  capabilities: readonly string[],
  before: { readonly lease: LeaseRow | undefined; readonly row: ComponentRow | undefined },
  own: readonly LeaseRow[],
  nowMs: number,
): NamedSince {
  return capabilities.map((capability) => {
    const others = own.map((lease) => sinceOf(capability, { lease, row: undefined }) ?? nowMs)
    return [capability, Math.min(nowMs, sinceOf(capability, before) ?? nowMs, ...others)]
  })
}

/** Where the lease says nothing of it (working rows are lost with a database), the last registration counts. */
function sinceOf(
  capability: string,
  { lease, row }: { readonly lease: LeaseRow | undefined; readonly row: ComponentRow | undefined },
): number | undefined {
  const [, known] = lease?.namedSince?.find(([name]) => name === capability) ?? []
  if (known !== undefined || lease?.namedSince !== undefined) return known
  return row?.capabilities.includes(capability) ? Date.parse(row.registeredAt) : undefined
}

/**
 * Components that requests for a capability may go to. Anybody may say that a component has it; what others send there
 * belongs to whoever said so first, lost or not, until no component of that principal names it any more.
 */
export function serving<N extends Named>(seen: readonly N[], capability: string): readonly N[] {
  const named = seen.filter(({ row }) => row.capabilities.includes(capability))
  const [first, ...rest] = named
  if (first === undefined) return []
  const age = ({ lease, row }: Named) => sinceOf(capability, { lease, row }) ?? Number.POSITIVE_INFINITY
  const { owner } = rest.reduce((oldest, each) => (age(each) < age(oldest) ? each : oldest), first).row
  const own = named.filter(({ row }) => row.owner === owner)
  const owners = new Set([owner, ...own.flatMap(({ row }) => row.sharedWith ?? [])])
  return named.filter(({ row }) => owners.has(row.owner))
}
