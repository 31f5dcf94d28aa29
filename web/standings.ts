// How components, runs and subscriptions stand, read from the API: a name, a word for the state, and why.

import type { Tone } from '../src/doors/telling/told.ts'
import { count, type Json, list, raw, record, text } from './json.ts'
import { whole } from './numbers.ts'

export interface Standing {
  readonly name: string
  /** In a word or two. */
  readonly state: string
  readonly tone: Tone
  /** The state as the summary counts it, where it holds a number. */
  readonly trouble?: string
  /** Why, or what it is. */
  readonly detail: string
  /** RFC 3339; empty where no time matters. */
  readonly at: string
  /** What was then: renewed, started, ended. */
  readonly event: string
}

export interface Standings {
  /** Those that need somebody first. */
  readonly items: readonly Standing[]
  readonly summary: string
}

const TONES: readonly Tone[] = ['bad', 'wait', 'plain', 'good']

const inOrder = (items: readonly Standing[]): Standing[] =>
  [...items].sort((a, b) => TONES.indexOf(a.tone) - TONES.indexOf(b.tone))

/** Those that need somebody first, counted by what is the matter with them; `total` says how many there are. */
function standingsOf(items: readonly Standing[], total?: string): Standings {
  const states = new Map<string, number>()
  const ordered = inOrder(items)
  for (const { state, tone, trouble = state } of ordered)
    if (total === undefined || tone === 'bad' || tone === 'wait')
      states.set(trouble, (states.get(trouble) ?? 0) + 1)
  const counts = [...states].map(([state, times]) => `${whole(times)} ${state}`)
  return { items: ordered, summary: [...(total === undefined ? [] : [total]), ...counts].join(' · ') }
}

/** The heading beside it says of what. */
const totalOf = ({ length }: readonly unknown[], after: unknown): string =>
  `${after === undefined ? '' : 'more than '}${whole(length)}`

const HEALTH = new Map<string, Tone>([
  ['passing', 'good'],
  ['warning', 'wait'],
])

export function readComponents(page: unknown): Standings {
  const { items, after } = record(page)
  const components = list(items).map((item) => {
    const { id, health, reasons, version, kind, renewedAt } = record(item)
    return {
      name: text(id),
      state: text(health),
      // A word of a later release is no good news.
      tone: HEALTH.get(raw(health)) ?? 'bad',
      detail: list(reasons).map(text).join('; ') || `${text(kind)} ${text(version)}`.trim(),
      at: raw(renewedAt),
      event: 'renewed',
    }
  })
  return standingsOf(components, totalOf(components, after))
}

const STATUS = new Map<string, Tone>([
  ['running', 'plain'],
  ['paused', 'wait'],
  ['parked', 'wait'],
  ['done', 'good'],
])

/** `pages` answer for one status each; runs that are done are nobody's concern, so there is no total. */
export function readRuns(pages: readonly unknown[]): Standings {
  const runs = pages.flatMap((page) => list(record(page).items).map(record)).map(runOf)
  return standingsOf(runs)
}

function runOf(run: Json): Standing {
  const { action, status, startedAt, finishedAt } = run
  return {
    name: text(action).replace(/@\d+$/, ''),
    state: text(status),
    tone: STATUS.get(raw(status)) ?? 'bad',
    detail: [whyOf(run), text(run.run)].filter((part) => part !== '').join(' · '),
    ...(finishedAt === undefined
      ? { at: raw(startedAt), event: 'started' }
      : { at: raw(finishedAt), event: 'ended' }),
  }
}

function whyOf({ reason, step, code, message }: Json): string {
  if (text(reason) !== '') return text(step) === '' ? text(reason) : `at ${text(step)}: ${text(reason)}`
  return text(code) === '' ? '' : `${text(message)} (${text(code)})`.trim()
}

export function readSubscriptions(page: unknown): Standings {
  const { items, after } = record(page)
  const subscriptions = list(items).map((item) => {
    const { name, owner, types, lag, dead, isPaused } = record(item)
    return {
      name: text(name),
      ...lagOf(count(lag), count(dead), isPaused === true),
      detail: `${list(types).map(text).join(', ')} for ${text(owner)}`,
      at: '',
      event: '',
    }
  })
  return standingsOf(subscriptions, totalOf(subscriptions, after))
}

/** What was set aside for good waits for a person; entries not looked at wait for whoever takes them. */
function lagOf(lag: number, dead: number, isPaused: boolean): Pick<Standing, 'state' | 'tone' | 'trouble'> {
  if (dead > 0) return { state: `${whole(dead)} dead`, tone: 'bad', trouble: 'with dead events' }
  if (isPaused) return { state: 'paused', tone: 'wait' }
  return lag === 0 ? { state: 'up to date', tone: 'good' } : { state: `${whole(lag)} behind`, tone: 'plain' }
}
