// The fusion room: gathers signals about an act, fuses them, and tells the gate and whoever asks.

import type { QueryContext } from '../catalog/context.ts'
import { areaOf, baseName, type Definition } from '../catalog/definition.ts'
import { defineRoom, type RoomHost } from '../catalog/room.ts'
import { PolityError } from '../errors.ts'
import type { Chain, Principal, PrincipalKind } from '../gate/types.ts'
import { labelOf } from '../log/audience.ts'
import type { Static } from '../schema/schema.ts'
import { leastTrusted } from '../trust/standing.ts'
import * as contract from './contract.ts'
import { askAdvice } from './contract.ts'
import { openScenes, type Scene, type Scenes } from './signals.ts'
import { asSeenBy, fusionSource, trustSignal } from './standing.ts'
import { unifiedDecision } from './unified-decision.ts'

export const fusionRoom = defineRoom(
  'fusion',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  (host) => {
    const { log, committed } = host.realm
    const scenes = openScenes({ log, reads: committed, face: host.face })
    return {
      queries: [askAdvice.handle((ctx, input) => advise(ctx, input, host, scenes))],
      standing: fusionSource(scenes, committed),
    }
  },
)

/** Throws `name.unknown`. */
async function advise(
  ctx: QueryContext,
  input: Static<typeof askAdvice.schema>,
  { definitions, realm }: RoomHost,
  scenes: Scenes,
): Promise<Static<typeof askAdvice.output>> {
  const { name: action, risk = 'high' } = definitionNamed(definitions(), input.action)
  const resource = input.resource ?? areaOf(action)
  const nowMs = Date.parse(ctx.now)
  const chain = input.principal === undefined ? ctx.chain : chainOf(input.principal)
  const [scene, least] = await Promise.all([
    scenes.of(action, resource, nowMs),
    leastTrusted(realm.committed, { caller: { chain }, action, facts: {}, nowMs }),
  ])
  const signals = { ...scene, risk, trust: trustSignal(least) }
  const { terms, vetoes, ...decision } = unifiedDecision(asSeenBy(chain, resource, signals))
  return {
    action,
    resource,
    principal: chain.map(labelOf).join(' > '),
    ...decision,
    vetoes: vetoes.map((veto) => ({ ...veto })),
    terms: terms.map((term) => ({ ...term, ...freshness(scene, term.id) })),
  }
}

function definitionNamed(definitions: readonly Definition[], name: string): Definition {
  const found = definitions.find((each) => each.name === name || baseName(each.name) === name)
  if (found === undefined) throw new PolityError('name.unknown', `there is no action ${name}`, { name })
  return found
}

const KINDS: readonly string[] = ['user', 'agent', 'service', 'component', 'hub'] satisfies PrincipalKind[]

/** Throws `input.invalid`. */
function chainOf(principal: string): Chain {
  const [kind = '', id = ''] = principal.split(':')
  if (!KINDS.includes(kind))
    throw new PolityError('input.invalid', `a principal is one of ${KINDS.join(', ')}, a colon and its name`)
  const link: Principal = { kind: kind as PrincipalKind, id, roles: [] }
  return [link]
}

function freshness({ asOfMs }: Scene, term: string): { readonly asOf?: string } {
  const ms = (asOfMs as Readonly<Record<string, number | undefined>>)[term]
  return ms === undefined ? {} : { asOf: new Date(ms).toISOString() }
}
