// How people read runs: what each is doing, and why it waits or failed in full below the table.

import { valueText } from './documents.ts'
import { blockLines, type ListColumn, listLines, present } from './listing.ts'
import { type Present, recordLines } from './render.ts'
import { durationText, timeText } from './times.ts'

interface ShownRun {
  readonly run: string
  readonly action: string
  readonly status: string
  readonly principal: string
  readonly decision: string
  readonly parent?: string
  readonly startedAt: string
  readonly finishedAt?: string
  readonly deadline?: string
  readonly reason?: string
  readonly step?: string
  readonly code?: string
  readonly message?: string
  readonly notUndone?: readonly string[]
  readonly journal?: string
  readonly callback?: ShownCallback
}

interface ShownCallback {
  readonly state: string
  readonly attempts: number
  readonly at?: string
  readonly answered?: number
  readonly error?: string
  readonly next?: string
}

/** `mirror.analyze@1` -> `mirror.analyze`. */
export const bare = (action: string): string => action.replace(/@\d+$/, '')

/** Between start and end; nothing while it goes on. */
function tookText({ startedAt, finishedAt }: Pick<ShownRun, 'startedAt' | 'finishedAt'>): string {
  if (finishedAt === undefined) return ''
  return durationText(Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt)))
}

function whyOf({ reason, step, code, message }: ShownRun): string | undefined {
  if (reason !== undefined) return step === undefined ? reason : `at ${step}: ${reason}`
  return code === undefined ? undefined : `${message ?? ''} (${code})`.trim()
}

const COLUMNS: readonly ListColumn<ShownRun>[] = [
  { title: 'run', isWhole: true, cell: ({ run }) => run },
  { title: 'status', isWhole: true, cell: ({ status }) => status },
  { title: 'action', cell: ({ action }) => bare(action) },
  { title: 'started', isWhole: true, isTime: true, cell: ({ startedAt }) => startedAt },
  { title: 'took', isNumeric: true, isOptional: true, cell: tookText },
  { title: 'who', isOptional: true, cell: ({ principal }) => principal },
]

const TROUBLES: readonly ListColumn<ShownRun>[] = [
  { title: 'run', isWhole: true, cell: ({ run }) => run },
  { title: 'why', isWrapped: true, cell: whyOf },
]

export const runLines: Present = (page, form) => {
  const { items } = page as { readonly items: readonly ShownRun[] }
  const troubled = items.filter((run) => whyOf(run) !== undefined)
  return [...listLines(COLUMNS, items, form), ...blockLines(TROUBLES, troubled, form)]
}

export function runRemarks(page: unknown): string[] {
  const { items } = page as { readonly items: readonly ShownRun[] }
  const parked = items.find(({ status }) => status === 'parked')
  return parked === undefined ? [] : waysOut(parked)
}

export const runReport: Present = (output, { width, isWhole }) => {
  const shown = output as ShownRun
  const { run, status, action, principal, parent, startedAt, finishedAt, deadline, notUndone, callback } =
    shown
  return recordLines(
    present({
      run,
      status,
      why: whyOf(shown),
      action: bare(action),
      who: principal,
      started: timeText(startedAt, width),
      finished:
        finishedAt === undefined ? undefined : `${timeText(finishedAt, width)}, after ${tookText(shown)}`,
      deadline: deadline === undefined ? undefined : timeText(deadline, width),
      'started by': parent,
      'not undone': notUndone,
      callback: callback === undefined ? undefined : callbackText(callback, width),
      ...(isWhole ? { decision: shown.decision, journal: shown.journal } : {}),
    }),
    width,
  )
}

/** `delivered, 2 attempts: answered 204`, `due, 1 attempt, next 12:00: egress.redirected ...`. */
function callbackText(
  { state, attempts, answered, error, next }: ShownCallback,
  width: number | undefined,
): string {
  const parts = [
    state,
    ...(attempts === 0 ? [] : [`${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`]),
    ...(next === undefined ? [] : [`next ${timeText(next, width)}`]),
  ]
  const answer = error ?? (answered === undefined ? undefined : `answered ${answered}`)
  return answer === undefined ? parts.join(', ') : `${parts.join(', ')}: ${answer}`
}

export function runReportRemarks(output: unknown): string[] {
  const run = output as ShownRun
  return run.status === 'parked' ? waysOut(run) : []
}

const waysOut = ({ run, step = 'STEP' }: ShownRun): string[] => [
  `a parked run waits for you: polity runs journal ${run} shows its steps,`,
  `polity runs resume ${run} lets it try again,`,
  `polity runs resolve ${run} ${step} says what became of a step, polity runs cancel ${run} --reason TEXT ends it`,
]

interface ShownStep {
  readonly name: string
  readonly kind: string
  readonly state: string
  readonly attempts: number
  readonly at?: string
  readonly until?: string
  readonly result?: unknown
  readonly code?: string
  readonly message?: string
}

function answerOf({ result, code, message, until, state }: ShownStep, width: number | undefined): string {
  if (code !== undefined) return `${message ?? ''} (${code})`.trim()
  if (state === 'waiting' && until !== undefined) return `until ${timeText(until, width)}`
  return result === undefined ? '' : String(valueText(result))
}

export const journalLines: Present = (output, form) => {
  const { items } = output as { readonly items: readonly ShownStep[] }
  return listLines<ShownStep>(
    [
      { title: 'step', cell: ({ name }) => name },
      { title: 'kind', isWhole: true, cell: ({ kind }) => kind },
      { title: 'state', isWhole: true, cell: ({ state }) => state },
      { title: 'attempts', isNumeric: true, cell: ({ attempts }) => attempts },
      { title: 'at', isWhole: true, isOptional: true, isTime: true, cell: ({ at }) => at },
      { title: 'answer', isWrapped: true, cell: (step) => answerOf(step, form.width) },
    ],
    items,
    form,
  )
}

interface ShownJournal {
  readonly run: string
  readonly status: string
  readonly isAsRecorded?: boolean
  readonly items: readonly ShownStep[]
}

export function journalRemarks(output: unknown): string[] {
  const { run, isAsRecorded, status, items } = output as ShownJournal
  const awaited = items.filter(({ kind, state }) => kind === 'signal' && state === 'waiting')
  return [
    isAsRecorded === undefined
      ? `the run is ${status}`
      : `the run is ${status}, and this journal is ${isAsRecorded ? '' : 'NOT '}the one in its outcome`,
    ...awaited.map(({ name }) => `it waits for a word: polity runs signal ${run} ${name}`),
  ]
}

interface Replayed {
  readonly run: string
  readonly isSame: boolean
  readonly steps: number
  readonly departure?: { readonly step?: string; readonly sentence: string }
}

export const replayLines: Present = (output, { width }) => {
  const { run, isSame, steps, departure } = output as Replayed
  return recordLines(
    present({
      run,
      'does the same': isSame ? 'yes' : 'NO',
      steps,
      'departs at': departure?.step,
      because: departure?.sentence,
    }),
    width,
  )
}
