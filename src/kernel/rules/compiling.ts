// A source as this hub would run it: with the actions of its catalog, and under some roll-out.

import { factTypes } from '../catalog/decide.ts'
import type { Definition } from '../catalog/definition.ts'
import type { RowChange } from '../catalog/working-rows.ts'
import { type Bundle, bundleBytes } from '../gate/bundle.ts'
import { rulesOf } from '../gate/rules.ts'
import type { ActionDefinition, Rollout } from '../gate/types.ts'
import { EVIDENCE } from '../log/layout.ts'
import { bundleOfSource, type Source } from './source.ts'

export const actionsOf = (definitions: readonly Definition[]): ActionDefinition[] =>
  definitions.map((definition) => ({ name: definition.name, facts: factTypes(definition) }))

/** Errors: `gate.bundle.invalid` with file, line and column. */
export async function compile(
  source: Source,
  definitions: readonly Definition[],
  { policies }: Pick<Rollout, 'policies'>,
): Promise<Bundle> {
  return rulesOf(await bundleOfSource(source), actionsOf(definitions), policies).bundle
}

/** What evidence and restarts need of rules: their text as handed in, and as in force. */
export const evidenceOf = (source: Source, bundle: Bundle): RowChange[] => [
  { table: EVIDENCE, key: source.digest, value: source.text },
  bundleEvidence(bundle),
]

export const bundleEvidence = (bundle: Bundle): RowChange => ({
  table: EVIDENCE,
  key: bundle.digest,
  value: Buffer.from(bundleBytes(bundle)).toString(),
})

/** An entry has room for 65,535 bytes, and says more than this. */
const NAMES_MAX_BYTES = 16 * 1024

/** Ids of a bundle's policies, as many as an entry takes, and how many there are. */
export function namesOf({ policies }: Bundle): { readonly policies: string[]; readonly policyCount: number } {
  let sizeBytes = 0
  const shown = [...policies.keys()].filter((id) => {
    sizeBytes += Buffer.byteLength(id) + 3
    return sizeBytes <= NAMES_MAX_BYTES
  })
  return { policies: shown, policyCount: policies.size }
}
