// Times and durations as people read them: local and short on a terminal, whole where a program reads.

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** `11-20 13:25:55` on a terminal; as it was sent where a program may read it. Escape it. */
export const timeText = (time: string, width: number | undefined): string =>
  width === undefined ? String(time) : localTime(time, true)

/** `11-20 13:25:55`, or with its year. What is no time is as it was. */
export function localTime(time: string, isShort: boolean): string {
  const at = new Date(time)
  if (Number.isNaN(at.getTime())) return String(time)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${two(at.getMonth() + 1)}-${two(at.getDate())}`
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':')
  return isShort ? `${day} ${clock}` : `${at.getFullYear()}-${day} ${clock}`
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
