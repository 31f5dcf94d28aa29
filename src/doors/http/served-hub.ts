// What the http door needs of a hub; the doors know no hub.

import type { Ask, Permit } from '../../kernel/catalog/ask.ts'
import type { Caller } from '../../kernel/catalog/caller.ts'
import type { Catalog } from '../../kernel/catalog/catalog.ts'
import type { Watched } from '../../kernel/catalog/decision-counts.ts'
import type { FaceOf } from '../../kernel/catalog/face.ts'
import type { Answer, Invoke } from '../../kernel/catalog/invoke.ts'
import type { Gate } from '../../kernel/gate/gate.ts'
import type { Identity } from '../../kernel/identity/identity.ts'
import type { ReadableLog } from '../../kernel/log/log.ts'
import type { PublicRetention } from '../../kernel/retention/policy.ts'
import type { StageReport } from '../../kernel/system/stage-report.ts'
import type { Targets } from '../../kernel/targets/targets.ts'
import type { WitnessFace } from '../../kernel/witness/room.ts'
import type { LiveSource } from '../live/stream.ts'

export interface ServedHub extends LiveSource {
  readonly release: string
  /** RFC 3339. */
  readonly startedAt: string
  readonly invoke: Invoke
  readonly ask: Ask
  readonly log: ReadableLog
  readonly catalog: Catalog
  readonly owner: Caller
  readonly identity: Pick<Identity, 'byToken' | 'bySession' | 'signIn' | 'signOut' | 'signInCode'>
  readonly gate: Pick<Gate, 'rollout' | 'bundle'>
  readonly permit: Permit
  readonly watched: Watched
  readonly witness: WitnessFace
  run(caller: Caller, id: string): Promise<Answer>
  readonly retention: PublicRetention
  readonly face: FaceOf
  readonly targets: Pick<Targets, 'list'>
  readonly stages: () => readonly StageReport[]
}
