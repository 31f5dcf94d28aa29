// What a hub opens, storey by storey: the ground, rooms and modules, the law, and the way through them.

import { createHmac } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { HubOptions } from './hub-shape.ts'
import { approvalsRoom } from './kernel/approvals/room.ts'
import { budgetsRoom } from './kernel/budgets/room.ts'
import { openAsk } from './kernel/catalog/ask.ts'
import { type Catalog, openCatalog } from './kernel/catalog/catalog.ts'
import type { Decision } from './kernel/catalog/decide.ts'
import { openDecisionCounts, type Watched } from './kernel/catalog/decision-counts.ts'
import type { Definition } from './kernel/catalog/definition.ts'
import { openDenials } from './kernel/catalog/denials.ts'
import { readGauges } from './kernel/catalog/gauges.ts'
import { openIdempotency } from './kernel/catalog/idempotency.ts'
import { NO_DESK } from './kernel/catalog/invocation.ts'
import { type Invoke, type InvokePorts, openInvoke } from './kernel/catalog/invoke.ts'
import type { OpenedModule } from './kernel/catalog/module.ts'
import { endPatience } from './kernel/catalog/patience.ts'
import { patientPorts } from './kernel/catalog/patient-ports.ts'
import type { Room } from './kernel/catalog/room.ts'
import { openStandings } from './kernel/catalog/standing.ts'
import { configRoom } from './kernel/config/room.ts'
import { decisionsRoom } from './kernel/decisions/room.ts'
import { type Env, systemEnv } from './kernel/env.ts'
import { asPolityError, PolityError } from './kernel/errors.ts'
import { fusionRoom } from './kernel/fusion/room.ts'
import type { Gate } from './kernel/gate/gate.ts'
import { haltsRoom } from './kernel/halts/room.ts'
import { openHosted } from './kernel/hosting/hosts.ts'
import { openServices, type Services } from './kernel/hosting/services.ts'
import { type Identity, identityContract, openIdentity } from './kernel/identity/identity.ts'
import { latestTimeOf } from './kernel/identity/never-back.ts'
import { keysRoom } from './kernel/keys/room.ts'
import { outsideContract, outsideRoom } from './kernel/outside/room.ts'
import { openRealm } from './kernel/realm/open-realm.ts'
import type { Realm } from './kernel/realm/realm.ts'
import { retentionRoom } from './kernel/retention/room.ts'
import { type RulesRoom, rulesContract, rulesRoom } from './kernel/rules/room.ts'
import { readAhead } from './kernel/rules/starting.ts'
import { openHostedRuns } from './kernel/runs/hosted.ts'
import { type RunsRoomPorts, runsContract, runsRoom } from './kernel/runs/room.ts'
import { recordGenesis } from './kernel/system/genesis.ts'
import { systemContract, systemModule } from './kernel/system/module.ts'
import type { StageReport } from './kernel/system/stage-report.ts'
import { timestampRoom } from './kernel/timestamp/room.ts'
import { tracesRoom } from './kernel/traces/room.ts'
import { trustRoom } from './kernel/trust/room.ts'
import { openTurns } from './kernel/turns.ts'
import { witnessContract, witnessRoom } from './kernel/witness/room.ts'
import { RELEASE } from './release.ts'

/** Rooms of the kernel with actions of their own. */
const ROOMS: readonly Room[] = [
  approvalsRoom,
  keysRoom,
  retentionRoom,
  decisionsRoom,
  budgetsRoom,
  tracesRoom,
  haltsRoom,
  trustRoom,
  fusionRoom,
]

const roomsOf = ({ timestamps, configuration }: HubOptions): readonly Room[] => [
  ...ROOMS,
  ...(timestamps === undefined ? [] : [timestampRoom(timestamps)]),
  ...(configuration === undefined ? [] : [configRoom(configuration)]),
]

