// A hub: one realm with its gate, its modules and the one way through them. Embeddable; several fit into a process.

import { createHmac } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { type Ask, openAsk, openPermit, type Permit } from './kernel/catalog/ask.ts'
import { type Catalog, openCatalog } from './kernel/catalog/catalog.ts'
import type { Progress } from './kernel/catalog/context.ts'
import { type Caller, factTypes } from './kernel/catalog/decide.ts'
import { openDenials } from './kernel/catalog/denials.ts'
import { type FaceOf, facesOf } from './kernel/catalog/face.ts'
import { IDEMPOTENCY, openIdempotency } from './kernel/catalog/idempotency.ts'
import { type Answer, answerOf, type Invoke, type InvokePorts, openInvoke } from './kernel/catalog/invoke.ts'
import type { Module, OpenedModule } from './kernel/catalog/module.ts'
import type { Room } from './kernel/catalog/room.ts'
import type { EgressSettings } from './kernel/egress/egress.ts'
import { type Env, systemEnv } from './kernel/env.ts'
import { asPolityError, PolityError } from './kernel/errors.ts'
import { loadBundle, STARTER_DIR } from './kernel/gate/bundle.ts'
import { type Gate, openGate } from './kernel/gate/gate.ts'
import type { Mode } from './kernel/gate/types.ts'
import { openHosted } from './kernel/hosting/hosts.ts'
import { openServices, type Services } from './kernel/hosting/services.ts'
import { type Identity, identityContract, openIdentity, WORKING_TABLES } from './kernel/identity/identity.ts'
import { type EstablishedOwner, establishOwner } from './kernel/identity/owner-token.ts'
import { keysRoom } from './kernel/keys/room.ts'
import type { SignerCommand } from './kernel/log/command-signer.ts'
import { dataPaths } from './kernel/log/layout.ts'
import type { ReadableLog } from './kernel/log/log.ts'
import type { Views } from './kernel/log/views.ts'
import { FORWARDED } from './kernel/realm/forwarding.ts'
import { openRealm } from './kernel/realm/open-realm.ts'
import type { Realm } from './kernel/realm/realm.ts'
import { sweepRegularly } from './kernel/realm/sweeping.ts'
import { type PublicRetention, publicRetention } from './kernel/retention/policy.ts'
import { retentionRoom } from './kernel/retention/room.ts'
import { invokeFrom, readableBy } from './kernel/runs/callers.ts'
import { CARRIERS } from './kernel/runs/carriers.ts'
import { RUN_STEPS } from './kernel/runs/journal.ts'
import { RUNS } from './kernel/runs/run.ts'
import { openRuns, type Runs } from './kernel/runs/runs.ts'
import { recordBundle, recordGenesis } from './kernel/system/genesis.ts'
import { systemContract, systemModule } from './kernel/system/module.ts'
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
  /** What of the inside network Polity may speak to; default: nothing. */
  readonly egress?: EgressSettings
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
  close(): Promise<void>
}

/** Rooms of the kernel with actions of their own. */
const ROOMS: readonly Room[] = [keysRoom, retentionRoom]

const roomsOf = ({ timestamps }: HubOptions): readonly Room[] =>
  timestamps === undefined ? ROOMS : [...ROOMS, timestampRoom(timestamps)]

const SWEPT_TABLES = [IDEMPOTENCY, RUNS, RUN_STEPS, CARRIERS, FORWARDED, ...WORKING_TABLES]

/** Opens everything or nothing: what was opened before a failure is closed again, in reverse. */
export async function openHub(options: HubOptions): Promise<Hub> {
  await using opening = new AsyncDisposableStack()
  const ground = await openGround(options, opening)
  const features = await openFeatures(options, ground, opening)
  const law = await openLaw(options, ground, features)
  const acting = openActing(ground, law, opening)
  features.taking.resolve(acting.invoke)
  const { realm, identity, onFailure } = ground
  const { dir } = options
  const owner = await establishOwner(identity, dir === undefined ? undefined : dataPaths(dir).adminToken)
  const swept = features.opened.flatMap(({ sweptTables = [] }) => sweptTables)
  opening.defer(sweepRegularly(realm, [...SWEPT_TABLES, ...swept], onFailure))
  await acting.ports.runs.resume()

  const open = opening.move()
  const face = faceOf({ ...ground, ...realm, ...acting, owner })
  return {
    ...face,
    witness: features.witness.face,
    face: facesOf(() => features.opened),
    targets: ground.services.targets,
    close: () => open.disposeAsync(),
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
    { realm, env, onFailure, ...(options.egress === undefined ? {} : { egress: options.egress }) },
    opening,
  )
  return { realm, services, identity, env, source, startedAt, onFailure }
}

