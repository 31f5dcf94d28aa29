// A hub: one realm with its gate, its modules and the one way through them. Embeddable; several fit into a process.

import { createHmac } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { type Output, output } from './boot/output.ts'
import { boot, type Stage } from './boot/stages.ts'
import { faceOf } from './hub-face.ts'
import { type Ask, openAsk, type Permit } from './kernel/catalog/ask.ts'
import { type Catalog, openCatalog } from './kernel/catalog/catalog.ts'
import type { Progress } from './kernel/catalog/context.ts'
import { type Caller, factTypes } from './kernel/catalog/decide.ts'
import type { Definition } from './kernel/catalog/definition.ts'
import { openDenials } from './kernel/catalog/denials.ts'
import { type FaceOf, facesOf } from './kernel/catalog/face.ts'
import { IDEMPOTENCY, openIdempotency } from './kernel/catalog/idempotency.ts'
import { type Answer, type Invoke, type InvokePorts, openInvoke } from './kernel/catalog/invoke.ts'
import type { Module, OpenedModule } from './kernel/catalog/module.ts'
import type { Room } from './kernel/catalog/room.ts'
import type { Live } from './kernel/config/live.ts'
import { type ConfigPorts, configRoom } from './kernel/config/room.ts'
import { DELIVERIES, DELIVERY_LANES } from './kernel/deliveries/deliveries.ts'
import type { EgressSettings } from './kernel/egress/egress.ts'
import { type Env, systemEnv } from './kernel/env.ts'
import { asPolityError, PolityError } from './kernel/errors.ts'
import { loadBundle, STARTER_DIR } from './kernel/gate/bundle.ts'
import { type Gate, openGate } from './kernel/gate/gate.ts'
import type { Mode } from './kernel/gate/types.ts'
import { openHosted } from './kernel/hosting/hosts.ts'
import { openServices, type Services } from './kernel/hosting/services.ts'
import { type Identity, identityContract, openIdentity, WORKING_TABLES } from './kernel/identity/identity.ts'
import { establishOwner } from './kernel/identity/owner-token.ts'
import { keysRoom } from './kernel/keys/room.ts'
import type { SignerCommand } from './kernel/log/command-signer.ts'
import { dataPaths } from './kernel/log/layout.ts'
import type { ReadableLog } from './kernel/log/log.ts'
import type { Views } from './kernel/log/views.ts'
import { FORWARDED } from './kernel/realm/forwarding.ts'
import { openRealm } from './kernel/realm/open-realm.ts'
import type { Realm } from './kernel/realm/realm.ts'
import { sweepRegularly } from './kernel/realm/sweeping.ts'
import type { PublicRetention } from './kernel/retention/policy.ts'
import { retentionRoom } from './kernel/retention/room.ts'
import { CARRIERS } from './kernel/runs/carriers.ts'
import { openHostedRuns, RUN_TABLES } from './kernel/runs/hosted.ts'
import { type RunsRoomPorts, runsContract, runsRoom } from './kernel/runs/room.ts'
import { recordBoot } from './kernel/system/boot-report.ts'
import { recordBundle, recordGenesis } from './kernel/system/genesis.ts'
import { systemContract, systemModule } from './kernel/system/module.ts'
import type { StageReport } from './kernel/system/stage-report.ts'
import type { Targets } from './kernel/targets/targets.ts'
import type { TimestampAuthority } from './kernel/timestamp/ask-authority.ts'
import { timestampRoom } from './kernel/timestamp/room.ts'
import { openTurns } from './kernel/turns.ts'
import {
  type WitnessFace,
  type WitnessSettings,
  witnessContract,
  witnessRoom,
} from './kernel/witness/room.ts'
import { RELEASE } from './release.ts'

export interface HubOptions {
  /** DATA folder; absent: everything in memory. */
  readonly dir?: string
  /** `postgres://...`: the log is in this database, which other hubs may share. `dir` still holds the keys. */
  readonly storeUrl?: string
  readonly modules: readonly Module[]
  readonly realm?: string
  readonly anchorPath?: string
  /** A program that holds the signing key; default: a file in `dir`. */
  readonly signer?: SignerCommand
  /** Whether retained checkpoints carry an ML-DSA-44 cosignature of the log's own. */
  readonly isMlDsa?: boolean
  /** Has retained checkpoints stamped (RFC 3161). */
  readonly timestamps?: TimestampAuthority
  /** Folder of the policy bundle; default: the shipped starter bundle. */
  readonly policyDir?: string
  readonly mode?: Mode
  /** Time limits of witnesses and monitors, where the usual ones do not fit. */
  readonly witness?: WitnessSettings
  /** What the hub was told: it can be asked for and changed, and each start is recorded with it. */
  readonly configuration?: ConfigPorts
  /** What stands on the hub and starts and stops with it, such as doors; `hub` answers once `production_systems` stands. */
  readonly stages?: (hub: () => Hub) => readonly Stage[]
  /** Gives the start up. */
  readonly signal?: AbortSignal
  /** What of the inside network Polity may speak to; default: nothing. */
  readonly egress?: EgressSettings
  /** In the place of the list in `egress`: one that may change while the hub runs. */
  readonly egressAllow?: Live<readonly string[]>
  readonly env?: Env
  readonly publishIntervalMs?: number
  /** What went wrong in the background; it is not in anybody's answer. */
  readonly onFailure?: (error: PolityError) => void
}

