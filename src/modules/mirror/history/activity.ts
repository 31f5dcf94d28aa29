// How often and by how many the repository is worked on, seen from one moment.

import type { People } from './people.ts'
import type { History } from './scan.ts'

const DAY_S = 86_400
const WEEK_S = 7 * DAY_S
export const ACTIVE_WEEKS = 13

export interface Activity {
  readonly commits: number
  readonly merges: number
  /** Commits of the last 90 days, machines included, and without them. */
  readonly last90Days: number
  readonly last90DaysByPeople: number
  /** Of the last 13 weeks, those with a commit by a person. */
  readonly activeWeeks: number
  /** Commits by people in those weeks. */
  readonly last13WeeksByPeople: number
  readonly people: number
  readonly bots: number
  /** Commits by each person in the last 365 days, merges left out, most first. */
  readonly yearByAuthor: readonly { readonly author: number; readonly commits: number }[]
  readonly firstAtS: number
  readonly lastAtS: number
  /** Commits dated after the moment; no window holds them. */
  readonly afterAsOf: number
  /** True when no commit of the history is left out. */
  readonly isWhole: boolean
  /** Whether every commit of the last N days is known, which a shallow or truncated history may not be. */
  knowsLastDays(days: number): boolean
}

/** @param asOfS the moment, seconds since the epoch */
export function activityOf(history: History, people: People, asOfS: number): Activity {
  const { commits, rows } = history
  const tally = new Tally()
  for (const row of rows) {
    const author = people.authorOf[row] ?? -1
    tally.add({
      ageS: asOfS - (commits.committedAtS[row] ?? 0),
      isMerge: (commits.parentStart[row + 1] ?? 0) - (commits.parentStart[row] ?? 0) > 1,
      person: people.authors[author]?.isBot === false ? author : null,
    })
  }
  const edgeAtS = history.edge.reduce((latest, row) => Math.max(latest, commits.committedAtS[row] ?? 0), -1)
  const { merges, last90Days, last90DaysByPeople, last13WeeksByPeople, afterAsOf } = tally
  return {
    merges,
    last90Days,
    last90DaysByPeople,
    last13WeeksByPeople,
    afterAsOf,
    commits: rows.length,
    activeWeeks: tally.weeks.size,
    people: people.authors.filter((author) => !author.isBot).length,
    bots: people.authors.filter((author) => author.isBot).length,
    yearByAuthor: mostFirst(tally.byAuthor, people),
    firstAtS: commits.committedAtS[rows.at(-1) ?? 0] ?? 0,
    lastAtS: commits.committedAtS[rows[0] ?? 0] ?? 0,
    isWhole: history.edge.length === 0,
    knowsLastDays: (days) => history.edge.length === 0 || edgeAtS < asOfS - days * DAY_S,
  }
}

class Tally {
  merges = 0
  last90Days = 0
  last90DaysByPeople = 0
  last13WeeksByPeople = 0
  afterAsOf = 0
  readonly weeks = new Set<number>()
  readonly byAuthor = new Map<number, number>()

  /** `person` is null for machines. */
  add({ ageS, isMerge, person }: { ageS: number; isMerge: boolean; person: number | null }): void {
    if (isMerge) this.merges += 1
    if (ageS < 0) {
      this.afterAsOf += 1
      return
    }
    if (ageS < 90 * DAY_S) this.last90Days += 1
    if (person !== null) this.addByPerson(ageS, isMerge, person)
  }

  private addByPerson(ageS: number, isMerge: boolean, person: number): void {
    if (ageS < 90 * DAY_S) this.last90DaysByPeople += 1
    if (ageS < ACTIVE_WEEKS * WEEK_S) {
      this.weeks.add(Math.floor(ageS / WEEK_S))
      this.last13WeeksByPeople += 1
    }
    if (ageS < 365 * DAY_S && !isMerge) this.byAuthor.set(person, (this.byAuthor.get(person) ?? 0) + 1)
  }
}

/**
 * Contributor absence factor (CHAOSS): the fewest contributors who made at least half of the contributions.
 * 0 when there were none.
 */
export function absenceFactor(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  let covered = 0
  let people = 0
  for (const count of counts.toSorted((a, b) => b - a)) {
    if (covered * 2 >= total) break
    covered += count
    people += 1
  }
  return people
}

function mostFirst(
  byAuthor: ReadonlyMap<number, number>,
  people: People,
): { author: number; commits: number }[] {
  const identity = (author: number) => people.authors[author]?.identity ?? ''
  return [...byAuthor]
    .map(([author, commits]) => ({ author, commits }))
    .sort((a, b) => b.commits - a.commits || (identity(a.author) < identity(b.author) ? -1 : 1))
}
