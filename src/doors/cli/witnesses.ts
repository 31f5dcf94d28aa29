// How people read who cosigns a log, and which logs it cosigns: the state first, then a line for each.

import { nameAndId } from './keys.ts'
import { type Form, recordLines } from './render.ts'
import { tableLines } from './table.ts'

interface ShownWitness {
  readonly name: string
  readonly url?: string
  readonly size?: number
  readonly lag?: number
  readonly at?: string
  readonly error?: string
}

interface ShownStatus {
  readonly state: string
  readonly quorum: string
  readonly size: number
  readonly witnessedSize: number
  readonly witnesses: readonly ShownWitness[]
  readonly vkey: string
  readonly logs: readonly {
    readonly origin: string
    readonly vkeys: readonly string[]
    readonly size: number
  }[]
}

const WITNESS_COLUMNS = [
  { title: 'witness', isWhole: true },
  { title: 'cosigned', isNumeric: true },
  { title: 'lag', isNumeric: true },
  { title: 'last', isOptional: true },
  { title: 'trouble', isWrapped: true },
] as const

const LOG_COLUMNS = [
  { title: 'log that this hub cosigns', isWhole: true },
  { title: 'cosigned', isNumeric: true },
  { title: 'keys', isOptional: true },
] as const

export function witnessStatusLines(output: unknown, { width }: Form): string[] {
  const { state, quorum, size, witnessedSize, witnesses, vkey, logs } = output as ShownStatus
  return [
    ...recordLines({
      state,
      needs: quorum,
      witnessed: `${witnessedSize} of ${size} entries`,
      'cosigns as': vkey,
    }),
    ...blockOf(
      WITNESS_COLUMNS,
      witnesses.map(({ name, size: cosigned = 0, lag = 0, at = '', error = '' }) => [
        name,
        String(cosigned),
        String(lag),
        at,
        error,
      ]),
      width,
    ),
    ...blockOf(
      LOG_COLUMNS,
      logs.map(({ origin, vkeys, size: cosigned }) => [
        origin,
        String(cosigned),
        vkeys.map(nameAndId).join(', '),
      ]),
      width,
    ),
  ]
}

const blockOf = (
  columns: Parameters<typeof tableLines>[0],
  rows: readonly (readonly string[])[],
  width: Form['width'],
): string[] => (rows.length === 0 ? [] : ['', ...tableLines(columns, rows, width)])