export interface RunProgress extends Progress {
  readonly run: string
  readonly action: string
}

export interface Hub {
  readonly release: string
  readonly startedAt: string
  readonly invoke: Invoke
  readonly ask: Ask
  readonly permit: Permit
  /** To read, follow and prove. Nobody appends but through `invoke`. */
  readonly log: ReadableLog
  readonly views: Views
  readonly catalog: Catalog
  readonly identity: Identity
  /** What this hub shows of the logs that it cosigns, and of who cosigns its own. */
  readonly witness: WitnessFace
  /** What is in force. Nobody decides or loads rules but the hub itself. */
  readonly gate: Pick<Gate, 'mode' | 'bundle'>
  /** Whose hub it is, as its token says. */
  readonly owner: Caller
  /** The owner's token, in memory; for a folder it is also in DATA/admin.token (0600). */
  readonly ownerToken: string
  /** Lossy: progress of runs, for whoever watches. */
  onProgress(listener: (progress: RunProgress) => void): () => void
  /**
   * A run's answer so far, for whoever started it or an owner. Throws `run.not-found` (also to everybody
   * else), or the error it ended with.
   */
  run(caller: Caller, id: string): Promise<Answer>
  readonly retention: PublicRetention
  /** What a module shows beside actions and queries; undefined where there is no such module. */
  readonly face: FaceOf
  readonly targets: Pick<Targets, 'list'>
  /** How it started, in the order in which its stages ended. */
  readonly stages: () => readonly StageReport[]
  close(): Promise<void>
}

/** Rooms of the kernel with actions of their own. */
const ROOMS: readonly Room[] = [keysRoom, retentionRoom]

const roomsOf = ({ timestamps, configuration }: HubOptions): readonly Room[] => [
  ...ROOMS,
  ...(timestamps === undefined ? [] : [timestampRoom(timestamps)]),
  ...(configuration === undefined ? [] : [configRoom(configuration)]),
]

const SWEPT_TABLES = [
  IDEMPOTENCY,
  ...RUN_TABLES,
  CARRIERS,
  FORWARDED,
  DELIVERIES,
  DELIVERY_LANES,
  ...WORKING_TABLES,
]

/**
 * Opens everything or nothing: stages start in order, and what had started before a failure is stopped again. Throws
 * what the stage threw that failed.
 */
export async function openHub(options: HubOptions): Promise<Hub> {
  const { env = systemEnv(), onFailure = () => undefined } = options
  const startedMs = env.monotonic()
  const reports: StageReport[] = []
  const out: Outputs = {
    ground: output('log'),
    features: output('features'),
    law: output('law'),
    hub: output('production_systems'),
  }
  const stages = stagesOf({ ...options, env, onFailure }, out, reports)
  const booted = await boot(stages, {
    env,
    onFailure,
    onReport: (report) => void reports.push(report),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  })
  const { source, realm, startedAt } = out.ground.get()
  if (options.configuration !== undefined)
    await recordBoot(
      { log: realm.log, source, env },
      {
        release: RELEASE,
        startedAt,
        durationMs: Math.round(env.monotonic() - startedMs),
        stages: reports,
        definitions: out.law.get().catalog.definitions,
        configuration: options.configuration.configuration.digest(),
        modules: out.features.get().opened,
      },
    ).catch(async (error: unknown) => {
      await booted.stop()
      throw error
    })
  return { ...out.hub.get(), close: () => booted.stop() }
}

interface Outputs {
  readonly ground: Output<Ground>
  readonly features: Output<Features>
  readonly law: Output<Law>
  readonly hub: Output<Hub>
}

/** In the order of what they stand on. `production_systems` is whatever acts: the gate stands before it does. */
function stagesOf(options: HubOptions, out: Outputs, reports: readonly StageReport[]): readonly Stage[] {
  const hub = () => out.hub.get()
  return [
    opens('log', [], async (opening) => out.ground.set(await openGround(options, opening))),
    opens('features', ['log'], async (opening) =>
      out.features.set(
        await openFeatures(options, out.ground.get(), () => out.law.get().catalog.definitions, opening),
      ),
    ),
    opens('law', ['features'], async () =>
      out.law.set(await openLaw(options, out.ground.get(), out.features.get(), () => reports)),
    ),
    opens('production_systems', ['law'], async (opening) =>
      out.hub.set(await openHubFace(options, out, reports, opening)),
    ),
    ...(options.stages?.(hub) ?? []),
  ]
}

/** A stage that opens things: they are closed in reverse, also when it fails half-way. */
const opens = (
  id: string,
  requires: readonly string[],
  open: (opening: AsyncDisposableStack) => Promise<void>,
): Stage => ({
  id,
  requires,
  async start() {
    await using opening = new AsyncDisposableStack()
    await open(opening)
    const opened = opening.move()
    return { stop: () => opened.disposeAsync() }
  },
})

