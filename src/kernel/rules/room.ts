// The room of the rules: opens the gate with what is in force, keeps it equal to the log, and changes it as anything is changed.

import type { Definition } from '../catalog/definition.ts'
import { defineRoom, type Room, type RoomHost } from '../catalog/room.ts'
import { pause } from '../env.ts'
import { PolityError } from '../errors.ts'
import { openRetrying } from '../failing.ts'
import { reconcileWithLog } from '../feed/reconciling.ts'
import type { Gate } from '../gate/gate.ts'
import { actions, activate, graduation, load, rollBack, rollout, rules, setMode } from './actions.ts'
import { activateOne, rollBackOne, setModeOne } from './activating.ts'
import * as contract from './contract.ts'
import { formOf } from './form.ts'
import { graduate } from './graduation.ts'
import { type InForce, openInForce } from './in-force.ts'
import { actionsPage, rulesPage } from './listing.ts'
import { loadOne, WATCH_EVERY_MS } from './loading.ts'
import { type RulesSettings, startLaw } from './starting.ts'
import { ACTIVE, law } from './views.ts'

/** Views and definitions, also for the writer. */
export const rulesContract = {
  url: new URL('./contract.ts', import.meta.url).href,
  exports: { ...contract },
}

const DAY_MS = 24 * 3600_000
const GRADUATION_DAYS = 7

export interface RulesRoom extends Room {
  /** Opens the gate, once everything is defined that can be asked for. Throws as `startLaw`. */
  start(definitions: readonly Definition[]): Promise<Gate>
}

export function rulesRoom(settings: RulesSettings): RulesRoom {
  let opened: RoomHost | undefined
  let started: InForce | undefined
  const closing = new AbortController()
  let following: Promise<unknown> = Promise.resolve()
  const inForce = () => {
    if (started === undefined) throw new PolityError('hub.starting', 'the rules are not loaded yet')
    return started
  }
  return {
    ...defineRoom('rules', rulesContract, (host) => {
      opened = host
      const ports = { host, inForce }
      return {
        commands: [
          load.handle((ctx, input) => loadOne(ctx, input, ports)),
          activate.handle((ctx, input) => activateOne(ctx, input, ports)),
          rollBack.handle((ctx, input) => rollBackOne(ctx, input, ports)),
          setMode.handle((ctx, input) => setModeOne(ctx, input, ports)),
        ],
        queries: queriesOf(host, inForce),
        standing: {
          name: 'the rules in force',
          read: (...asked) => inForce().standing.read(...asked),
          claim: (...asked) => inForce().standing.claim?.(...asked) ?? {},
        },
        async close() {
          closing.abort()
          await following
          await started?.counts.close()
        },
      }
    }),
    async start(definitions) {
      if (opened === undefined) throw new PolityError('internal', 'the room of the rules is not open yet')
      const { gate, ...held } = await startLaw(opened, settings, definitions)
      started = openInForce(opened, gate, held)
      await started.refresh()
      // What another hub puts in force shows here although nobody asks for anything.
      if (!opened.realm.isAlone) following = followOthers(opened, started, closing.signal)
      return started.gate
    },
  }
}

type Following = Pick<RoomHost, 'env' | 'realm' | 'onFailure'>

async function followOthers(host: Following, inForce: InForce, signal: AbortSignal): Promise<void> {
  const { realm, env, onFailure } = host
  let joining: Promise<void> | undefined
  const follow = async () => {
    await inForce.refresh()
    const failed = inForce.fault()
    if (failed !== undefined) throw failed
    if (!inForce.isWatched()) return
    joining ??= joinWatch(host, inForce, signal).finally(() => {
      joining = undefined
    })
  }
  await reconcileWithLog({ log: realm.log, env, onFailure }, follow, signal)
  await joining
}

/** What is asked here counts for the rules that another hub watches. Never rejects. */
async function joinWatch(
  { env, realm, onFailure }: Following,
  { counts, isWatched }: InForce,
  signal: AbortSignal,
): Promise<void> {
  const retrying = openRetrying(env, onFailure)
  while (isWatched() && !signal.aborted && !realm.log.lost.aborted)
    try {
      await counts.join()
      retrying.works()
      await pause(env, WATCH_EVERY_MS, signal)
    } catch (error) {
      if (signal.aborted || realm.log.lost.aborted) return
      await retrying.fails(error, signal)
    }
}

const queriesOf = ({ realm, env, definitions }: RoomHost, inForce: () => InForce) => [
  actions.handle((_, input) => actionsPage(definitions(), input)),
  rules.handle(async (ctx, input) => {
    const active = (await ctx.get(law, ACTIVE))?.value
    const page = rulesPage(inForce().gate, input)
    return active?.source === undefined ? page : { ...page, source: active.source }
  }),
  rollout.handle(async (ctx) => {
    const { gate, fault } = inForce()
    const { source, previous, at, by, rolloutAt, rolloutBy } = (await ctx.get(law, ACTIVE))?.value ?? {}
    const failed = fault()?.message
    return {
      rollout: formOf(gate.rollout),
      bundle: gate.bundle.digest,
      ...(source === undefined ? {} : { source }),
      ...(previous === undefined ? {} : { previous }),
      ...(at === undefined ? {} : { rulesAt: at }),
      ...(by === undefined ? {} : { rulesBy: by }),
      ...(rolloutAt === undefined ? {} : { rolloutAt }),
      ...(rolloutBy === undefined ? {} : { rolloutBy }),
      ...(failed === undefined ? {} : { fault: failed }),
    }
  }),
  graduation.handle(async (_, { days = GRADUATION_DAYS, before = realm.log.head().size }) => {
    const nowMs = env.now()
    const from = new Date(nowMs - days * DAY_MS).toISOString()
    const found = await graduate(realm.reader, { from, before: Math.min(before, realm.log.head().size) })
    return {
      from,
      to: new Date(nowMs).toISOString(),
      mode: inForce().gate.rollout.mode,
      ...found,
    }
  }),
]