/** What everything stands on: the log with its keys, and who may be asking. */
export interface Ground {
  readonly realm: Realm
  readonly services: Services
  readonly identity: Identity
  readonly env: Env
  /** `polity://realm` */
  readonly source: string
  readonly startedAt: string
  readonly onFailure: (error: PolityError) => void
}

export async function openGround(options: HubOptions, opening: AsyncDisposableStack): Promise<Ground> {
  const { env = systemEnv(), onFailure = () => undefined } = options
  const startedAt = new Date(env.now()).toISOString()
  opening.defer(() => endPatience(env))
  const opened = openHubRealm(options, env, onFailure)
  // The log has a thread of its own, which takes as long to start as the rules to read.
  await Promise.allSettled([opened, readAhead(options)])
  const realm = opening.adopt(await opened, (each) => each.close())
  const source = `polity://${realm.name}`
  await recordGenesis(realm, source, env, RELEASE)
  const { log, committed: views, reader, vaultKey } = realm
  const codeKey = deriveKey(vaultKey, 'sign-in codes')
  const notBeforeMs = await latestTimeOf(log)
  const identity = openIdentity({ log, views, reader, env, source, codeKey, notBeforeMs })
  const services = openServices(
    {
      realm,
      env,
      onFailure,
      ...(options.egress === undefined ? {} : { egress: options.egress }),
      ...(options.egressAllow === undefined ? {} : { egressAllow: options.egressAllow }),
    },
    opening,
  )
  return { realm, services, identity, env, source, startedAt, onFailure }
}

/** Rooms and modules. They may ask for actions once somebody takes them. */
export interface Features {
  readonly opened: readonly OpenedModule[]
  readonly witness: ReturnType<typeof witnessRoom>
  readonly rules: RulesRoom
  readonly taking: PromiseWithResolvers<Invoke>
  /** What steers runs, once there are any. */
  readonly steering: PromiseWithResolvers<RunsRoomPorts>
}

export async function openFeatures(
  options: HubOptions,
  { realm, services, identity, env, source, onFailure }: Ground,
  law: { readonly definitions: () => readonly Definition[]; readonly gate: () => Gate | undefined },
  opening: AsyncDisposableStack,
): Promise<Features> {
  const witness = witnessRoom(options.witness)
  const rules = rulesRoom(options)
  const taking = Promise.withResolvers<Invoke>()
  // Whoever waits hears of it; when nobody does, nobody has to.
  taking.promise.catch(() => undefined)
  const steering = Promise.withResolvers<RunsRoomPorts>()
  steering.promise.catch(() => undefined)
  // Whoever waits for actions waits no longer: neither when the hub closes, nor when it does not even open.
  const giveUp = () => {
    const closing = new PolityError('log.closed', 'the hub is closing')
    taking.reject(closing)
    steering.reject(closing)
  }
  const { opened } = opening.adopt(
    await openHosted(
      {
        realm,
        services,
        identity,
        env,
        source,
        dir: options.dir,
        onFailure,
        invoke: taking.promise,
        giveUp,
        ...law,
      },
      [...roomsOf(options), witness, rules, runsRoom(steering.promise), outsideRoom(steering.promise)],
      options.modules,
    ),
    (each) => each.close(),
  )
  opening.defer(giveUp)
  return { opened, witness, rules, taking, steering }
}

/** What can be asked for, and the rules about it. */
export interface Law {
  readonly catalog: Catalog
  readonly gate: Gate
}

export async function openLaw(
  ground: Ground,
  { opened, rules }: Features,
  stages: () => readonly StageReport[],
): Promise<Law> {
  const { realm, identity, startedAt } = ground
  const system = systemModule({
    release: RELEASE,
    realm: realm.name,
    origin: realm.log.origin,
    startedAt,
    role: () => (realm.isAlone ? 'alone' : realm.isWriter?.() ? 'writer' : 'follower'),
    gate: () => gate,
    stages,
    definitions: () => catalog.definitions,
    requireErasable: async (...asked) => {
      for (const module of opened) await module.requireErasable?.(...asked)
    },
  })
  const catalog = catalogOf([system, identity.module, ...opened])
  const gate = await rules.start(catalog.definitions)
  return { catalog, gate }
}

