// Times and durations as people read them: local, with their zone, and short on a terminal; whole where a program reads.

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const MINUTES_AN_HOUR = 60

/** `11-20 13:25:55 UTC+1` on a terminal; as it was sent where a program may read it. Escape it. */
export function timeText(time: string, width: number | undefined): string {
  if (width === undefined) return String(time)
  const zone = zoneOf(time)
  return zone === undefined ? String(time) : `${localTime(time, true)} ${zone}`
}

/** `11-20 13:25:55Z` or `11-20 13:25:55+01`, or whole, with year and minutes: for lines that stand under no heading. */
export function stampText(time: string, isShort: boolean): string {
  const offset = offsetOf(time)
  if (offset === undefined) return String(time)
  const whole = isShort || offset.includes(':') ? offset : `${offset}:00`
  return `${localTime(time, isShort)}${offset === '' ? 'Z' : whole}`
}

/** A column of times, under a heading that names their zone; where the clock was changed between them, each has its own. */
export function timeColumn(
  title: string,
  times: readonly (string | undefined)[],
): { readonly title: string; readonly cells: readonly string[] } {
  const [zone, ...others] = new Set(times.flatMap((time) => (time === undefined ? [] : (zoneOf(time) ?? []))))
  const isOne = zone !== undefined && others.length === 0
  return {
    title: isOne ? `${title} (${zone})` : title,
    cells: times.map((time = '') => (isOne ? localTime(time, true) : stampText(time, true))),
  }
}

/** `11-20 13:25:55`, or with its year. What is no time is as it was. */
function localTime(time: string, isShort: boolean): string {
  const at = new Date(time)
  if (Number.isNaN(at.getTime())) return String(time)
  const day = `${two(at.getMonth() + 1)}-${two(at.getDate())}`
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':')
  return isShort ? `${day} ${clock}` : `${at.getFullYear()}-${day} ${clock}`
}

const two = (value: number): string => String(value).padStart(2, '0')

/** `UTC`, `UTC+1`, `UTC-3:30`: of the clock of this machine at that time; undefined for what is no time. */
function zoneOf(time: string): string | undefined {
  const offset = offsetOf(time)
  return offset === undefined ? undefined : `UTC${offset.replace(/^([+-])0/, '$1')}`
}

/** Nothing, `+01` or `-03:30`. */
function offsetOf(time: string): string | undefined {
  const east = -new Date(time).getTimezoneOffset()
  if (Number.isNaN(east)) return undefined
  if (east === 0) return ''
  const [hours, minutes] = [Math.trunc(Math.abs(east) / MINUTES_AN_HOUR), Math.abs(east) % MINUTES_AN_HOUR]
  return `${east < 0 ? '-' : '+'}${two(hours)}${minutes === 0 ? '' : `:${two(Math.trunc(minutes))}`}`
}

/** `250 ms`, `1.5 s`, `2 min`: in the largest unit of which there is one. */
export function durationText(ms: number): string {
  if (!Number.isFinite(ms)) return String(ms)
  const [unit, size] =
    ms < SECOND_MS
      ? ['ms', 1]
      : ms < MINUTE_MS
        ? ['s', SECOND_MS]
        : ms < HOUR_MS
          ? ['min', MINUTE_MS]
          : ms < DAY_MS
            ? ['h', HOUR_MS]
            : ['d', DAY_MS]
  return `${Math.round((ms / Number(size)) * 10) / 10} ${unit}`
}
