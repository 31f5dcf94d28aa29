// How people read the mesh: subscriptions with what waits for them, events as blocks whose ids can be copied.

import { valueText } from './documents.ts'
import { escapeText } from './escape.ts'
import { blockLines, type ListColumn, listPresent, present } from './listing.ts'
import { type Form, type Present, recordLines } from './render.ts'
import { durationText, timeText } from './times.ts'

interface ShownSubscription {
  readonly name: string
  readonly owner: string
  readonly types: readonly string[]
  readonly filter?: string
  readonly orderBy: string
  readonly inFlightMax: number
  readonly ackWaitMs: number
  readonly deliverMax: number
  readonly lane?: string
  readonly major?: number
  readonly createdAt: string
  readonly isPaused: boolean
  readonly lag: number
  readonly underWay: number
  readonly parked: number
  readonly dead: number
}

export const subscriptionLines = listPresent<ShownSubscription>([
  { title: 'name', isWhole: true, cell: ({ name }) => name },
  { title: 'state', isWhole: true, cell: ({ isPaused }) => (isPaused ? 'paused' : 'active') },
  { title: 'lag', isNumeric: true, cell: ({ lag }) => lag },
  { title: 'taken', isNumeric: true, cell: ({ underWay }) => underWay },
  { title: 'aside', isNumeric: true, cell: ({ parked }) => parked },
  { title: 'dead', isNumeric: true, cell: ({ dead }) => dead },
  { title: 'types', isWrapped: true, cell: ({ types }) => types.join(', ') },
  { title: 'owner', isOptional: true, cell: ({ owner }) => owner },
  { title: 'filter', isOptional: true, cell: ({ filter }) => filter },
])

/** Dead events stay where they are until somebody says what becomes of them. */
export function subscriptionRemarks(page: unknown): string[] {
  const { items } = page as { readonly items: readonly ShownSubscription[] }
  const troubled = items.find(({ dead }) => dead > 0)
  return troubled === undefined ? [] : [`what is dead, and why: polity mesh parked ${troubled.name}`]
}

export const openedSubscriptionLines: Present = (output, { width }) => {
  const { name, owner, types, filter, lane, major, isPaused, createdAt, ...rest } =
    output as ShownSubscription
  return recordLines(
    present({
      name,
      state: isPaused ? 'paused' : 'active',
      types,
      filter,
      lane,
      major,
      'one at a time': rest.orderBy === 'none' ? 'no' : `those of the same ${rest.orderBy}`,
      'to handle one': `${durationText(rest.ackWaitMs)}, ${rest.deliverMax} attempts, ${rest.inFlightMax} at once`,
      owner,
      opened: timeText(createdAt, width),
    }),
  )
}

interface ShownEvent extends Readonly<Record<string, unknown>> {
  readonly id: string
  readonly type: string
  readonly source: string
  readonly time: string
}

interface ShownDelivery {
  readonly id: string
  readonly attempt: number
  readonly event: ShownEvent
}

/** Each delivery in lines of its own: its id is to be copied, its data to be read. */
export const takenLines: Present = (output, form) => {
  const { items } = output as { readonly items: readonly ShownDelivery[] }
  return items
    .flatMap(({ id, attempt, event }) => [
      '',
      ...recordLines(
        present({
          delivery: attempt > 1 ? `${id} (attempt ${attempt})` : id,
          ...eventFacts(event, form.width),
        }),
      ),
    ])
    .slice(1)
}

function eventFacts(event: ShownEvent, width: number | undefined): Record<string, unknown> {
  const { type, subject, partitionkey, lane, source, time, data, error, privatedata, request } = event
  if (typeof type !== 'string') return { event: valueText(event) }
  const hidden = privatedata === undefined ? '' : ` (private data is ${String(privatedata)})`
  return {
    event: [
      type,
      ...(subject === undefined ? [] : [`about ${String(subject)}`]),
      ...(partitionkey === undefined || partitionkey === subject ? [] : [`key ${String(partitionkey)}`]),
      ...(lane === 'urgent' ? ['urgent'] : []),
    ].join(', '),
    from: `${source}, ${timeText(time, width)}`,
    request,
    data: data === undefined && hidden === '' ? undefined : `${valueText(data)}${hidden}`.trim(),
    error,
  }
}

export function takenRemarks(output: unknown): string[] {
  const { name, items } = output as { readonly name: string; readonly items: readonly ShownDelivery[] }
  if (items.length === 0) return []
  const isAsked = items.some(({ event }) => event.request !== undefined && !event.type.startsWith('mesh.'))
  return [
    `what is not acknowledged comes again: polity mesh ack ${name} DELIVERY`,
    ...(isAsked ? ['a request waits for its answer: polity mesh reply REQUEST JSON'] : []),
  ]
}

