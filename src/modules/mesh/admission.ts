// Who may publish and take what: the routes' answer, with a reason code. Pure, so that a new table can be rehearsed.

import { areaOf, type Definition } from '../../kernel/catalog/definition.ts'
import type { ErrorCode } from '../../kernel/errors.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import { labelOf, mayReadAll } from '../../kernel/log/audience.ts'
import type { RouteTable } from './route-table.ts'

/** Of the actions that publish: what evidence of them says is what routes ask for. */
export const FAMILY = 'mesh'

/** Why something must not be published or taken. */
export interface Refused {
  readonly code: ErrorCode
  readonly sentence: string
}

/** What is known of a publisher, from 0 to 1; undefined: nothing is. */
export type TrustOf = (label: string) => Promise<number | undefined>

/** Whether it matters how far the publisher of such an event is trusted. */
export const asksForTrust = (table: RouteTable, type: string): boolean =>
  table.routesOf(type).some(({ minTrust }) => minTrust > 0)

/** Every route of the type must let the publisher in, and know enough of it. `known`: how far it is trusted. */
export function refusalOf(
  table: RouteTable,
  { type, source }: { readonly type: string; readonly source: string },
  known?: number,
): Refused | undefined {
  for (const { id, publishers, minTrust } of table.routesOf(type)) {
    if (publishers !== undefined && !publishers.has(source))
      return {
        code: 'mesh.publisher-not-allowed',
        sentence: `${source} is not among the publishers of ${id}: its route names them`,
      }
    if (minTrust > 0 && (known === undefined || known < minTrust))
      return {
        code: 'mesh.trust',
        sentence: `the route of ${id} asks for a trust of ${minTrust}; that of ${source} is ${known ?? 'not known'}: \`polity trust explain ${source} ${FAMILY}\` says why`,
      }
  }
  return undefined
}

/** Whether the routes of a type let a chain take it: every link that may not read the log anyway must be named. */
export const maySubscribe = (table: RouteTable, type: string, chain: Chain): boolean =>
  table
    .routesOf(type)
    .every(
      ({ subscribers }) =>
        subscribers === undefined ||
        chain.every((link) => mayReadAll([link]) || subscribers.has(labelOf(link))),
    )

/** Areas of the kernel, whose entries the hub states itself: nobody publishes under their names. */
const RESERVED: ReadonlySet<string> = new Set([
  'action',
  'gate',
  'hub',
  'identity',
  'log',
  'mesh',
  'polity',
  'run',
  'vault',
  'witness',
])

/** The first word of a type: its family. */
export const familyOf = (type: string): string => type.split(/[.@]/, 1)[0] ?? type

/** @param areas of this hub's actions: whoever follows their facts must not take somebody else's word for one. */
export function isReserved(type: string, areas: ReadonlySet<string> = new Set()): boolean {
  const family = familyOf(type).toLowerCase()
  return RESERVED.has(family) || areas.has(family)
}

/** Per list of definitions: a hub has one, and every event asks. */
const known = new WeakMap<readonly Pick<Definition, 'name'>[], ReadonlySet<string>>()

/** Areas of everything that can be asked of a hub. */
export function areasOf(definitions: readonly Pick<Definition, 'name'>[]): ReadonlySet<string> {
  const areas = known.get(definitions) ?? new Set(definitions.map(({ name }) => areaOf(name)))
  known.set(definitions, areas)
  return areas
}
