// When a schedule is due: cron patterns of five fields in a time zone, by croner.

import { Cron } from 'croner'
import { PolityError } from '../../kernel/errors.ts'

export interface Timetable {
  /** The first slot after the time, undefined when none ever comes. Milliseconds since the epoch, as all times here. */
  after(ms: number): number | undefined
  /** The last slots up to and including the time, at most so many, oldest first. */
  upTo(ms: number, count: number): readonly number[]
}

/**
 * Daylight saving time as Vixie cron has it: a fixed time in the skipped hour comes right after it, one in the hour
 * that comes twice comes once, and intervals go by as they are.
 * Throws `input.invalid` for a pattern or a time zone that is none, and for a pattern that never comes after `fromMs`.
 */
export function timetableOf(cron: string, timezone: string, fromMs: number): Timetable {
  const table = open(cron, timezone)
  if (table.after(fromMs) === undefined) throw invalid('/cron', 'never comes')
  return table
}

function open(pattern: string, timezone: string): Timetable {
  requireTimezone(timezone)
  let cron: Cron
  try {
    cron = new Cron(pattern, { timezone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true })
  } catch (error) {
    throw invalid(
      '/cron',
      wrongFields(pattern) ?? `is no cron pattern of five fields (${(error as Error).message.slice(0, 200)})`,
    )
  }
  return {
    after: (ms) => cron.nextRun(new Date(ms))?.getTime(),
    // The slots before a time leave out the time itself; croner counts in whole seconds.
    upTo: (ms, count) =>
      cron
        .previousRuns(count, new Date(Math.floor(ms / 1000) * 1000 + 1000))
        .map((date) => date.getTime())
        .reverse(),
  }
}

const FIELDS = 5

/** undefined where there are as many as there must be. */
function wrongFields(pattern: string): string | undefined {
  const count = pattern.split(/\s+/).filter((field) => field !== '').length
  if (count === FIELDS) return undefined
  return `has ${count} ${count === 1 ? 'field' : 'fields'} and needs five, which are minute, hour, day of month, month and day of week: 30 9 * * 1-5 is half past nine from Monday to Friday`
}

function requireTimezone(timezone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone })
  } catch {
    throw invalid('/timezone', 'is no time zone such as Europe/Berlin')
  }
}

const invalid = (pointer: string, message: string): PolityError =>
  new PolityError('input.invalid', `the schedule is not valid: ${pointer} ${message}`, {
    violations: [{ pointer, message }],
  })
