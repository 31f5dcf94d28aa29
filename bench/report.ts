// How figures are printed: what, how much, by which method, on which machine.

import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import process from 'node:process'

export interface Figure {
  readonly name: string
  readonly value: string
  /** What the issue or the README promises, when it promises something. */
  readonly target?: string
  readonly isMet?: boolean
  readonly method: string
}

export interface Report {
  add(figure: Figure): void
  print(): void
}

export function openReport(title: string): Report {
  const figures: Figure[] = []
  return {
    add(figure) {
      figures.push(figure)
      process.stderr.write(`  ${figure.name}: ${figure.value}\n`)
    },
    print() {
      const rows = figures.map(({ name, value, target = '', isMet }) => [
        name,
        value,
        target,
        isMet === undefined ? '' : isMet ? 'met' : 'NOT MET',
      ])
      const header = ['figure', 'value', 'target', '']
      const widths = header.map((head, column) =>
        Math.max(head.length, ...rows.map((row) => (row[column] ?? '').length)),
      )
      const line = (row: readonly string[]) =>
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()
      process.stdout.write(`\n${title}\n${line(header)}\n${rows.map((row) => `${line(row)}\n`).join('')}`)
      for (const { name, method } of figures) process.stdout.write(`- ${name}: ${method}\n`)
    },
  }
}

export function machineLine(): string {
  const [cpu] = cpus()
  const sqlite = process.versions.sqlite
  return `${cpu?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; Node ${process.version}, SQLite ${sqlite}, ${execFileSync('git', ['--version'], { encoding: 'utf8' }).trim()}`
}

/** Nearest-rank percentile of unsorted samples. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export const ms = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`
export const perSecond = (count: number, durationMs: number): string =>
  `${Math.round(count / (durationMs / 1000)).toLocaleString('en')}/s`

/** How long it took, milliseconds. */
export async function timed(act: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await act()
  return performance.now() - startMs
}
