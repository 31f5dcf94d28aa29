// How people read brokers: whether each answers and what it can lose, and how far sinks and sources are behind.

import { blockLines, type ListColumn, listLines, listPresent, present } from './listing.ts'
import { type Present, recordLines } from './render.ts'
import { timeText } from './times.ts'

interface Finding {
  readonly setting: string
  readonly value: string
  readonly verdict: string
  readonly consequence: string
  readonly advice: string
}

interface ShownBroker {
  readonly name: string
  readonly isReachable: boolean
  readonly kind?: string
  readonly version?: string
  readonly error?: string
  readonly findings: readonly Finding[]
}

const wordOf = (verdict: string): string => verdict.replaceAll('-', ' ')
const isNotSafe = ({ verdict }: Finding): boolean => verdict !== 'safe'

const BROKERS: readonly ListColumn<ShownBroker>[] = [
  { title: 'broker', isWhole: true, cell: ({ name }) => name },
  { title: 'state', isWhole: true, cell: ({ isReachable }) => (isReachable ? 'reachable' : 'UNREACHABLE') },
  { title: 'kind', isOptional: true, cell: ({ kind = '', version = '' }) => `${kind} ${version}`.trim() },
  {
    title: 'not safe',
    isNumeric: true,
    cell: ({ findings }) => findings.filter(isNotSafe).length,
  },
  { title: 'why', isWrapped: true, cell: ({ error }) => error },
]

const FINDINGS: readonly ListColumn<Finding & { readonly broker: string }>[] = [
  { title: 'broker', isWhole: true, cell: ({ broker }) => broker },
  { title: 'verdict', isWhole: true, cell: ({ verdict }) => wordOf(verdict) },
  { title: 'setting', isWrapped: true, cell: ({ setting, value }) => `${setting} = ${value}` },
  { title: 'what to do', isWrapped: true, cell: ({ consequence, advice }) => `${consequence}. ${advice}` },
]

/** What is safe is shown with `--all` only. */
export const brokerLines: Present = (output, form) => {
  const { items } = output as { readonly items: readonly ShownBroker[] }
  const findings = items.flatMap(({ name: broker, findings: found }) =>
    found.filter((finding) => form.isWhole || isNotSafe(finding)).map((finding) => ({ ...finding, broker })),
  )
  return [...listLines(BROKERS, items, form), ...blockLines(FINDINGS, findings, form)]
}

interface ShownFlow {
  readonly name: string
  readonly kind: string
  readonly broker: string
  readonly place: string
  readonly owner: string
  readonly putAt: string
  readonly lag?: number
  readonly underWay?: number
  readonly waiting?: number
  readonly setAside: number
  readonly error?: string
}

export const flowLines = listPresent<ShownFlow>([
  { title: 'name', isWhole: true, cell: ({ name }) => name },
  { title: 'kind', isWhole: true, cell: ({ kind }) => kind },
  { title: 'lag', isNumeric: true, cell: ({ lag }) => lag },
  { title: 'again', isNumeric: true, cell: ({ waiting }) => waiting },
  { title: 'aside', isNumeric: true, cell: ({ setAside }) => setAside },
  { title: 'broker', cell: ({ broker, place }) => `${broker}: ${place}` },
  { title: 'why', isWrapped: true, cell: ({ error }) => error },
  { title: 'owner', isOptional: true, cell: ({ owner }) => owner },
])

export function flowRemarks(page: unknown): string[] {
  const { items } = page as { readonly items: readonly ShownFlow[] }
  const troubled = items.find(({ setAside }) => setAside > 0)
  return troubled === undefined
    ? []
    : [`what was set aside, and why: polity brokers set-aside ${troubled.name}`]
}

export const putFlowLines: Present = (output, { width }) => {
  const { name, kind, broker, place, owner, putAt, error } = output as ShownFlow
  return recordLines(present({ name, kind, broker, place, owner, put: timeText(putAt, width), error }), width)
}

export const setAsideLines = listPresent<{
  readonly position: string
  readonly state: string
  readonly reason: string
  readonly at: string
}>([
  { title: 'position', isWhole: true, cell: ({ position }) => position },
  { title: 'state', isWhole: true, cell: ({ state }) => state },
  { title: 'since', isWhole: true, isTime: true, cell: ({ at }) => at },
  { title: 'why', isWrapped: true, cell: ({ reason }) => reason },
])
