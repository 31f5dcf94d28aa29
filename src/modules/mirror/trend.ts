// Trends: how health changed since earlier analyses by the same formula.

interface Measured {
  readonly asOf: string
  readonly health: number | null
  readonly formula: string
}

export interface Change {
  /** One decimal. */
  readonly points: number
  /** The earlier analysis that it is measured against. */
  readonly asOf: string
}

export interface Trend {
  readonly sincePrevious: Change | null
  readonly since7Days: Change | null
  readonly since30Days: Change | null
}

const DAY_MS = 24 * 3600_000

/**
 * The last of `history` against those before it. "Since n days" takes the analysis nearest to n days
 * earlier that is at least half as old; null where none is, or where health is unknown.
 */
export function trendOf(history: readonly Measured[]): Trend {
  const sorted = [...history].sort((a, b) => (a.asOf < b.asOf ? -1 : 1))
  const latest = sorted.at(-1)
  const earlier = sorted
    .slice(0, -1)
    .filter(({ formula, health }) => formula === latest?.formula && health !== null)
  const against = (then: Measured | undefined): Change | null =>
    !latest || latest.health === null || then?.health == null
      ? null
      : { points: Math.round((latest.health - then.health) * 10) / 10, asOf: then.asOf }
  const since = (days: number) => against(latest && nearest(earlier, Date.parse(latest.asOf), days))
  return { sincePrevious: against(earlier.at(-1)), since7Days: since(7), since30Days: since(30) }
}

function nearest(earlier: readonly Measured[], latestMs: number, days: number): Measured | undefined {
  const distance = ({ asOf }: Measured) => Math.abs(latestMs - Date.parse(asOf) - days * DAY_MS)
  return earlier
    .filter(({ asOf }) => latestMs - Date.parse(asOf) >= (days * DAY_MS) / 2)
    .reduce<Measured | undefined>(
      (best, each) => (best === undefined || distance(each) < distance(best) ? each : best),
      undefined,
    )
}
