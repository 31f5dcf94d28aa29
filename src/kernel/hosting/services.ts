// What rooms and modules of one hub share beside the log: the way outside, targets, subscriptions, deliveries.

import type { Live } from '../config/live.ts'
import { type Deliveries, openDeliveries } from '../deliveries/deliveries.ts'
import { type Egress, type EgressSettings, openEgress } from '../egress/egress.ts'
import { openLiveEgress } from '../egress/live-egress.ts'
import type { Env } from '../env.ts'
import type { PolityError } from '../errors.ts'
import type { Subscriptions } from '../feed/subscription.ts'
import { openSubscriptions } from '../feed/subscriptions.ts'
import type { Realm } from '../realm/realm.ts'
import { openTargets, type Targets } from '../targets/targets.ts'

export interface Services {
  readonly egress: Egress
  readonly targets: Targets
  readonly subscriptions: Subscriptions
  readonly deliveries: Deliveries
}

export interface ServicePorts {
  readonly realm: Realm
  readonly env: Env
  readonly egress?: EgressSettings
  /** In the place of the list in `egress`: one that may change while the hub runs. */
  readonly egressAllow?: Live<readonly string[]>
  readonly onFailure: (error: PolityError) => void
}

export function openServices(
  { realm, env, egress: settings, egressAllow, onFailure }: ServicePorts,
  opening: AsyncDisposableStack,
): Services {
  const { log, reader, holder, isAlone } = realm
  const shared = { log, reader, env, holder, isAlone, onFailure }
  const openUnder = (allow: readonly string[]) => openEgress(env, { ...settings, allow })
  const outside =
    egressAllow === undefined ? openEgress(env, settings) : openLiveEgress(egressAllow, openUnder)
  const egress = opening.adopt(outside, (each) => each.close())
  const subscriptions = opening.adopt(openSubscriptions(shared), (each) => each.close())
  const deliveries = opening.adopt(openDeliveries({ ...shared, egress }), (each) => each.close())
  return { egress, targets: openTargets(env), subscriptions, deliveries }
}
