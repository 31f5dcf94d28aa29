// Traces: what was done before in the same trace, and by the same agent in the last half hour.

import { hash } from 'node:crypto'
import type { StandingQuestion, StandingSource } from '../catalog/standing.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import { principalKey } from '../principal-key.ts'
import type { StoreReader } from '../store/store.ts'
import { LABELS_MAX, labelsOf } from './labels.ts'

/** Working state: `digest of whose/label` -> LabelRow. */
export const TRACES = 'traces'
/** What belongs to a trace is remembered so long after the last deed of its kind. */
const TRACE_KEPT_MS = 24 * 3_600_000
/** What whoever decides for himself has done follows him from trace to trace: leaving the trace out launders nothing. */
const PRINCIPAL_KEPT_MS = 30 * 60_000

interface LabelRow {
  readonly untilMs: number
}

/** Something to which labels stick: a trace, or a principal. */
interface Holder {
  readonly prefix: string
  readonly keptMs: number
}

/** Key of a row -> until when it is remembered. */
type Known = ReadonlyMap<string, number>

export function traceSource(reader: Pick<StoreReader, 'scan'>): StandingSource {
  const seen = new WeakMap<StandingQuestion, Known>()
  const note = (question: StandingQuestion) => ({ rows: rowsOf(question, seen.get(question) ?? new Map()) })
  return {
    name: 'traces',
    async read(question) {
      const { nowMs, isTraced } = question
      const holders = holdersOf(question, isTraced)
      const rows = await Promise.all(holders.map((holder) => labelRows(reader, holder, nowMs)))
      const found = rows.flat()
      seen.set(question, new Map(found.map(({ key, untilMs }) => [key, untilMs])))
      return { trace: [...new Set(found.map(({ label }) => label))].sort() }
    },
    claim: note,
    note,
  }
}

/** Whoever decides for himself goes by his kind: an agent, or a component. */
function holdersOf(
  { caller, trace }: Pick<StandingQuestion, 'caller' | 'trace'>,
  withTrace: boolean,
): Holder[] {
  const principals = caller.chain
    .filter(({ kind }) => kind === 'agent' || kind === 'component')
    .map((principal) => holder('principal', principalKey(principal), PRINCIPAL_KEPT_MS))
  return withTrace ? [holder('trace', trace, TRACE_KEPT_MS), ...principals] : principals
}

/** A digest, because a trace is named by its caller. */
const holder = (kind: 'trace' | 'principal', name: string, keptMs: number): Holder => ({
  prefix: `${hash('sha256', `${kind} ${name}`, 'hex')}/`,
  keptMs,
})

async function labelRows(reader: Pick<StoreReader, 'scan'>, { prefix }: Holder, nowMs: number) {
  const { value: rows } = await reader.scan(TRACES, { prefix, limit: LABELS_MAX })
  return rows.flatMap(({ key, value }) => {
    const { untilMs } = JSON.parse(value) as LabelRow
    return untilMs <= nowMs ? [] : [{ key, untilMs, label: key.slice(prefix.length) }]
  })
}

/** One row per label, each written as a whole: two deeds at once take nothing from each other. */
function rowsOf(question: StandingQuestion, known: Known): WorkingWrite[] {
  const labels = labelsOf(question.conduct)
  const { effect, isTraced, nowMs } = question
  // What is asked for by itself and done at once has no trace; a run begins one.
  const isRun = effect === 'idempotent' || effect === 'once'
  return holdersOf(question, isTraced || isRun).flatMap(({ prefix, keptMs }) =>
    labels.flatMap((label): WorkingWrite[] => {
      const key = `${prefix}${label}`
      // Fresh enough: an agent that reads a thousand times writes it down a few times.
      if ((known.get(key) ?? 0) - nowMs > keptMs * FRESH_SHARE) return []
      const untilMs = nowMs + keptMs
      const row: LabelRow = { untilMs }
      return [{ table: TRACES, key, value: JSON.stringify(row), expiresAtMs: untilMs }]
    }),
  )
}

/** While more of its time than this is left, a label is not written again. */
const FRESH_SHARE = 0.75
