// The facts of the registry, and what they fold into: one row per component, one row for the manifests in force.

import { entryType } from '../../kernel/log/entry.ts'
import { view } from '../../kernel/log/view.ts'
import { Integer, Sha256, type Static, Timestamp, Type } from '../../kernel/schema/schema.ts'
import { DeclaredModule } from './manifests/schema.ts'
import { ComponentId, described, Epoch, OwnerText, SharedWith } from './schemas.ts'

export const ComponentRegistered = entryType('components.registered@1', {
  ...described,
  sharedWith: Type.Optional(SharedWith),
  owner: OwnerText,
  epoch: Epoch,
})
export const ComponentDeregistered = entryType('components.deregistered@1', { id: ComponentId })
/** Its lease ran out, and nothing speaks for a fault of our own. */
export const ComponentLost = entryType('components.lost@1', {
  id: ComponentId,
  epoch: Epoch,
  expiredAt: Timestamp,
})
export const ComponentRecovered = entryType('components.recovered@1', { id: ComponentId, epoch: Epoch })
/** As often as its check allows, it failed. */
export const CheckFailed = entryType('components.check-failed@1', {
  id: ComponentId,
  check: Type.String(),
  note: Type.String(),
})
export const CheckPassed = entryType('components.check-passed@1', { id: ComponentId, check: Type.String() })
/**
 * Many leases ran out at once. `hub`: of whoever has components, which is first taken for a fault of the hub, and nobody
 * is declared lost. `owner`: of one owner only, and nobody of this owner is.
 */
export const MassLossSuspected = entryType('components.mass-loss@1', {
  count: Integer,
  total: Integer,
  suspected: Type.Union([Type.Literal('hub'), Type.Literal('owner')]),
  owner: Type.Optional(OwnerText),
})
/** `renewals`: they came back. `confirmed`: they did not, although the hub's own probes work. */
export const MassLossEnded = entryType('components.mass-loss-ended@1', {
  outcome: Type.Union([Type.Literal('renewals'), Type.Literal('confirmed')]),
  overdue: Integer,
  owner: Type.Optional(OwnerText),
})
export const ManifestsApplied = entryType('components.manifests-applied@1', {
  digest: Sha256,
  modules: Type.Array(DeclaredModule, { maxItems: 256 }),
})

export interface ComponentRow extends Static<typeof ComponentRegistered.schema> {
  readonly registeredAt: string
  readonly isLost: boolean
}

export const components = view<
  ComponentRow,
  typeof ComponentRegistered | typeof ComponentDeregistered | typeof ComponentLost | typeof ComponentRecovered
>('components.components', 1, {
  from: [ComponentRegistered, ComponentDeregistered, ComponentLost, ComponentRecovered],
  keys: ({ data }) => [data.id],
  fold(row, { type, time, data }) {
    switch (type) {
      case ComponentRegistered.name:
        return { ...(data as Static<typeof ComponentRegistered.schema>), registeredAt: time, isLost: false }
      case ComponentLost.name:
        return row === undefined ? null : { ...row.value, isLost: true }
      case ComponentRecovered.name:
        return row === undefined ? null : { ...row.value, isLost: false }
      default:
        return null
    }
  },
})

export interface ManifestsRow extends Static<typeof ManifestsApplied.schema> {
  readonly appliedAt: string
  /** How often manifests were applied. */
  readonly revision: number
}

/** The manifests in force stand under this key. */
export const MANIFESTS_KEY = 'current'

export const manifests = view<ManifestsRow, typeof ManifestsApplied>('components.manifests', 1, {
  from: [ManifestsApplied],
  keys: () => [MANIFESTS_KEY],
  fold: (row, { data, time }) => ({ ...data, appliedAt: time, revision: (row?.value.revision ?? 0) + 1 }),
})
