// Upcasters: pure functions that lift entries of an old type to the next one, so that views fold both while the log's bytes never change.

import { PolityError } from '../errors.ts'
import type { Entry, PublicData } from './entry.ts'
import { type AnyKind, type View, viewsOf } from './view.ts'

/**
 * Says what an entry of `from` would have said as one of `to`. `lift` is pure and synchronous, changes nothing of
 * what it is given, and hands references to private payloads on as they are.
 */
export interface Upcaster<O extends AnyKind = AnyKind, N extends AnyKind = AnyKind> {
  readonly kind: 'upcaster'
  readonly from: O
  readonly to: N
  readonly lift: (data: PublicData<O>) => PublicData<N>
}

/** To be exported from the contract file of `to`, beside both entry types. */
export const upcast = <O extends AnyKind, N extends AnyKind>(
  from: O,
  to: N,
  lift: Upcaster<O, N>['lift'],
): Upcaster<O, N> => ({ kind: 'upcaster', from, to, lift })

/**
 * The views of contract files, each of which also folds the entries that upcasters of any of these files lift to
 * a type that it follows. A view that names the old type itself gets it as it is. Everybody who folds (writer,
 * catch-up, rebuild, verify) takes the views from here. Throws `log.unsupported` for upcasters that contradict
 * each other, go in a circle, or stop short of a view's type.
 */
export function viewsOfContracts(contracts: readonly Readonly<Record<string, unknown>>[]): View[] {
  const steps = stepsOf(contracts.flatMap(upcastersOf))
  return contracts.flatMap(viewsOf).map((each) => lifting(each, steps))
}

const upcastersOf = (contract: Readonly<Record<string, unknown>>): Upcaster[] =>
  Object.values(contract).filter(
    (member): member is Upcaster => (member as Partial<Upcaster> | null)?.kind === 'upcaster',
  )

/** By the name of the type that is lifted; each type has one way up. */
type Steps = ReadonlyMap<string, Upcaster>

function stepsOf(upcasters: readonly Upcaster[]): Steps {
  const steps = new Map<string, Upcaster>()
  for (const each of upcasters) {
    const { from, to } = each
    const known = steps.get(from.name)
    // A contract that hands on another one's upcaster shows the same one twice.
    if (known !== undefined && known !== each)
      throw wrong(`${from.name} is lifted both to ${known.to.name} and to ${to.name}`, { type: from.name })
    checkMajor(from.name, to.name)
    steps.set(from.name, each)
  }
  for (const name of steps.keys()) checkCircle(name, steps)
  return steps
}

/** Within one name, an upcaster goes up by one: whoever skips a major leaves its entries behind. */
function checkMajor(from: string, to: string): void {
  const [old, next] = [versionOf(from), versionOf(to)]
  if (old.name === next.name && next.major !== old.major + 1)
    throw wrong(`${from} is lifted to ${to}: an upcaster goes from one major to the next`, { type: from })
}

function versionOf(type: string): { readonly name: string; readonly major: number } {
  const at = type.lastIndexOf('@')
  return { name: type.slice(0, at), major: Number(type.slice(at + 1)) }
}

function checkCircle(start: string, steps: Steps): void {
  const seen = new Set([start])
  for (let at = steps.get(start)?.to.name; at !== undefined; at = steps.get(at)?.to.name) {
    if (seen.has(at)) throw wrong(`the upcasters of ${[...seen].join(', ')} go in a circle`, { type: start })
    seen.add(at)
  }
}

const wrong = (message: string, facts: Readonly<Record<string, unknown>>): PolityError =>
  new PolityError('log.unsupported', `${message}: correct the contract that declares it`, facts)

/** The view with the old types that lead to its own. */
function lifting(each: View, steps: Steps): View {
  const chains = chainsTo(each, steps)
  if (chains.size === 0) return each
  const lift = <E extends Pick<Entry<unknown>, 'type' | 'data'>>(entry: E): E => {
    const chain = chains.get(entry.type)
    const last = chain?.at(-1)
    if (chain === undefined || last === undefined) return entry
    const data = chain.reduce<unknown>((old, { lift: next }) => next(old as PublicData<AnyKind>), entry.data)
    return { ...entry, type: last.to.name, data }
  }
  return {
    ...each,
    from: [...each.from, ...[...chains.values()].flatMap(([first]) => first?.from ?? [])],
    keys: (entry) => each.keys(lift(entry)),
    fold: (row, entry, key) => each.fold(row, lift(entry), key),
  }
}

/** By old type: the upcasters up to the first type that the view names itself. */
function chainsTo({ name, from }: View, steps: Steps): ReadonlyMap<string, readonly Upcaster[]> {
  const own = new Set(from.map((kind) => kind.name))
  const chains = new Map<string, readonly Upcaster[]>()
  for (const start of steps.keys()) {
    if (own.has(start)) continue
    const chain: Upcaster[] = []
    let at = start
    for (let step = steps.get(at); step !== undefined && !own.has(at); step = steps.get(at)) {
      chain.push(step)
      at = step.to.name
    }
    if (own.has(at)) chains.set(start, chain)
    else if (isOlder(start, own))
      throw wrong(`nothing lifts ${at} to what the view ${name} folds, so entries of ${start} are left out`, {
        type: at,
        view: name,
      })
  }
  return chains
}

const isOlder = (type: string, own: ReadonlySet<string>): boolean => {
  const old = versionOf(type)
  return [...own].map(versionOf).some(({ name, major }) => name === old.name && major > old.major)
}
