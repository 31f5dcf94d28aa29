// How people read services outside: how each is, what waits for it and what it did not take, and what became of an analysis carried to them.

import { blockLines, type ListColumn, listPresent } from './listing.ts'
import { type Present, recordLines } from './render.ts'

interface Degradation {
  readonly degradationLevel: string
  readonly degradationReason: string
}

interface ShownService {
  readonly service: string
  readonly status: string
  readonly breaker: string
  readonly probe: string
  readonly waiting: number
  /** Absent: the hub is of an earlier release. */
  readonly aside?: number
  readonly lastSuccessAt?: string
  readonly lastError?: string
}

const SERVICES: readonly ListColumn<ShownService>[] = [
  { title: 'service', isWhole: true, cell: ({ service }) => service },
  { title: 'status', isWhole: true, cell: ({ status }) => status },
  { title: 'breaker', isWhole: true, cell: ({ breaker }) => breaker },
  { title: 'probe', isWhole: true, cell: ({ probe }) => probe },
  { title: 'kept', isNumeric: true, cell: ({ waiting }) => waiting },
  { title: 'aside', isNumeric: true, cell: ({ aside }) => aside },
  {
    title: 'last success',
    isOptional: true,
    isWhole: true,
    isTime: true,
    cell: ({ lastSuccessAt }) => lastSuccessAt,
  },
  { title: 'last error', isWrapped: true, cell: ({ lastError }) => lastError },
]

export const counterpartLines: Present = (output, form) => {
  const { services, ...degradation } = output as Degradation & { readonly services: readonly ShownService[] }
  return [
    ...recordLines({ degradation: degradedText(degradation) }, form.width),
    ...blockLines(SERVICES, services, form),
  ]
}

export function counterpartRemarks(output: unknown): string[] {
  const { services } = output as { readonly services: readonly ShownService[] }
  if (services.length === 0)
    return [
      'no service outside is configured, so all work is done here: counterparts.*.url in docs/configuration.md',
    ]
  const kept = services.find(({ waiting }) => waiting > 0)
  const refusing = services.find(({ aside = 0 }) => aside > 0)
  return [
    ...(kept === undefined ? [] : [syncRemark(kept.service)]),
    ...(refusing === undefined
      ? []
      : [`what was set aside, and why: polity counterparts aside ${refusing.service}`]),
  ]
}

const syncRemark = (service: string): string =>
  `deliver what is kept now: polity counterparts sync ${service}`

interface ShownAside {
  readonly service: string
  readonly key: string
  readonly operation: string
  readonly status: number
  readonly sizeBytes: number
  readonly keptAt: string
  readonly asideAt?: string
  readonly retriedAt?: string
}

export const asideLines = listPresent<ShownAside>([
  { title: 'key', isWhole: true, cell: ({ key }) => key },
  { title: 'answer', isWrapped: true, cell: ({ status }) => answerText(status) },
  { title: 'aside since', isWhole: true, isOptional: true, isTime: true, cell: ({ asideAt }) => asideAt },
  { title: 'kept', isWhole: true, isOptional: true, isTime: true, cell: ({ keptAt }) => keptAt },
  { title: 'operation', isOptional: true, cell: ({ operation }) => operation },
  { title: 'bytes', isNumeric: true, isOptional: true, cell: ({ sizeBytes }) => sizeBytes },
  { title: 'retried', isWhole: true, isOptional: true, isTime: true, cell: ({ retriedAt }) => retriedAt },
])

/** In the 2xx it was set aside because nobody could read the answer. */
const answerText = (status: number): string =>
  status >= 200 && status < 300 ? `${status}, unreadable` : `${status}`

export function asideRemarks(output: unknown): string[] {
  const [first] = (output as { readonly items: readonly ShownAside[] }).items
  return first === undefined
    ? []
    : [
        `have it delivered again: polity counterparts retry ${first.service} [KEY...]`,
        `or forget it: polity counterparts drop ${first.service} KEY`,
      ]
}

interface SettledAside {
  readonly service: string
  readonly count: number
  readonly isAll?: boolean
}

export function retriedRemarks(output: unknown): string[] {
  const { service, count } = output as SettledAside
  return [...(count > 0 ? [syncRemark(service)] : []), ...leftRemarks(output)]
}

export function leftRemarks(output: unknown): string[] {
  const { service, isAll = true } = output as SettledAside
  return isAll ? [] : [`NOT ALL of it: polity counterparts aside ${service} shows what is left`]
}

const degradedText = ({ degradationLevel, degradationReason }: Degradation): string =>
  `${degradationLevel}: ${degradationReason}`

const PARTS = ['attestation', 'archive', 'dashboard', 'swarm'] as const

interface Part {
  readonly outcome: string
  readonly reference?: string
  readonly code?: string
  readonly isKept: boolean
}

interface ShownAnalysis {
  readonly analysis_id?: string
  readonly repositories?: Readonly<Record<string, RepositoryFigures>>
}

interface RepositoryFigures {
  readonly status?: string
  readonly health_score?: number | null
  readonly security_grade?: string
  readonly findings?: number
}

type Carried = Degradation &
  Readonly<Record<(typeof PARTS)[number], Part>> & { readonly analysis: ShownAnalysis }

const REPOSITORIES: readonly ListColumn<readonly [string, RepositoryFigures]>[] = [
  { title: 'repository', cell: ([name]) => name },
  { title: 'health', isNumeric: true, cell: ([, { health_score: health }]) => health?.toFixed(1) ?? '–' },
  { title: 'grade', cell: ([, { security_grade: grade }]) => grade },
  { title: 'findings', isNumeric: true, cell: ([, { findings }]) => findings },
]

const OUTCOMES: Readonly<Record<string, string>> = {
  remote: 'at the service',
  fallback: 'here, because the service did not answer',
  local: 'here',
  lost: 'NOT DONE',
}

const DONE: readonly ListColumn<readonly [string, Part]>[] = [
  { title: 'part', isWhole: true, cell: ([part]) => part },
  { title: 'done', isWrapped: true, cell: ([, part]) => doneText(part) },
  { title: 'as', isWrapped: true, cell: ([, { reference }]) => reference },
]

const doneText = ({ outcome, code, isKept }: Part): string =>
  [
    OUTCOMES[outcome] ?? outcome,
    ...(code === undefined ? [] : [`(${code})`]),
    ...(isKept ? ['– kept, and delivered when it answers'] : []),
  ].join(' ')

export const carriedLines: Present = (output, form) => {
  const carried = output as Carried
  const { analysis_id: id = '(erased)', repositories = {} } = carried.analysis
  return [
    ...recordLines({ analysis: id, degradation: degradedText(carried) }, form.width),
    ...blockLines(REPOSITORIES, Object.entries(repositories), form),
    ...blockLines(
      DONE,
      PARTS.map((part) => [part, carried[part]] as const),
      form,
    ),
  ]
}
