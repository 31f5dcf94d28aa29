// How components, runs and subscriptions stand, read from the API: a name, a word for the state, and why.

import { count, type Json, list, raw, record, text } from './json.ts'
import { counted, whole } from './numbers.ts'
import type { Tone } from './words.ts'

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
  readonly since: string
}

export interface Standings {
  /** Those that need somebody first. */
  readonly items: readonly Standing[]
  readonly summary: string
}

const TONES: readonly Tone[] = ['bad', 'wait', 'plain', 'good']

const inOrder = (items: readonly Standing[]): Standing[] =>
  [...items].sort((a, b) => TONES.indexOf(a.tone) - TONES.indexOf(b.tone))

function standingsOf(items: readonly Standing[], what: string, isMore: boolean): Standings {
  const states = new Map<string, number>()
  const ordered = inOrder(items)
  for (const { state, tone, trouble = state } of ordered)
    if (tone === 'bad' || tone === 'wait') states.set(trouble, (states.get(trouble) ?? 0) + 1)
  const troubles = [...states].map(([state, times]) => `${whole(times)} ${state}`)
  const total = `${isMore ? 'more than ' : ''}${counted(items.length, what)}`
  return { items: ordered, summary: [total, ...troubles].join(' · ') }
}

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
      since: raw(renewedAt),
    }
  })
  return standingsOf(components, 'component', after !== undefined)
}

const STATUS = new Map<string, Tone>([
  ['running', 'plain'],
  ['paused', 'wait'],
  ['parked', 'wait'],
  ['done', 'good'],
])

/** `pages` answer for one status each. */
export function readRuns(pages: readonly unknown[]): Standings {
  const runs = pages.flatMap((page) => list(record(page).items).map(record)).map(runOf)
  return standingsOf(runs, 'run', false)
}

function runOf(run: Json): Standing {
  const { action, status, startedAt, finishedAt } = run
  return {
    name: text(action).replace(/@\d+$/, ''),
    state: text(status),
    tone: STATUS.get(raw(status)) ?? 'bad',
    detail: [whyOf(run), text(run.run)].filter((part) => part !== '').join(' · '),
    since: raw(finishedAt) || raw(startedAt),
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
      since: '',
    }
  })
  return standingsOf(subscriptions, 'subscription', after !== undefined)
}

/** What was set aside for good waits for a person; entries not looked at wait for whoever takes them. */
function lagOf(lag: number, dead: number, isPaused: boolean): Pick<Standing, 'state' | 'tone' | 'trouble'> {
  if (dead > 0) return { state: `${whole(dead)} dead`, tone: 'bad', trouble: 'with dead events' }
  if (isPaused) return { state: 'paused', tone: 'wait' }
  return lag === 0 ? { state: 'up to date', tone: 'good' } : { state: `lag ${whole(lag)}`, tone: 'plain' }
}
