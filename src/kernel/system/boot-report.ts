// Records that a hub has started, how its stages went, and digests of what it started with.

import { createHash } from 'node:crypto'
import { canonicalize } from '../../kit/canonical-json.ts'
import type { Definition } from '../catalog/definition.ts'
import { type HubRecordPorts, recordAsHub } from '../catalog/hub-records.ts'
import type { OpenedModule } from '../catalog/module.ts'
import { Booted } from './contract.ts'
import type { StageReport } from './stage-report.ts'

export interface BootFacts {
  readonly release: string
  /** RFC 3339 */
  readonly startedAt: string
  readonly durationMs: number
  readonly stages: readonly StageReport[]
  readonly definitions: readonly Definition[]
  /** `sha256:` of the configuration in force. */
  readonly configuration: string
  readonly modules: readonly OpenedModule[]
}

/** One entry per start. */
export async function recordBoot(ports: HubRecordPorts, facts: BootFacts): Promise<void> {
  const { release, startedAt, durationMs, stages, configuration } = facts
  const digests = {
    catalog: catalogDigest(facts.definitions),
    configuration,
    modules: Object.fromEntries(
      await Promise.all(
        facts.modules.flatMap(({ declared }) => (declared === undefined ? [] : [digestOf(declared)])),
      ),
    ),
  }
  await recordAsHub(
    ports,
    [Booted({ release, stages: [...stages], digests, startedAt, durationMs }, { subject: 'hub' })],
    {},
    { wait: 'signed' },
  )
}

const digestOf = async ({ name, digest }: NonNullable<OpenedModule['declared']>) =>
  [name, await digest()] as const

/** Names, schemas and flags, in the order of the names: the same for every hub of one release with the same modules. */
function catalogDigest(definitions: readonly Definition[]): string {
  const shown = definitions
    .map(({ name, kind, risk, effect, isReserved, facts, errors, schema, output }) => ({
      name,
      kind,
      risk: risk ?? null,
      effect: effect ?? null,
      isReserved: isReserved ?? false,
      facts: facts ?? [],
      errors: errors ?? [],
      input: schema,
      output,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  return `sha256:${createHash('sha256').update(canonicalize(shown)).digest('hex')}`
}
