// Shows how far something is: one line that redraws itself on a terminal, a plain line now and then elsewhere.

import { escapeText } from './escape.ts'
import { fitText } from './text-width.ts'

export interface ProgressSink {
  readonly isTerminal: boolean
  readonly columns: number
  write(text: string): void
}

export interface ProgressBar {
  update(done: number, total: number, note?: string): void
  /** Leaves the line clean for what follows. */
  end(): void
}

const BAR_CELLS = 24
const REDRAW_INTERVAL_MS = 80
const PLAIN_INTERVAL_MS = 5_000
const CLEAR_LINE = '\r\u001b[K'

/** `nowMs` is a monotonic clock; redraws are limited by it, never the first one. */
export function progressBar(what: string, sink: ProgressSink, nowMs: () => number): ProgressBar {
  const intervalMs = sink.isTerminal ? REDRAW_INTERVAL_MS : PLAIN_INTERVAL_MS
  let drawnAtMs = sink.isTerminal ? Number.NEGATIVE_INFINITY : nowMs()
  let isDrawn = false
  return {
    update(done, total, note = '') {
      if (nowMs() - drawnAtMs < intervalMs) return
      drawnAtMs = nowMs()
      if (!sink.isTerminal) return sink.write(`${plainLine(what, done, total, note)}\n`)
      sink.write(`${CLEAR_LINE}${fitText(barLine(what, done, total, note), sink.columns - 1)}`)
      isDrawn = true
    },
    end() {
      if (isDrawn) sink.write(CLEAR_LINE)
      isDrawn = false
    },
  }
}

function barLine(what: string, done: number, total: number, note: string): string {
  const share = total > 0 ? Math.min(1, Math.max(0, done / total)) : 0
  const filled = Math.round(share * BAR_CELLS)
  const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_CELLS - filled)}`
  return `${what} ${bar} ${Math.floor(share * 100)}% ${done}/${total}${note === '' ? '' : ` ${escapeText(note)}`}`
}

const plainLine = (what: string, done: number, total: number, note: string): string =>
  `${what} ${done}/${total}${note === '' ? '' : ` ${escapeText(note)}`}`
