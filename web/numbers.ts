// How numbers and times are written, everywhere the same.

import { element } from './element.ts'

export { counted, tenths, whole } from '../src/doors/telling/numbers.ts'

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const WEEK_MS = 7 * DAY_MS
const YEAR_MS = 365 * DAY_MS
const TICK_MS = 15 * SECOND_MS

const percent = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 0 })

export const share = (value: number): string => percent.format(value)

/** A time as people say it; the exact one is in its title. It is kept current by `keepTimesCurrent`. */
export function timeElement(iso: string): HTMLElement {
  const at = Date.parse(iso)
  if (Number.isNaN(at)) return element('span', {}, '–')
  return element(
    'time',
    { datetime: new Date(at).toISOString(), title: new Date(at).toLocaleString('en') },
    agoOf(at),
  )
}

export function keepTimesCurrent(): void {
  setInterval(() => {
    for (const each of document.querySelectorAll('time')) {
      const said = agoOf(Date.parse(each.dateTime))
      if (each.textContent !== said) each.textContent = said
    }
  }, TICK_MS)
}

/** Clocks differ, so a moment in the near future is now. */
export function agoOf(at: number, now = Date.now()): string {
  const ms = now - at
  if (ms < -MINUTE_MS || ms > YEAR_MS) return new Date(at).toISOString().slice(0, 10)
  if (ms < 10 * SECOND_MS) return 'just now'
  if (ms < MINUTE_MS) return `${Math.floor(ms / SECOND_MS)} s ago`
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min ago`
  if (ms < DAY_MS) return `${Math.floor(ms / HOUR_MS)} h ago`
  if (ms < 2 * WEEK_MS) return `${Math.floor(ms / DAY_MS)} d ago`
  return `${Math.floor(ms / WEEK_MS)} wk ago`
}
