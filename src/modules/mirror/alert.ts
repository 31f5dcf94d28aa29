// Health alerts: fire below one limit, clear at a higher one, so that a score that wavers between them alerts once.

/** Points of health. */
export const HEALTH_FALLS_BELOW = 70
export const HEALTH_CLEARS_AT = 73

/** Null: nothing to tell. An unknown health neither fires nor clears. */
export function alertOf(health: number | null, isAlerting: boolean): 'fell' | 'recovered' | null {
  if (health === null) return null
  if (!isAlerting && health < HEALTH_FALLS_BELOW) return 'fell'
  if (isAlerting && health >= HEALTH_CLEARS_AT) return 'recovered'
  return null
}
