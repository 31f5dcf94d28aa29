// How people read components: how each one is and why, and where what is there differs from what is declared.

import { blockLines, type ListColumn, listPresent, present } from './listing.ts'
import { type Present, recordLines } from './render.ts'
import { durationText, timeText } from './times.ts'

interface ShownComponent {
  readonly id: string
  readonly name: string
  readonly kind: string
  readonly version: string
  readonly owner: string
  readonly health: string
  readonly reasons: readonly string[]
  readonly capabilities: readonly string[]
  readonly sharedWith?: readonly string[]
  readonly endpoints: readonly { readonly url: string }[]
  readonly metadata: Readonly<Record<string, string>>
  readonly epoch: number
  readonly ttlMs: number
  readonly registeredAt: string
  readonly renewedAt?: string
  readonly expiresAt?: string
  readonly checkReports: readonly {
    readonly name: string
    readonly state: string
    readonly note: string
    readonly since?: string
  }[]
}

const COLUMNS: readonly ListColumn<ShownComponent>[] = [
  { title: 'id', isWhole: true, cell: ({ id }) => id },
  { title: 'health', isWhole: true, cell: ({ health }) => health },
  { title: 'version', cell: ({ version }) => version },
  { title: 'kind', isOptional: true, cell: ({ kind }) => kind },
  { title: 'renewed', isWhole: true, isOptional: true, isTime: true, cell: ({ renewedAt }) => renewedAt },
  { title: 'why', isWrapped: true, cell: ({ reasons }) => reasons.join('; ') },
]

export const componentLines = listPresent(COLUMNS)

const CHECKS: readonly ListColumn<ShownComponent['checkReports'][number]>[] = [
  { title: 'check', isWhole: true, cell: ({ name }) => name },
  { title: 'state', isWhole: true, cell: ({ state }) => state },
  { title: 'since', isWhole: true, isOptional: true, isTime: true, cell: ({ since }) => since },
  { title: 'note', isWrapped: true, cell: ({ note }) => note },
]

export const componentReport: Present = (output, form) => {
  const component = output as ShownComponent
  const { id, health, reasons, version, kind, name, owner, capabilities, endpoints, metadata } = component
  const { registeredAt, checkReports, sharedWith } = component
  return [
    ...recordLines(
      present({
        id,
        health,
        why: reasons.length === 0 ? undefined : reasons,
        version,
        kind,
        name: name === id ? undefined : name,
        owner,
        lease: leaseText(component, form.width),
        capabilities: capabilities.length === 0 ? undefined : capabilities.join(', '),
        'shared with': sharedWith === undefined ? undefined : sharedWith.join(', '),
        endpoints: endpoints.map(({ url }) => url),
        metadata:
          Object.keys(metadata).length === 0
            ? undefined
            : Object.entries(metadata).map(([key, value]) => `${key}: ${value}`),
        registered: timeText(registeredAt, form.width),
      }),
      form.width,
    ),
    ...blockLines(CHECKS, checkReports, form),
  ]
}

/** The epoch is what a renewal names. */
function leaseText({ epoch, ttlMs, renewedAt, expiresAt }: ShownComponent, width?: number): string {
  const times =
    renewedAt === undefined || expiresAt === undefined
      ? []
      : [`renewed ${timeText(renewedAt, width)}`, `until ${timeText(expiresAt, width)}`]
  return [...times, `for ${durationText(ttlMs)} at a time`, `epoch ${epoch}`].join(', ')
}

interface ShownTotals {
  readonly passing: number
  readonly warning: number
  readonly critical: number
  readonly lost: number
  readonly isHolding: boolean
  readonly since?: string
  readonly count?: number
  readonly total?: number
}

export const componentTotalLines: Present = (output, { width }) => {
  const { passing, warning, critical, lost, isHolding, since = '', count, total } = output as ShownTotals
  return recordLines({
    passing,
    warning,
    critical,
    lost,
    'mass loss': isHolding
      ? `${count} of ${total} missed at once since ${timeText(since, width)}: nobody is declared lost meanwhile`
      : 'none',
  })
}

interface Drifted {
  readonly kind: string
  readonly id: string
  readonly declared?: string
  readonly registered?: string
}

export const driftLines = listPresent<Drifted>([
  { title: 'id', isWhole: true, cell: ({ id }) => id },
  { title: 'drift', cell: ({ kind }) => kind.replaceAll('-', ' ') },
  { title: 'declared', cell: ({ declared }) => declared },
  { title: 'registered', cell: ({ registered }) => registered },
])

