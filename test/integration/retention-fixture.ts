// A hub whose clock the test moves, filled with more entries than one tile holds.

import type { Hub, HubOptions } from '../../src/hub.ts'
import type { Answer } from '../../src/kernel/catalog/invoke.ts'
import { type Env, systemEnv } from '../../src/kernel/env.ts'
import { state } from '../../src/modules/state/module.ts'
import { type Engine, openTestHub, owner } from './lab/hubs.ts'

const DAY_MS = 24 * 3600_000

export interface MovedClock {
  readonly env: Env
  /** Days pass; what sleeps does not notice. */
  pass(days: number): void
}

export function movedClock(days = 0): MovedClock {
  const real = systemEnv()
  let passedMs = days * DAY_MS
  return {
    env: { ...real, now: () => real.now() + passedMs },
    pass(more) {
      passedMs += more * DAY_MS
    },
  }
}

export interface AgedHub extends MovedClock {
  readonly hub: Hub
  /** What the owner gets; anything but `done` fails. */
  act(name: string, input: unknown): Promise<unknown>
  ask(name: string, input: unknown): Promise<unknown>
  /** Documents `state/ns/<key>`, each three entries. */
  write(count: number, prefix?: string): Promise<void>
}

export async function agedHub(
  engine: Engine,
  options: Partial<HubOptions> = {},
  clock: MovedClock = movedClock(),
): Promise<AgedHub> {
  const hub = await openTestHub(engine, { modules: [state], env: clock.env, ...options })
  return { ...clock, ...actorsOn(hub) }
}

export function actorsOn(hub: Hub): Omit<AgedHub, keyof MovedClock> {
  const act = async (name: string, input: unknown) => outputOf(await hub.invoke(owner, name, input))
  return {
    hub,
    act,
    ask: async (name, input) => (await hub.ask(owner, name, input)).output,
    async write(count, prefix = 'k') {
      const keys = Array.from({ length: count }, (_, index) => `${prefix}${index}`)
      for (let at = 0; at < keys.length; at += 64)
        await Promise.all(
          keys
            .slice(at, at + 64)
            .map((key) => act('state.put', { namespace: 'ns', key, value: { secret: key } })),
        )
    },
  }
}

function outputOf(answer: Answer): unknown {
  if (answer.status !== 'done') throw new Error(`the action was ${answer.status}`)
  return answer.output
}
