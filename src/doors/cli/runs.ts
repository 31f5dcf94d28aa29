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
  readonly waitsFor?: readonly { readonly action: string; readonly approval: string }[]
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
  { title: 'action', isWrapped: true, cell: ({ action }) => bare(action) },
  { title: 'started', isWhole: true, isTime: true, cell: ({ startedAt }) => startedAt },
  { title: 'took', isNumeric: true, isWhole: true, isOptional: true, cell: tookText },
  { title: 'who', isWhole: true, isOptional: true, cell: ({ principal }) => principal },
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
  const first = (wanted: string) => items.find(({ status }) => status === wanted)
  return [first('parked'), first('unknown')].flatMap((run) => (run === undefined ? [] : waysOut(run)))
}

export const runReport: Present = (output, { width, isWhole }) => {
  const shown = output as ShownRun
  const { run, status, action, principal, parent, startedAt, finishedAt, deadline, notUndone, callback } =
    shown
  const { waitsFor } = shown
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
      'waits for people': waitsFor?.map((each) => `${bare(each.action)}, approval ${each.approval}`),
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
  const asked = (run.waitsFor ?? []).map(({ approval }) => HOW_IT_STANDS(approval))
  return [...waysOut(run), ...asked]
}

const HOW_IT_STANDS = (approval: string): string =>
  `it waits until people agree: polity approvals show ${approval}`

/** Nothing for a run that waits for nobody. */
function waysOut({ run, status, step = 'STEP' }: ShownRun): string[] {
  if (status === 'parked')
    return [
      `a parked run waits for you: polity runs journal ${run} shows its steps,`,
      `polity runs resume ${run} lets it try again, polity runs cancel ${run} --reason TEXT ends it`,
    ]
  if (status !== 'unknown') return []
  return [
    `nobody knows what became of a step: polity runs journal ${run} shows them; find out, and say it:`,
    `polity runs resolve ${run} ${step} --result JSON, or --failed TEXT; then the run goes on`,
  ]
}

interface ShownStep {
  readonly name: string
  readonly kind: string
  readonly state: string
  readonly attempts: number
  readonly at?: string
  readonly until?: string
  readonly approval?: string
  readonly result?: unknown
  readonly code?: string
  readonly message?: string
}

function answerOf(
  { result, code, message, until, approval, state }: ShownStep,
  width: number | undefined,
): string {
  if (approval !== undefined) return `approval ${approval}`
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
  // A signal is called without the branch or item that waits for it.
  const awaited = new Set(
    items.flatMap(({ kind, state, name }) =>
      kind === 'signal' && state === 'waiting' ? [name.slice(name.lastIndexOf('/') + 1)] : [],
    ),
  )
  return [
    isAsRecorded === undefined
      ? `the run is ${status}`
      : `the run is ${status}, and this journal is ${isAsRecorded ? '' : 'NOT '}the one in its outcome`,
    ...[...awaited].map((name) => `it waits for a word: polity runs signal ${run} ${name}`),
    ...items.flatMap(({ approval }) => (approval === undefined ? [] : [HOW_IT_STANDS(approval)])),
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
