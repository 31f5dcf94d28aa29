// The face of a hub: what embedders and doors may use of its rooms.

import type { EventEmitter } from 'node:events'
import type { Hub } from './hub-shape.ts'
import { openAsk, openPermit } from './kernel/catalog/ask.ts'
import type { Watched } from './kernel/catalog/decision-counts.ts'
import { answerOf, type Invoke, type InvokePorts } from './kernel/catalog/invoke.ts'
import type { Identity } from './kernel/identity/identity.ts'
import type { EstablishedOwner } from './kernel/identity/owner-token.ts'
import type { Views } from './kernel/log/views.ts'
import type { Realm } from './kernel/realm/realm.ts'
import { publicRetention } from './kernel/retention/policy.ts'
import { readableBy } from './kernel/runs/callers.ts'
import { RELEASE } from './release.ts'

/** What a hub has opened. */
export interface Opened {
  readonly startedAt: string
  readonly ports: InvokePorts
  readonly views: Views
  readonly reader: Realm['reader']
  readonly identity: Identity
  readonly invoke: Invoke
  readonly owner: EstablishedOwner
  readonly progress: EventEmitter
  readonly watched: Watched
}

/** What a hub shows of its rooms: nothing with which its actions could be walked around. */
export function faceOf({
  startedAt,
  ports,
  views,
  reader,
  identity,
  invoke,
  owner,
  progress,
  watched,
}: Opened): Omit<Hub, 'close' | 'witness' | 'face' | 'targets' | 'stages'> {
  const { catalog, gate, runs } = ports
  const { append: _, ...log } = ports.log
  return {
    release: RELEASE,
    startedAt,
    invoke,
    ask: openAsk({ ...ports, views }),
    permit: openPermit(ports),
    watched,
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
      get rollout() {
        return gate.rollout
      },
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
