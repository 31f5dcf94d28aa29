// The config room: shows the configuration of this hub, and carries out its changes.

import type { CommandContext, StepContext } from '../catalog/context.ts'
import { defineRoom, type Room, type RoomHost } from '../catalog/room.ts'
import { carryChange } from '../change/change.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { type Change, type Configuration, changesBetween, digestOf } from './configuration.ts'
import * as contract from './contract.ts'
import { ConfigChanged, propose, rehearse, reload, rollBack, show } from './contract.ts'
import { type Layers, originText } from './layers.ts'
import type { Live } from './live.ts'
import { keptText, replaceOwnFile, restoreOwnFile } from './own-file.ts'
import type { Instead, Sources } from './sources.ts'

/** What a program hands to its hub, so that its configuration can be asked for and changed. */
export interface ConfigPorts {
  readonly configuration: Configuration
  /** Reads every source anew. Throws what is wrong with them. */
  reread(instead?: Instead): Sources
  /** For how long a change is watched. */
  readonly watchMs: Live<number>
  /** Why the program is not well; undefined where it is. */
  fault?(): string | undefined | Promise<string | undefined>
}

const WATCH_EVERY_MS = 250
const REASON_SIZE_MAX = 1000

type Rehearsal = {
  readonly digest: string
  readonly before: string
  readonly changes: readonly Change[]
  readonly restart: readonly string[]
  readonly masked: readonly string[]
}

export const configRoom = (ports: ConfigPorts): Room =>
  defineRoom('config', { url: new URL('./contract.ts', import.meta.url).href, exports: contract }, (host) => {
    const { configuration } = ports
    const changing = openChanging(ports, host)
    return {
      commands: [
        propose.handle((ctx, { yaml }) => changing.carry(ctx, 'proposed', { ownText: yaml })),
        reload.handle((ctx) => changing.carry(ctx, 'reloaded')),
        rollBack.handle(async (ctx) => changing.carry(ctx, 'rolled-back', await keptBefore(ctx, ports))),
      ],
      queries: [
        show.handle(() => ({
          digest: configuration.digest(),
          settings: configuration
            .show()
            .map(({ origin, ...each }) => ({ ...each, origin: originText(origin) })),
        })),
        rehearse.handle((_, { yaml }) => {
          const { before: _before, ...answer } = rehearsalOf(ports, { ownText: yaml })
          return shapeOf(answer)
        }),
      ],
    }
  })

type Cause = 'proposed' | 'reloaded' | 'rolled-back'

function openChanging(ports: ConfigPorts, host: RoomHost) {
  const { configuration } = ports
  // Of this process: two changes at a time would each take the other's harm for its own.
  let isChanging = false
  /** What a change found in force; gone after a crash, when the files are what is left. */
  let before: Layers | undefined
  /** What a reader said to its new value. */
  let refusal: PolityError | undefined

  const record = (step: StepContext, fact: Parameters<typeof ConfigChanged>[0]) =>
    step.record(ConfigChanged(fact, { subject: 'hub' }))

  const carry = async (ctx: CommandContext, cause: Cause, instead?: Instead) => {
    if (instead !== undefined && !host.realm.isAlone)
      throw new PolityError(
        'config.shared',
        'several hubs share this log, and each has a file of its own: change the files and send SIGHUP',
      )
    if (isChanging)
      throw new PolityError(
        'config.busy',
        'another change of the configuration is under way: wait for its end',
      )
    isChanging = true
    try {
      const outcome = await carryChange<Rehearsal>(
        ctx,
        host.env,
        {
          validate: () => void ports.reread(instead),
          rehearse: () => rehearsalOf(ports, instead),
          isIdle: ({ changes }) => changes.length === 0,
          swap({ digest, before: from, changes }, step) {
            const { layers, ownFile } = ports.reread(instead)
            before ??= configuration.layers()
            if (cause === 'rolled-back') restoreOwnFile(ownFile)
            else if (instead?.ownText !== undefined) replaceOwnFile(ownFile, instead.ownText)
            refusal = configuration.swap(layers)[0]
            record(step, { digest, before: from, cause, changes: [...changes] })
          },
          // What is taken back stays back.
          fault: () => (cause === 'rolled-back' ? undefined : faultOf(ports, host, refusal)),
          rollBack({ digest, before: from, changes }, reason, step) {
            if (cause === 'proposed') restoreOwnFile(ports.reread().ownFile)
            configuration.swap(before ?? ports.reread().layers)
            record(step, {
              digest: from,
              before: digest,
              cause: 'rolled-back',
              changes: changes.map(turned),
              reason: reason.slice(0, REASON_SIZE_MAX),
            })
          },
        },
        { watchMs: ports.watchMs.current(), everyMs: WATCH_EVERY_MS },
      )
      const { before: _, digest, ...rest } = outcome.rehearsal
      const inForce = outcome.status === 'rolled-back' ? outcome.rehearsal.before : digest
      const status = cause === 'rolled-back' && outcome.status === 'changed' ? 'rolled-back' : outcome.status
      const reason = outcome.status === 'rolled-back' ? { reason: outcome.reason } : {}
      return { status, ...shapeOf({ ...rest, digest: inForce }), ...reason } as const
    } finally {
      isChanging = false
      before = undefined
      refusal = undefined
    }
  }
  return { carry }
}

const faultOf = ({ fault }: ConfigPorts, { realm }: RoomHost, refusal: PolityError | undefined) => {
  if (refusal !== undefined) return refusal.message
  if (realm.log.lost.aborted) return asPolityError(realm.log.lost.reason).message
  return fault?.()
}

/** What the sources would put in force, beside what is. */
function rehearsalOf({ configuration, reread }: ConfigPorts, instead?: Instead): Rehearsal {
  const { table } = configuration
  const { layers, ownFile, ownKeys } = reread(instead)
  const changes = changesBetween(table, configuration.layers(), layers)
  return {
    digest: digestOf(table, layers),
    before: configuration.digest(),
    changes,
    restart: changes.filter((each) => each.reload === 'restart').map(({ key }) => key),
    masked: ownKeys.filter((key) => {
      const origin = layers.get(key)?.origin
      return origin?.kind !== 'file' || origin.file !== ownFile
    }),
  }
}

/** In a step: the file is gone once it was put back. Throws `config.none`. */
async function keptBefore(ctx: CommandContext, { reread }: ConfigPorts): Promise<Instead> {
  const kept = await ctx.step('find', () => keptText(reread().ownFile) ?? null)
  if (kept === null)
    throw new PolityError(
      'config.none',
      'no proposal is there to take back: none was put in force since the last one',
    )
  return { ownText: kept === '' ? undefined : kept }
}

const turned = ({ before, after, ...change }: Change): Change => ({
  ...change,
  ...(after === undefined ? {} : { before: after }),
  ...(before === undefined ? {} : { after: before }),
})

/** As the contract's shapes have it: lists of their own. */
const shapeOf = ({ digest, changes, restart, masked }: Omit<Rehearsal, 'before'>) => ({
  digest,
  changes: [...changes],
  restart: [...restart],
  masked: [...masked],
})
