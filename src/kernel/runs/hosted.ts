// The Runs room of a hub: what it works with, taken from the rooms around it.

import type { Ask } from '../catalog/ask.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Progress } from '../catalog/context.ts'
import type { Idempotency } from '../catalog/idempotency.ts'
import type { ApprovalDesk } from '../catalog/invocation.ts'
import type { Invoke } from '../catalog/invoke.ts'
import type { Env } from '../env.ts'
import type { PolityError } from '../errors.ts'
import type { Services } from '../hosting/services.ts'
import type { Identity } from '../identity/identity.ts'
import type { Realm } from '../realm/realm.ts'
import { openCallbacks } from './callbacks.ts'
import { openAsking } from './callers.ts'
import type { RunsRoomPorts } from './room.ts'
import type { RunRow } from './run.ts'
import { openRuns, type Runs } from './runs.ts'
import { stepCipher } from './step-cipher.ts'
import { tidyRegularly } from './tidying.ts'

export interface HostedRunsPorts {
  readonly realm: Realm
  readonly services: Pick<Services, 'targets' | 'deliveries' | 'egress'>
  readonly identity: Pick<Identity, 'requireLive'>
  readonly idempotency: Idempotency
  readonly catalog: Catalog
  readonly env: Env
  /** `polity://realm` */
  readonly source: string
  /** 32 bytes: seals the results of steps at rest. */
  readonly stepKey: Uint8Array
  readonly invoke: Invoke
  readonly ask: Ask
  readonly desk: () => ApprovalDesk
  readonly onProgress: (run: RunRow, progress: Progress) => void
  readonly onFailure: (error: PolityError) => void
}

/** Closed with the hub. */
export function openHostedRuns(
  ports: HostedRunsPorts,
  opening: AsyncDisposableStack,
): { readonly runs: Runs; readonly room: RunsRoomPorts } {
  const { realm, services, env, stepKey, catalog } = ports
  const { reader, log, statementSigner, wake } = realm
  const open = realm.vault.reveal
  const cipher = stepCipher(stepKey, env)
  const { sign } = statementSigner
  const { deliveries, egress, targets } = services
  const callbacks = openCallbacks({ deliveries, egress, reader, cipher, open, sign })
  const asking = openAsking({ ...ports, open, runs: () => runs })
  const handlerOf = (action: string) => catalog.command(action)
  const runs = opening.adopt(
    openRuns({
      ...ports,
      log,
      reader,
      reads: realm.views,
      holder: realm.holder,
      isAlone: realm.isAlone,
      handlerOf,
      open,
      asking,
      targets,
      callbacks,
      ...(wake === undefined ? {} : { wake }),
    }),
    (each) => each.close(),
  )
  opening.defer(tidyRegularly({ log, reader, env, onFailure: ports.onFailure }))
  return { runs, room: { reader, runs, callbacks, cipher, stepKey, handlerOf, open, asking, env, log } }
}