/** Nothing differs, or nothing was declared that could. */
export function driftRemarks(output: unknown): string[] {
  const { digest, items } = output as { readonly digest?: string; readonly items: readonly Drifted[] }
  if (digest === undefined) return [NO_MANIFESTS]
  return items.length === 0 ? ['what is there is what is declared'] : []
}

const NO_MANIFESTS =
  'no manifests are in force: `polity components manifests-apply @root.modules.yaml` declares modules'

interface DeclaredModule {
  readonly id: string
  readonly version: string
  readonly stage: number
  readonly priority: number
  readonly isEnabled: boolean
  readonly dependencies: readonly { readonly id: string; readonly range: string }[]
  readonly description?: string
}

export const manifestLines = listPresent<DeclaredModule>([
  { title: 'module', isWhole: true, cell: ({ id }) => id },
  { title: 'version', cell: ({ version }) => version },
  { title: 'stage', isNumeric: true, cell: ({ stage }) => stage },
  { title: 'priority', isNumeric: true, cell: ({ priority }) => priority },
  { title: 'enabled', cell: ({ isEnabled }) => (isEnabled ? 'yes' : 'no') },
  {
    title: 'needs',
    isWrapped: true,
    cell: ({ dependencies }) => dependencies.map(({ id, range }) => `${id} ${range}`.trim()).join(', '),
  },
])

export function manifestRemarks(output: unknown): string[] {
  const { items } = output as { readonly items: readonly unknown[] }
  return items.length === 0 ? [NO_MANIFESTS] : []
}

interface ShownPlan {
  readonly order: readonly {
    readonly position: number
    readonly id: string
    readonly version: string
    readonly stage: number
    readonly reason: string
  }[]
  readonly problems: readonly { readonly kind: string; readonly module: string; readonly sentence: string }[]
  readonly remarks: readonly string[]
}

const ORDER: readonly ListColumn<ShownPlan['order'][number]>[] = [
  { title: '#', isNumeric: true, cell: ({ position }) => position },
  { title: 'module', isWhole: true, cell: ({ id }) => id },
  { title: 'version', cell: ({ version }) => version },
  { title: 'stage', isNumeric: true, cell: ({ stage }) => stage },
  { title: 'reason', isWrapped: true, cell: ({ reason }) => reason },
]

const PROBLEMS: readonly ListColumn<ShownPlan['problems'][number]>[] = [
  { title: 'does not load', isWhole: true, cell: ({ module }) => module },
  { title: 'why', isWrapped: true, cell: ({ sentence }) => sentence },
]

export const planLines: Present = (output, form) => {
  const { order, problems } = output as ShownPlan
  const lines = [...blockLines(ORDER, order, form), ...blockLines(PROBLEMS, problems, form)]
  return lines.slice(1)
}

export const planRemarks = (output: unknown): string[] => [...(output as ShownPlan).remarks]

interface ShownTraffic {
  readonly component: string
  readonly method: string
  readonly path: string
  readonly requests: number
  readonly status4xx: number
  readonly status5xx: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export const trafficLines = listPresent<ShownTraffic>([
  { title: 'component', cell: ({ component }) => component },
  { title: 'method', isWhole: true, cell: ({ method }) => method },
  { title: 'path', cell: ({ path }) => path },
  { title: 'requests', isNumeric: true, cell: ({ requests }) => requests },
  { title: '4xx', isNumeric: true, cell: ({ status4xx }) => status4xx },
  { title: '5xx', isNumeric: true, cell: ({ status5xx }) => status5xx },
  { title: 'p50', isNumeric: true, isWhole: true, cell: ({ p50Ms }) => durationText(p50Ms) },
  { title: 'p99', isNumeric: true, isWhole: true, cell: ({ p99Ms }) => durationText(p99Ms) },
])

interface Routed {
  readonly instances: readonly {
    readonly component: string
    readonly url: string
    readonly health: string
  }[]
}

const INSTANCES: readonly ListColumn<Routed['instances'][number]>[] = [
  { title: 'component', isWhole: true, cell: ({ component }) => component },
  { title: 'health', isWhole: true, cell: ({ health }) => health },
  { title: 'url', isWrapped: true, cell: ({ url }) => url },
]

export const gatewayLines: Present = (output, form) =>
  blockLines(INSTANCES, (output as Routed).instances, form).slice(1)