/** Rooms and modules. They may ask for actions once somebody takes them. */
interface Features {
  readonly opened: readonly OpenedModule[]
  readonly witness: ReturnType<typeof witnessRoom>
  readonly taking: PromiseWithResolvers<Invoke>
}

async function openFeatures(
  options: HubOptions,
  { realm, services, identity, env, source, onFailure }: Ground,
  opening: AsyncDisposableStack,
): Promise<Features> {
  const witness = witnessRoom(options.witness)
  const taking = Promise.withResolvers<Invoke>()
  // Whoever waits hears of it; when nobody does, nobody has to.
  taking.promise.catch(() => undefined)
  const { opened } = opening.adopt(
    await openHosted(
      { realm, services, identity, env, source, dir: options.dir, onFailure, invoke: taking.promise },
      [...roomsOf(options), witness],
      options.modules,
    ),
    (each) => each.close(),
  )
  opening.defer(() => taking.reject(new PolityError('log.closed', 'the hub is closing')))
  return { opened, witness, taking }
}

/** What can be asked for, and the rules about it. */
interface Law {
  readonly catalog: Catalog
  readonly gate: Gate
}

async function openLaw(options: HubOptions, ground: Ground, { opened }: Features): Promise<Law> {
  const { realm, identity, env, source, startedAt } = ground
  const system = systemModule({
    release: RELEASE,
    realm: realm.name,
    origin: realm.log.origin,
    startedAt,
    role: () => (realm.isAlone ? 'alone' : realm.isWriter?.() ? 'writer' : 'follower'),
    gate: () => gate,
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
}

function openActing(
  { realm, identity, env, source, onFailure }: Ground,
  { catalog, gate }: Law,
  opening: AsyncDisposableStack,
): Acting {
  const { log, views, committed, vault, reader, vaultKey, holder, isAlone } = realm
  const idempotency = openIdempotency(reader, env, deriveKey(vaultKey, 'idempotency keys'))
  const progress = new EventEmitter().setMaxListeners(0)
  const runs: Runs = opening.adopt(
    openRuns({
      log,
      reader,
      env,
      stepKey: deriveKey(vaultKey, 'step results'),
      source,
      reads: views,
      holder,
      isAlone,
      handlerOf: (action) => catalog.command(action),
      open: vault.reveal,
      invokeFrom: (run) => invokeFrom(run, { identity, idempotency }, (...asked) => invoke(...asked)),
      onProgress: (run, { done, total, note }) =>
        progress.emit('progress', { run: run.id, action: run.action, done, total, note }),
      onFailure,
    }),
    (each) => each.close(),
  )
  const denials = opening.adopt(
    openDenials(env, (error) => onFailure(asPolityError(error))),
    (each) => each.close(),
  )
  const { isSolo } = identity
  const rooms = { catalog, gate, log, committed, vault, reader, runs, denials, idempotency, isSolo }
  const ports: InvokePorts = { ...rooms, turns: openTurns(), env, source, evidenceWritten: new Set() }
  const invoke = openInvoke(ports)
  return { ports, invoke, progress }
}

interface Opened {
  readonly startedAt: string
  readonly ports: InvokePorts
  readonly views: Views
  readonly reader: Realm['reader']
  readonly identity: Identity
  readonly invoke: Invoke
  readonly owner: EstablishedOwner
  readonly progress: EventEmitter
}

/** What a hub shows of its rooms: nothing with which its actions could be walked around. */
function faceOf({
  startedAt,
  ports,
  views,
  reader,
  identity,
  invoke,
  owner,
  progress,
}: Opened): Omit<Hub, 'close' | 'witness' | 'face' | 'targets'> {
  const { catalog, gate, runs } = ports
  const { append: _, ...log } = ports.log
  return {
    release: RELEASE,
    startedAt,
    invoke,
    ask: openAsk({ ...ports, views }),
    permit: openPermit(ports),
    // A spread would keep the key that signs now for ever.
    log: {
      ...log,
      get vkey() {
        return ports.log.vkey
      },
    },
    views,
    catalog,
    identity,
    gate: {
      mode: gate.mode,
      get bundle() {
        return gate.bundle
      },
    },
    owner: owner.caller,
    ownerToken: owner.token,
    onProgress(listener) {
      progress.on('progress', listener)
      return () => progress.off('progress', listener)
    },
    run: async (caller, id) => answerOf(ports, readableBy(caller, await runs.get(id))),
    retention: publicRetention({ views, reader, log }),
  }
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