/** Whatever acts begins here: runs that were interrupted go on. */
async function openHubFace(
  { dir }: HubOptions,
  out: Outputs,
  reports: readonly StageReport[],
  opening: AsyncDisposableStack,
): Promise<Hub> {
  const [ground, features] = [out.ground.get(), out.features.get()]
  const { realm, identity, services, onFailure } = ground
  const acting = openActing(ground, out.law.get(), opening)
  features.steering.resolve(acting.room)
  features.taking.resolve(acting.invoke)
  const owner = await establishOwner(identity, dir === undefined ? undefined : dataPaths(dir).adminToken)
  opening.defer(sweepRegularly(realm, SWEPT_TABLES, onFailure))
  await acting.ports.runs.resume()
  return {
    ...faceOf({ ...ground, ...realm, ...acting, owner }),
    witness: features.witness.face,
    face: facesOf(() => features.opened),
    targets: services.targets,
    stages: () => reports,
    close: async () => undefined,
  }
}

/** What everything stands on: the log with its keys, and who may be asking. */
interface Ground {
  readonly realm: Realm
  readonly services: Services
  readonly identity: Identity
  readonly env: Env
  /** `polity://realm` */
  readonly source: string
  readonly startedAt: string
  readonly onFailure: (error: PolityError) => void
}

async function openGround(options: HubOptions, opening: AsyncDisposableStack): Promise<Ground> {
  const { env = systemEnv(), onFailure = () => undefined } = options
  const startedAt = new Date(env.now()).toISOString()
  const realm = opening.adopt(await openHubRealm(options, env, onFailure), (each) => each.close())
  const source = `polity://${realm.name}`
  await recordGenesis(realm, source, env, RELEASE)
  const { log, committed: views, reader, vaultKey } = realm
  const codeKey = deriveKey(vaultKey, 'sign-in codes')
  const identity = openIdentity({ log, views, reader, env, source, codeKey })
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
interface Features {
  readonly opened: readonly OpenedModule[]
  readonly witness: ReturnType<typeof witnessRoom>
  readonly taking: PromiseWithResolvers<Invoke>
  /** What steers runs, once there are any. */
  readonly steering: PromiseWithResolvers<RunsRoomPorts>
}

async function openFeatures(
  options: HubOptions,
  { realm, services, identity, env, source, onFailure }: Ground,
  definitions: () => readonly Definition[],
  opening: AsyncDisposableStack,
): Promise<Features> {
  const witness = witnessRoom(options.witness)
  const taking = Promise.withResolvers<Invoke>()
  // Whoever waits hears of it; when nobody does, nobody has to.
  taking.promise.catch(() => undefined)
  const steering = Promise.withResolvers<RunsRoomPorts>()
  steering.promise.catch(() => undefined)
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
        definitions,
      },
      [...roomsOf(options), witness, runsRoom(steering.promise)],
      options.modules,
    ),
    (each) => each.close(),
  )
  opening.defer(() => {
    const closing = new PolityError('log.closed', 'the hub is closing')
    taking.reject(closing)
    steering.reject(closing)
  })
  return { opened, witness, taking, steering }
}

/** What can be asked for, and the rules about it. */
interface Law {
  readonly catalog: Catalog
  readonly gate: Gate
}

async function openLaw(
  options: HubOptions,
  ground: Ground,
  { opened }: Features,
  stages: () => readonly StageReport[],
): Promise<Law> {
  const { realm, identity, env, source, startedAt } = ground
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
  const gate = await openHubGate(options, catalog)
  await recordBundle(realm, gate, source, env)
  return { catalog, gate }
}

/** The one way through the rooms, and what is under way on it. */
interface Acting {
  readonly ports: InvokePorts
  readonly invoke: Invoke
  readonly progress: EventEmitter
  readonly room: RunsRoomPorts
}

function openActing(
  { realm, services, identity, env, source, onFailure }: Ground,
  { catalog, gate }: Law,
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
  const { isSolo } = identity
  const rooms = { catalog, gate, log, committed, vault, reader, runs, denials, idempotency, isSolo }
  const ports: InvokePorts = { ...rooms, turns: openTurns(), env, source, evidenceWritten: new Set() }
  const invoke = openInvoke(ports)
  const ask = openAsk({ ...ports, views })
  return { ports, invoke, progress, room }
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

const openHubGate = async (
  { policyDir = STARTER_DIR, mode }: HubOptions,
  { definitions }: Catalog,
): Promise<Gate> =>
  openGate({
    bundle: await loadBundle(policyDir),
    actions: definitions.map((definition) => ({ name: definition.name, facts: factTypes(definition) })),
    ...(mode === undefined ? {} : { mode }),
  })

const catalogOf = (modules: readonly OpenedModule[]): Catalog =>
  openCatalog(
    modules.flatMap(({ commands = [] }) => commands),
    modules.flatMap(({ queries = [] }) => queries),
  )
