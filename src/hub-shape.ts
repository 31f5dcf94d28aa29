// What a hub is opened with, and what it then offers.

import type { Stage } from './boot/stages.ts'
import type { Ask, Permit } from './kernel/catalog/ask.ts'
import type { Caller } from './kernel/catalog/caller.ts'
import type { Catalog } from './kernel/catalog/catalog.ts'
import type { Progress } from './kernel/catalog/context.ts'
import type { Watched } from './kernel/catalog/decision-counts.ts'
import type { FaceOf } from './kernel/catalog/face.ts'
import type { Answer, Invoke } from './kernel/catalog/invoke.ts'
import type { Module } from './kernel/catalog/module.ts'
import type { Live } from './kernel/config/live.ts'
import type { ConfigPorts } from './kernel/config/room.ts'
import type { EgressSettings } from './kernel/egress/egress.ts'
import type { Env } from './kernel/env.ts'
import type { PolityError } from './kernel/errors.ts'
import type { Gate } from './kernel/gate/gate.ts'
import type { Rollout } from './kernel/gate/types.ts'
import type { Identity } from './kernel/identity/identity.ts'
import type { SignerCommand } from './kernel/log/command-signer.ts'
import type { ReadableLog } from './kernel/log/log.ts'
import type { Views } from './kernel/log/views.ts'
import type { PublicRetention } from './kernel/retention/policy.ts'
import type { StageReport } from './kernel/system/stage-report.ts'
import type { Targets } from './kernel/targets/targets.ts'
import type { TimestampAuthority } from './kernel/timestamp/ask-authority.ts'
import type { WitnessFace, WitnessSettings } from './kernel/witness/room.ts'

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
  /** How far the rules bind at the first start; afterwards the log says it (`gate.mode`). */
  readonly rollout?: Rollout
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
  /** What its gate has decided, and what stands now, in numbers. */
  readonly watched: Watched
  /** To read, follow and prove. Nobody appends but through `invoke`. */
  readonly log: ReadableLog
  readonly views: Views
  readonly catalog: Catalog
  readonly identity: Identity
  /** What this hub shows of the logs that it cosigns, and of who cosigns its own. */
  readonly witness: WitnessFace
  /** What is in force. Nobody decides or loads rules but the hub itself. */
  readonly gate: Pick<Gate, 'rollout' | 'bundle'>
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
