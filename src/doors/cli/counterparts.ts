// How people read services outside: how each is and what waits for it, and what became of an analysis carried to them.

import { blockLines, type ListColumn } from './listing.ts'
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
  readonly lastSuccessAt?: string
  readonly lastError?: string
}

const SERVICES: readonly ListColumn<ShownService>[] = [
  { title: 'service', isWhole: true, cell: ({ service }) => service },
  { title: 'status', isWhole: true, cell: ({ status }) => status },
  { title: 'breaker', isWhole: true, cell: ({ breaker }) => breaker },
  { title: 'probe', isWhole: true, cell: ({ probe }) => probe },
  { title: 'kept', isNumeric: true, cell: ({ waiting }) => waiting },
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
  return kept === undefined ? [] : [`deliver what is kept now: polity counterparts sync ${kept.service}`]
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
