// What this hub decides by, kept equal to what the log says: nothing is committed that was decided under anything else.

import type { RoomHost } from '../catalog/room.ts'
import type { StandingSource } from '../catalog/standing.ts'
import { workingWrite } from '../catalog/working-rows.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { Gate } from '../gate/gate.ts'
import { ENFORCED } from '../gate/rollout.ts'
import { viewTable } from '../log/view.ts'
import { canonicalText } from '../schema/canonical.ts'
import { bundleEvidence } from './compiling.ts'
import { bundleOfSource, readSource } from './source.ts'
import { ACTIVE, type Law, law } from './views.ts'
import { openWatchCounts, type WatchCounts } from './watch-counts.ts'
import { watched } from './watching.ts'

export type InForcePorts = Pick<RoomHost, 'realm' | 'env' | 'record' | 'onFailure'>

/** What the gate holds, and the version of the row that says so. */
interface Held {
  readonly version: number
  readonly source: string
  readonly rollout: string
  /** Wall clock, milliseconds; 0: nobody watches. */
  readonly watchedUntilMs: number
}

export interface InForce {
  /** Whether somebody watches what the rules in force do. */
  isWatched(): boolean
  readonly gate: Gate
  readonly standing: StandingSource
  /** Takes over what the log says. Never rejects: while it cannot be taken over, everything is denied. */
  refresh(): Promise<void>
  /** What was asked under the rules in force, at all hubs that share the log. */
  readonly counts: WatchCounts
  /** Why what the log says cannot be taken over; undefined while it can. */
  fault(): PolityError | undefined
}

/** A hub that is behind and cannot catch up looks again after this long. */
const AGAIN_MS = 1000

/** @param held what the gate was opened with; version 0: not known yet */
export function openInForce(
  ports: InForcePorts,
  opened: Gate,
  initial: Pick<Held, 'source' | 'rollout'>,
): InForce {
  const { realm, env } = ports
  let held: Held = { ...initial, version: 0, watchedUntilMs: 0 }
  const isWatched = () => env.now() < held.watchedUntilMs
  const { gate, counts: own } = watched(opened, isWatched)
  let fault: PolityError | undefined
  let failedAtMs = 0
  let underWay: Promise<void> | undefined

  const takeOver = async () => {
    const { version, value } = await realm.committed.read(law, ACTIVE)
    if (version === held.version && fault === undefined) return
    const next = requireSource(value)
    const rolloutText = canonicalText(next.rollout ?? ENFORCED)
    const isSame = fault === undefined && next.source === held.source && rolloutText === held.rollout
    if (!isSame) {
      const source = await readSource(realm.reader, next.source)
      gate.load(await bundleOfSource(source), undefined, next.rollout ?? ENFORCED)
      await keepEvidence(ports, gate)
    }
    const { source, watchedUntilMs = 0 } = next
    held = { version, source, rollout: rolloutText, watchedUntilMs }
    fault = undefined
  }

  const refresh = () => {
    // One at a time, and the last one has seen whatever was committed before it was asked for.
    const before = underWay
    const mine = (async () => {
      await before
      try {
        await takeOver()
      } catch (thrown) {
        fault = asPolityError(thrown)
        failedAtMs = env.monotonic()
        close(gate)
      }
    })().finally(() => {
      if (underWay === mine) underWay = undefined
    })
    underWay = mine
    return mine
  }

  const counts = openWatchCounts({
    host: ports,
    own: () => ({
      digest: gate.bundle.digest,
      source: held.source,
      watchedUntilMs: held.watchedUntilMs,
      counts: own(),
    }),
  })

  const isDue = () => fault !== undefined && env.monotonic() - failedAtMs >= AGAIN_MS

  return {
    isWatched,
    gate,
    refresh,
    counts,
    fault: () => fault,
    standing: {
      name: 'the rules in force',
      async read(_, { now }) {
        if (underWay !== undefined) await underWay
        // Where nobody else writes, nothing changes but by way of this hub.
        if (!realm.isAlone && fault === undefined && (await versionOf(now)) !== held.version) await refresh()
        if (isDue()) await refresh()
        if (fault !== undefined) throw fault
        return {}
      },
      // Asked for in the same turn in which the gate has decided: what it held then is what must hold at the commit.
      claim: () => ({ expect: [{ table: viewTable(law), key: ACTIVE, version: held.version }] }),
    },
  }
}

/** That nobody can say what is in force is a denial, also where the mode that was in force blocks nothing. */
function close(gate: Gate): void {
  const { policies } = gate.rollout
  gate.load(gate.source, undefined, { ...ENFORCED, ...(policies === undefined ? {} : { policies }) })
}

const versionOf = async (now: Parameters<StandingSource['read']>[1]['now']): Promise<number> =>
  (await now.get(law, ACTIVE))?.version ?? 0

function requireSource(value: Law | undefined): Law & { readonly source: string } {
  if (value?.source !== undefined) return { ...value, source: value.source }
  throw new PolityError(
    'gate.rules-lost',
    'the log does not say which rules are in force: start the hub again, or start over with `polity rescue --starter-rules`',
  )
}

/** Decisions name the rules in force by their digest: their text is in the store before the first of them. */
async function keepEvidence({ realm, record }: InForcePorts, { bundle }: Gate): Promise<void> {
  const row = bundleEvidence(bundle)
  const known = (await realm.reader.load(row.table, [row.key])).value.get(row.key)
  if (known?.value == null) await record([], { rows: [workingWrite(row)] }, { isReserved: true })
}