/** The one way through the rooms, and what is under way on it. */
export interface Acting {
  readonly ports: InvokePorts
  readonly invoke: Invoke
  readonly progress: EventEmitter
  readonly room: RunsRoomPorts
  readonly watched: Watched
}

export function openActing(
  { realm, services, identity, env, source, onFailure }: Ground,
  { catalog, gate }: Law,
  { opened }: Features,
  opening: AsyncDisposableStack,
): Acting {
  const { log, views, committed, vault, reader, vaultKey } = realm
  const idempotency = openIdempotency(reader, env, deriveKey(vaultKey, 'idempotency keys'))
  const progress = new EventEmitter().setMaxListeners(0)
  const { runs, room } = openHostedRuns(
    {
      realm,
      services,
      identity,
      idempotency,
      catalog,
      env,
      source,
      stepKey: deriveKey(vaultKey, 'step results'),
      invoke: (...asked) => invoke(...asked),
      ask: (...asked) => ask(...asked),
      desk: () => approvals,
      onProgress: (run, { done, total, note }) =>
        progress.emit('progress', { run: run.id, action: run.action, done, total, note }),
      onFailure,
    },
    opening,
  )
  const denials = opening.adopt(
    openDenials(env, (error) => onFailure(asPolityError(error))),
    (each) => each.close(),
  )
  const sources = opened.flatMap(({ standing }) => standing ?? [])
  const standings = openStandings(() => sources, committed, env)
  const approvals = opened.find(({ desk }) => desk !== undefined)?.desk ?? NO_DESK
  const { isSolo, rolesOf } = identity
  const deciding = { gate, standings, ...patientPorts({ isSolo, rolesOf, approvals }, env) }
  const rooms = { ...deciding, catalog, log, committed, vault, reader, runs, denials, idempotency }
  const counts = openDecisionCounts()
  const onDecided = ({ verdict }: Decision) => counts.note(verdict)
  const own = { turns: openTurns(), env, source, evidenceWritten: new Set<string>(), onDecided }
  const ports: InvokePorts = { ...rooms, ...own }
  const invoke = openInvoke(ports)
  const ask = openAsk({ ...ports, views })
  const watched = { decisions: counts.totals, standing: () => readGauges(opened, env) }
  return { ports, invoke, progress, room, watched }
}

const openHubRealm = (
  options: HubOptions,
  env: Env,
  onFailure: (error: PolityError) => void,
): Promise<Realm> =>
  openRealm({
    name: options.realm ?? 'main',
    contracts: [
      identityContract,
      systemContract,
      witnessContract,
      runsContract,
      rulesContract,
      outsideContract,
      ...[...roomsOf(options), ...options.modules].map(({ contractUrl, contract }) => ({
        url: contractUrl,
        exports: contract,
      })),
    ],
    env,
    onFailure,
    ...(options.dir === undefined ? {} : { dir: options.dir }),
    ...(options.storeUrl === undefined ? {} : { storeUrl: options.storeUrl }),
    ...(options.anchorPath === undefined ? {} : { anchorPath: options.anchorPath }),
    ...(options.signer === undefined ? {} : { signer: options.signer }),
    ...(options.isMlDsa === undefined ? {} : { isMlDsa: options.isMlDsa }),
    ...(options.publishIntervalMs === undefined ? {} : { publishIntervalMs: options.publishIntervalMs }),
  })

const deriveKey = (key: Uint8Array, purpose: string): Uint8Array =>
  createHmac('sha256', key).update(purpose).digest()

const catalogOf = (modules: readonly OpenedModule[]): Catalog =>
  openCatalog(
    modules.flatMap(({ commands = [] }) => commands),
    modules.flatMap(({ queries = [] }) => queries),
  )
