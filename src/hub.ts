// A hub: one realm with its gate, its modules and the one way through them. Embeddable; several fit into a process.

import { type Output, output } from './boot/output.ts'
import { boot, type Stage } from './boot/stages.ts'
import { faceOf } from './hub-face.ts'
import {
  type Features,
  type Ground,
  type Law,
  openActing,
  openFeatures,
  openGround,
  openLaw,
} from './hub-rooms.ts'
import type { Hub, HubOptions } from './hub-shape.ts'
import { facesOf } from './kernel/catalog/face.ts'
import { IDEMPOTENCY } from './kernel/catalog/idempotency.ts'
import { DELIVERIES, DELIVERY_LANES } from './kernel/deliveries/deliveries.ts'
import { systemEnv } from './kernel/env.ts'
import { SUBSCRIPTIONS } from './kernel/feed/subscription-rows.ts'
import { WORKING_TABLES } from './kernel/identity/identity.ts'
import { establishOwner } from './kernel/identity/owner-token.ts'
import { dataPaths } from './kernel/log/layout.ts'
import { FORWARDED } from './kernel/realm/forwarding.ts'
import { sweepRegularly } from './kernel/realm/sweeping.ts'
import { CARRIERS } from './kernel/runs/sightings.ts'
import { RUN_TABLES } from './kernel/runs/tables.ts'
import { recordBoot } from './kernel/system/boot-report.ts'
import type { StageReport } from './kernel/system/stage-report.ts'
import { RELEASE } from './release.ts'

export type { Hub, HubOptions, RunProgress } from './hub-shape.ts'

const SWEPT_TABLES = [
  SUBSCRIPTIONS,
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
        await openFeatures(
          options,
          out.ground.get(),
          { definitions: () => out.law.get().catalog.definitions, gate: () => out.law.peek()?.gate },
          opening,
        ),
      ),
    ),
    opens('law', ['features'], async () =>
      out.law.set(await openLaw(out.ground.get(), out.features.get(), () => reports)),
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
  const acting = openActing(ground, out.law.get(), features, opening)
  features.steering.resolve(acting.room)
  features.taking.resolve(acting.invoke)
  const owner = await establishOwner(identity, dir === undefined ? undefined : dataPaths(dir).adminToken)
  const swept = features.opened.flatMap(({ sweptTables = [] }) => sweptTables)
  opening.defer(sweepRegularly(realm, [...SWEPT_TABLES, ...swept], onFailure))
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
