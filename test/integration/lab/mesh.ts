// Principals around one mesh: a hub, callers for everybody, and a clock that a test can move.

import type { Hub } from '../../../src/hub.ts'
import type { Caller } from '../../../src/kernel/catalog/caller.ts'
import { systemEnv } from '../../../src/kernel/env.ts'
import type { PrincipalKind } from '../../../src/kernel/gate/types.ts'
import { meshModule } from '../../../src/modules/mesh/module.ts'
import type { MeshOptions } from '../../../src/modules/mesh/settings.ts'
import { type Engine, openTestHub, owner, settle } from './hubs.ts'

export const caller = (
  id: string,
  roles: readonly string[] = [],
  kind: PrincipalKind = 'component',
): Caller => ({
  chain: [{ kind, id, roles }],
})

export interface Event {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly data?: unknown
  readonly [attribute: string]: unknown
}

export interface Taken {
  readonly items: readonly { readonly id: string; readonly attempt: number; readonly event: Event }[]
}

/** Asks and answers the output; what was not done is thrown as it was answered. */
export const asking =
  (hub: Hub) =>
  async <T = Record<string, unknown>>(who: Caller, action: string, input: object = {}): Promise<T> => {
    const answer = await hub.invoke(who, `mesh.${action}`, input)
    if (answer.status !== 'done') throw new Error(JSON.stringify(answer))
    return answer.output as T
  }

export const eventsOf = ({ items }: Taken): readonly Event[] => items.map(({ event }) => event)
export const dataOf = (taken: Taken): readonly unknown[] => eventsOf(taken).map(({ data }) => data)

export async function openMesh(options: MeshOptions = {}, engine: Engine = 'memory') {
  const real = systemEnv()
  let laterMs = 0
  const env = { ...real, now: () => real.now() + laterMs }
  const hub = await openTestHub(engine, { modules: [meshModule(options)], env })
  const ask = asking(hub)
  return {
    hub,
    ask,
    /** Moves the wall clock. */
    later: (byMs: number) => {
      laterMs += byMs
    },
    query: async <T = Record<string, unknown>>(who: Caller, name: string, input: object = {}): Promise<T> =>
      (await hub.ask(who, `mesh.${name}`, input)).output as T,
    /** Takes what was published so far, and acknowledges it. */
    async takeAll(who: Caller, name: string): Promise<readonly Event[]> {
      await settle(hub)
      const taken = await ask<Taken>(who, 'take', { name, max: 100 })
      if (taken.items.length > 0) await ask(who, 'ack', { name, ids: taken.items.map(({ id }) => id) })
      return eventsOf(taken)
    },
    propose: (yaml: string, more: object = {}) => ask(owner, 'propose-routes', { yaml, ...more }),
  }
}

export { owner }
