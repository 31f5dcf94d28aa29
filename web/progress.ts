// Runs that are at work now: one line in a place of its own, so that nothing moves when one starts or ends.

import { byId, element } from './element.ts'
import { count, raw, record, text } from './json.ts'
import { whole } from './numbers.ts'
import type { Entry } from './shapes.ts'

/** A run that has been silent for longer is no longer shown. */
const SILENCE_MAX_MS = 120_000
const SWEEP_MS = 10_000
const RUNS_MAX = 50
const FINISHED_MAX = 200

interface Run {
  readonly action: string
  readonly done: number
  readonly total: number
  readonly note: string
  readonly heardAt: number
}

export interface Progress {
  /** A `progress` event. */
  heard(event: unknown): void
  /** Ends the runs that these entries finish. */
  finish(entries: readonly Entry[]): void
  /** What the place says while nothing runs. */
  idle(summary: string): void
  clear(): void
}

export function openProgress(): Progress {
  const runs = new Map<string, Run>()
  // The stream may bring a run's last progress after the entry that ends it.
  const finished = new Set<string>()
  const slot = byId('progress')
  const line = element('span', { class: 'slot-text' })
  const meter = element('progress', { max: 1, 'aria-label': 'Progress of the runs at work' })
  slot.replaceChildren(line, meter)
  let summary = ''

  const draw = () => {
    const all = [...runs.values()]
    meter.hidden = all.length === 0
    line.textContent = all.length === 0 ? summary : sentenceOf(all)
    const total = all.reduce((sum, run) => sum + run.total, 0)
    if (total > 0) meter.value = all.reduce((sum, run) => sum + Math.min(run.done, run.total), 0) / total
    else meter.removeAttribute('value')
  }
  draw()
  setInterval(() => {
    for (const [id, { heardAt }] of runs) if (Date.now() - heardAt > SILENCE_MAX_MS) runs.delete(id)
    draw()
  }, SWEEP_MS)

  return {
    heard(event) {
      const { run, action, done, total, note } = record(event)
      if (finished.has(raw(run)) || (runs.size >= RUNS_MAX && !runs.has(raw(run)))) return
      runs.set(raw(run), {
        action: text(action),
        done: count(done),
        total: count(total),
        note: text(note),
        heardAt: Date.now(),
      })
      draw()
    },
    finish(entries) {
      for (const { type, data } of entries) {
        if (type !== 'action.finished@1' || typeof data.run !== 'string') continue
        runs.delete(data.run)
        finished.add(data.run)
        for (const oldest of finished) if (finished.size > FINISHED_MAX) finished.delete(oldest)
      }
      draw()
    },
    idle(text) {
      summary = text
      draw()
    },
    clear() {
      runs.clear()
      summary = ''
      draw()
    },
  }
}

function sentenceOf(runs: readonly Run[]): string {
  const [first] = runs
  const deed = runs.every(({ action }) => action.startsWith('mirror.analyze')) ? 'Analysing' : 'At work'
  const done = runs.reduce((sum, run) => sum + run.done, 0)
  const total = runs.reduce((sum, run) => sum + run.total, 0)
  const much = runs.length > 1 ? ` in ${runs.length} runs` : ''
  return `${deed}${much}: ${whole(done)} of ${whole(total)}${first?.note ? ` · ${first.note}` : ''}`
}