/** Somebody else may have them by now, or they were never there. */
export function settledRemarks(output: unknown): string[] {
  const { count } = output as { readonly count: number }
  return count > 0
    ? []
    : ['NONE of these deliveries was yours any more: they came again, or are spelled wrongly']
}

interface ShownParked {
  readonly seq: number
  readonly state: string
  readonly attempts: number
  readonly reason: string
  readonly nextAt?: string
  readonly parkedAt: string
  readonly key?: string
  readonly event?: ShownEvent
}

export const parkedLines = listPresent<ShownParked>([
  { title: 'entry', isNumeric: true, cell: ({ seq }) => seq },
  { title: 'state', isWhole: true, cell: ({ state }) => state },
  { title: 'attempts', isNumeric: true, cell: ({ attempts }) => attempts },
  { title: 'event', cell: ({ event }) => event?.type ?? '' },
  { title: 'since', isWhole: true, isOptional: true, isTime: true, cell: ({ parkedAt }) => parkedAt },
  { title: 'again', isWhole: true, isOptional: true, isTime: true, cell: ({ nextAt }) => nextAt },
  { title: 'why', isWrapped: true, cell: ({ reason }) => reason },
])

export function parkedRemarks(output: unknown): string[] {
  const { items } = output as { readonly items: readonly ShownParked[] }
  return items.some(({ state }) => state === 'dead')
    ? ['hand dead ones out again with `polity mesh retry NAME ENTRY`, or forget them with `polity mesh drop`']
    : []
}

interface ShownType {
  readonly type: string
  readonly major: number
  readonly schema: Readonly<Record<string, unknown>>
  readonly audience?: readonly string[]
  readonly privateFields?: readonly string[]
}

const membersOf = ({ schema }: ShownType): string => {
  const { properties } = schema
  return typeof properties === 'object' && properties !== null ? Object.keys(properties).join(', ') : ''
}

export const eventTypeLines = listPresent<ShownType>([
  { title: 'type', isWhole: true, cell: ({ type, major }) => `${type}@${major}` },
  { title: 'audience', isWrapped: true, cell: ({ audience = [] }) => audience.join(', ') },
  { title: 'private', isWrapped: true, cell: ({ privateFields = [] }) => privateFields.join(', ') },
  { title: 'members', isWrapped: true, cell: membersOf },
])

interface ShownRoutes {
  readonly digest?: string
  readonly activatedAt?: string
  readonly yaml?: string
  readonly groups: readonly { readonly name: string; readonly members: readonly string[] }[]
}

export const routeLines: Present = (output, { width }) => {
  const { digest, activatedAt = '', yaml, groups } = output as ShownRoutes
  if (digest === undefined) return []
  return [
    ...recordLines({
      digest,
      'in force since': timeText(activatedAt, width),
      groups: groups.map(({ name, members }) => `${name}: ${members.join(', ')}`),
    }),
    ...(yaml === undefined ? [] : ['', ...yaml.trimEnd().split('\n').map(escapeText)]),
  ]
}

export function routeRemarks(output: unknown): string[] {
  const { digest } = output as ShownRoutes
  return digest === undefined
    ? ['no routes are in force: `polity mesh propose-routes @FILE` puts a table in force']
    : []
}

interface Counted {
  readonly type: string
  readonly source?: string
  readonly code?: string
  readonly changes?: readonly string[]
  readonly count: number
}

interface ShownProposal {
  readonly digest: string
  readonly previous?: string
  readonly status: string
  readonly reason?: string
  readonly rehearsal: {
    readonly events: number
    readonly blocked: readonly Counted[]
    readonly unblocked: readonly Counted[]
    readonly rerouted: readonly Counted[]
  }
}

const countedColumns = (title: string): readonly ListColumn<Counted>[] => [
  { title, isWhole: true, cell: ({ type }) => type },
  { title: 'times', isNumeric: true, cell: ({ count }) => count },
  { title: 'publisher', isOptional: true, cell: ({ source }) => source },
  { title: 'how', isWrapped: true, cell: ({ code, changes = [] }) => code ?? changes.join(', ') },
]

export const proposalLines: Present = (output, form) => {
  const { status, reason, digest, previous, rehearsal } = output as ShownProposal
  const { events, blocked, unblocked, rerouted } = rehearsal
  const isCalm = blocked.length + unblocked.length + rerouted.length === 0
  return [
    ...recordLines(
      present({
        status,
        reason,
        digest,
        previous,
        rehearsed: `on the last ${events} events${isCalm ? ': nothing would be different' : ''}`,
      }),
    ),
    ...differences(rehearsal, form),
  ]
}

const differences = ({ blocked, unblocked, rerouted }: ShownProposal['rehearsal'], form: Form): string[] => [
  ...blockLines(countedColumns('would be refused'), blocked, form),
  ...blockLines(countedColumns('would not be refused any more'), unblocked, form),
  ...blockLines(countedColumns('would go another way'), rerouted, form),
]
