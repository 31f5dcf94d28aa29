// The small sections at the top: components and their health, runs that wait or failed, subscriptions and their lag.

import { ApiError, get } from './api.ts'
import { coalesced } from './coalesced.ts'
import { byId, element } from './element.ts'
import { list, raw, record } from './json.ts'
import { timeElement, whole } from './numbers.ts'
import type { Entry } from './shapes.ts'
import { readComponents, readRuns, readSubscriptions, type Standing, type Standings } from './standings.ts'

const SHOWN_MAX = 4
const COMPONENTS_MAX = 1000
const SUBSCRIPTIONS_MAX = 100
const RUNS_MAX = 20
const FAILED_MAX = 3
/** Leases run out and lag grows without an entry. */
const LOOK_MS = 30_000
/** News comes in bursts. */
const PAUSE_MS = 1_000
const FORBIDDEN = 403

export interface StandingPanels {
  /** Looks at what this hub has, as its status says. */
  begin(status: unknown): void
  heard(news: readonly Entry[]): void
  clear(): void
}

interface Panel {
  readonly id: string
  /** The query without which a hub has no such thing. */
  readonly query: string
  /** The command that shows the rest. */
  readonly command: string
  /** Entries of which types change what it shows. */
  readonly isTouchedBy: (type: string) => boolean
  readonly load: () => Promise<Standings>
}

const runsOf = (status: string, limit: number): Promise<unknown> =>
  get(`/v1/runs?status=${status}&limit=${limit}`)

const PANELS: readonly Panel[] = [
  {
    id: 'components',
    query: 'components.list',
    command: 'polity components list',
    isTouchedBy: (type) => type.startsWith('components.'),
    load: async () => readComponents(await get(`/v1/components?limit=${COMPONENTS_MAX}`)),
  },
  {
    id: 'runs',
    query: 'runs.list',
    command: 'polity runs list',
    isTouchedBy: (type) => type.startsWith('run.') || type.startsWith('action.'),
    load: async () =>
      readRuns(
        await Promise.all([
          runsOf('parked', RUNS_MAX),
          runsOf('paused', RUNS_MAX),
          runsOf('unknown', RUNS_MAX),
          runsOf('failed', FAILED_MAX),
          runsOf('running', RUNS_MAX),
        ]),
      ),
  },
  {
    id: 'subscriptions',
    query: 'mesh.subscriptions',
    command: 'polity mesh subscriptions',
    isTouchedBy: (type) => type.startsWith('mesh.'),
    load: async () => readSubscriptions(await get(`/v1/mesh/subscriptions?limit=${SUBSCRIPTIONS_MAX}`)),
  },
]

export function openStandings(onError: (error: unknown) => void): StandingPanels {
  const open = new Map<Panel, () => Promise<void>>()
  const looking = (panel: Panel) =>
    coalesced(async () => {
      try {
        const standings = await panel.load()
        // The session may have ended meanwhile.
        if (open.has(panel)) draw(panel, standings)
      } catch (error) {
        // Not everybody may see everything.
        if (error instanceof ApiError && error.status === FORBIDDEN) open.delete(panel)
        else onError(error)
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    })
  const look = (isWanted: (panel: Panel) => boolean) => {
    for (const [panel, refresh] of open) if (isWanted(panel)) void refresh()
  }
  setInterval(() => {
    if (document.visibilityState === 'visible') look(() => true)
  }, LOOK_MS)

  return {
    begin(status) {
      const queries = new Set(list(record(status).queries).map((name) => raw(name).replace(/@\d+$/, '')))
      for (const panel of PANELS)
        if (queries.has(panel.query) && !open.has(panel)) open.set(panel, looking(panel))
      look(() => true)
    },
    heard(news) {
      look(({ isTouchedBy }) => news.some(({ type }) => isTouchedBy(type)))
    },
    clear() {
      open.clear()
      for (const panel of PANELS) draw(panel, { items: [], summary: '' })
    },
  }
}

/** A section with nothing in it takes no room. */
function draw({ id, command }: Panel, { items, summary }: Standings): void {
  const section = byId(id)
  section.hidden = items.length === 0
  const head = section.querySelector('.standings-summary')
  if (head) head.textContent = summary
  const rest = items.length - SHOWN_MAX
  section
    .querySelector('ul')
    ?.replaceChildren(
      ...items.slice(0, SHOWN_MAX).map(standingItem),
      ...(rest > 0
        ? [element('li', { class: 'standings-rest' }, `${whole(rest)} more: `, element('code', {}, command))]
        : []),
    )
}

const standingItem = ({ name, state, tone, detail, at, event }: Standing): HTMLLIElement =>
  element(
    'li',
    { class: 'standing' },
    element('span', { class: 'standing-name' }, name),
    element('span', { class: 'verdict', 'data-tone': tone }, state),
    detail !== '' && element('span', { class: 'sentence' }, detail),
    at !== '' && element('span', { class: 'meta' }, `${event} `, timeElement(at)),
  )
