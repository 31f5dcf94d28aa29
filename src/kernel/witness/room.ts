// The room of witnesses: cosigns the logs of others, has our own log cosigned, and watches over both.

import { defineRoom, type Room, type RoomHost } from '../catalog/room.ts'
import { PolityError } from '../errors.ts'
import { witnessActions } from './actions.ts'
import { openWitnessServer, type WitnessServer } from './add-checkpoint.ts'
import { openAlerts } from './alerts.ts'
import { askWitnesses } from './ask-witnesses.ts'
import * as contract from './contract.ts'
import { openCosigner } from './cosigner.ts'
import { openMonitor } from './monitor.ts'
import { loadPolicy } from './policy.ts'
import { openWitnessKey } from './witness-key.ts'

export interface WitnessSettings {
  /** How long a witness may take to cosign. */
  readonly timeoutMs?: number
  /** Between two looks at a followed log. */
  readonly monitorIntervalMs?: number
}

/** What doors show to everybody. */
export interface WitnessFace extends WitnessServer {
  /** The key with which this hub cosigns (C2SP tlog-cosignature). */
  readonly vkey: string
  /** The text of the tlog-policy in force; undefined when none was ever set. */
  policy(): string | undefined
}

export interface WitnessRoom extends Room {
  /** Once the room is open. */
  readonly face: WitnessFace
}

/** Views and definitions, also for the writer. */
export const witnessContract = {
  url: new URL('./contract.ts', import.meta.url).href,
  exports: { ...contract },
}

/** Throws `log.rollback` when a witness proves that the log once was larger, and `signer.failed` for a lost key. */
export function witnessRoom(settings: WitnessSettings = {}): WitnessRoom {
  let face: WitnessFace | undefined
  const room = defineRoom('witness', witnessContract, async (host) => {
    const opened = await open(host, settings)
    face = opened.face
    return opened.module
  })
  return {
    ...room,
    get face() {
      if (face === undefined) throw new PolityError('internal', 'the witness room is not open yet')
      return face
    },
  }
}

async function open(host: RoomHost, { timeoutMs, monitorIntervalMs }: WitnessSettings) {
  const { realm } = host
  const alerts = openAlerts(host)
  const key = openWitnessKey(realm.log.origin, host.dir, host.onFailure)
  const inForce = await loadPolicy(realm.committed)
  const suspicions = await askWitnesses({ realm, inForce, onFailure: host.onFailure })
  for (const { alert, place } of suspicions) await alerts.raise(alert, place)

  const server = openWitnessServer({ host, key, alerts })
  const cosigner = await openCosigner({ host, alerts, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
  const monitor = openMonitor({
    host,
    alerts,
    ...(monitorIntervalMs === undefined ? {} : { intervalMs: monitorIntervalMs }),
  })
  const face: WitnessFace = { ...server, vkey: key.vkey, policy: () => cosigner.inForce()?.text }
  const close = async () => {
    await Promise.all([cosigner.close(), monitor.close()])
  }
  return { face, module: { ...witnessActions({ realm, key, cosigner, monitor }), close } }
}
