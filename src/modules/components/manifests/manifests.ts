// Manifests in force: applied as one fact, planned, and compared with the components that are there.

import { createHash } from 'node:crypto'
import type { CommandContext, Reads } from '../../../kernel/catalog/context.ts'
import type { WorkingReads } from '../../../kernel/catalog/working-rows.ts'
import type { Static } from '../../../kernel/schema/schema.ts'
import {
  type declared,
  type drift,
  MANIFESTS_KEY,
  ManifestsApplied,
  manifests,
  type manifestsApply,
  type plan,
} from '../contract.ts'
import { allSeen } from '../reading.ts'
import { planLoad } from './plan.ts'
import { readManifests } from './read.ts'

/** Throws `input.invalid`, `manifest.duplicate`, `manifest.cycle`. What is merely missing is accepted, and shown by the plan. */
export async function applyManifests(
  ctx: CommandContext,
  yaml: string,
): Promise<Static<typeof manifestsApply.output>> {
  const { modules, remarks } = readManifests(yaml)
  const { problems } = planLoad(modules)
  const digest = digestOf(yaml)
  // Two that apply at the same moment go one after the other.
  await ctx.get(manifests, MANIFESTS_KEY)
  ctx.record(ManifestsApplied({ digest, modules: [...modules] }, { subject: 'manifests' }))
  return {
    digest,
    modules: modules.length,
    remarks: [...remarks, ...problems.map(({ sentence }) => sentence)],
  }
}

const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`

/** Of the manifests in force, or of a text that is only looked at. */
export async function planOf(reads: Reads, yaml: string | undefined): Promise<Static<typeof plan.output>> {
  if (yaml !== undefined) {
    const { modules, remarks } = readManifests(yaml)
    const { order, problems } = planLoad(modules)
    return { digest: digestOf(yaml), order: [...order], problems: [...problems], remarks: [...remarks] }
  }
  const row = (await reads.get(manifests, MANIFESTS_KEY))?.value
  if (row === undefined) return { order: [], problems: [], remarks: ['no manifests are in force'] }
  const { order, problems } = planLoad(row.modules)
  return { digest: row.digest, order: [...order], problems: [...problems], remarks: [] }
}

export async function declaredModules(reads: Reads): Promise<Static<typeof declared.output>> {
  const row = (await reads.get(manifests, MANIFESTS_KEY))?.value
  return row === undefined
    ? { items: [] }
    : { digest: row.digest, appliedAt: row.appliedAt, items: row.modules }
}

type Drifted = Static<typeof drift.output>['items'][number]

/** Disabled modules need not be there, and may be. */
export async function driftOf(
  reads: Reads,
  rows: Pick<WorkingReads, 'get' | 'scan'>,
  nowMs: number,
): Promise<Static<typeof drift.output>> {
  const [row, seen] = await Promise.all([reads.get(manifests, MANIFESTS_KEY), allSeen(reads, rows, nowMs)])
  if (row === undefined) return { items: [] }
  const { modules, digest } = row.value
  const there = new Map(seen.map((each) => [each.row.id, each]))
  const known = new Set(modules.map(({ id }) => id))
  const items = modules.flatMap(({ id, version, isEnabled }): Drifted[] => {
    const found = there.get(id)
    const pair = { id, declared: version }
    if (found === undefined) return isEnabled ? [{ kind: 'not-registered', ...pair }] : []
    const registered = found.row.version
    if (found.health === 'lost') return [{ kind: 'lost', ...pair, registered }]
    return registered === version ? [] : [{ kind: 'other-version', ...pair, registered }]
  })
  const strangers = seen
    .filter(({ row: { id } }) => !known.has(id))
    .map(({ row: { id, version } }): Drifted => ({ kind: 'not-declared', id, registered: version }))
  return { digest, items: [...items, ...strangers] }
}
