// The small drawings: health ring, bar, history line, grade and trend; each also says in words what it shows.

import { drawing, element } from './element.ts'
import { share, tenths } from './numbers.ts'
import type { Change, Grade, Measured } from './shapes.ts'

const HEALTH_MAX = 100
/** Where the hub raises its alert (`mirror.health-fell`). */
const ALERT_BELOW = 70
const POOR_BELOW = 50

const RING_RADIUS = 19
const RING_LENGTH = 2 * Math.PI * RING_RADIUS

const LINE_WIDTH = 112
const LINE_HEIGHT = 32
const LINE_PADDING = 3
/** Smaller swings than this are not blown up to look like drama. */
const LINE_SPAN_MIN = 20
const LINE_POINTS_MAX = 60

const MEANINGS: Readonly<Record<Exclude<Grade, 'U'>, string>> = {
  A: 'Security grade A: 8.0 or more of 10',
  B: 'Security grade B: 6.5 or more of 10',
  C: 'Security grade C: 5.0 or more of 10',
  D: 'Security grade D: 3.5 or more of 10',
  F: 'Security grade F: below 3.5 of 10',
}

type Band = 'good' | 'fair' | 'poor' | 'unknown'

function bandOf(score: number | null, max = HEALTH_MAX): Band {
  if (score === null) return 'unknown'
  const health = (score / max) * HEALTH_MAX
  if (health < POOR_BELOW) return 'poor'
  return health < ALERT_BELOW ? 'fair' : 'good'
}

export function ring(health: number | null): HTMLElement {
  const circle = { cx: 22, cy: 22, r: RING_RADIUS }
  const length = ((health ?? 0) / HEALTH_MAX) * RING_LENGTH
  return element(
    'span',
    {
      class: 'ring',
      'data-band': bandOf(health),
      title: health === null ? 'Too little could be measured' : 'Health, 0 to 100',
    },
    drawing(
      'svg',
      { viewBox: '0 0 44 44', 'aria-hidden': true },
      drawing('circle', { ...circle, class: 'ring-track' }),
      health !== null &&
        drawing('circle', {
          ...circle,
          class: 'ring-value',
          'stroke-dasharray': `${length.toFixed(2)} ${RING_LENGTH.toFixed(2)}`,
        }),
    ),
    element(
      'span',
      { class: 'ring-number' },
      element('span', { class: 'unseen' }, 'Health '),
      health === null ? '–' : tenths(health),
    ),
  )
}

export function bar(value: number | null, max: number): SVGElement {
  const width = value === null ? 0 : Math.max(0, Math.min(1, value / max)) * 100
  return drawing(
    'svg',
    {
      class: 'bar',
      viewBox: '0 0 100 6',
      preserveAspectRatio: 'none',
      'aria-hidden': true,
      'data-band': bandOf(value, max),
    },
    drawing('rect', { class: 'bar-track', width: 100, height: 6 }),
    drawing('rect', { class: 'bar-value', width: width.toFixed(1), height: 6 }),
  )
}

/** `coverage` is the share of the checks that could be made, 0 to 1. */
export function gradeBadge(grade: Grade, coverage: number): HTMLElement {
  const ungraded = `ungraded: ${share(coverage)} measured`
  return element(
    'span',
    { class: 'grade', 'data-grade': grade, title: grade === 'U' ? ungraded : MEANINGS[grade] },
    element('span', { class: 'unseen' }, 'Grade '),
    grade,
    grade === 'U' && element('span', { class: 'unseen' }, `, ${ungraded}`),
  )
}

/** `▲ 1.2 7 days`; what rounds to nothing is unchanged. */
export function trend(change: Change | null, since: string): HTMLElement {
  if (!change) return element('span', { class: 'trend', 'data-direction': 'none' }, '–')
  const points = tenths(Math.abs(change.points))
  const direction = points === tenths(0) ? 'flat' : change.points > 0 ? 'up' : 'down'
  return element(
    'span',
    {
      class: 'trend',
      'data-direction': direction,
      title: `Compared with the analysis as of ${change.asOf}`,
    },
    ...(direction === 'flat' ? ['unchanged '] : [arrow(direction), `${points} `]),
    element('span', { class: 'since' }, since),
  )
}

const arrow = (direction: 'up' | 'down'): HTMLElement =>
  element(
    'span',
    {},
    element('span', { 'aria-hidden': true, class: 'arrow' }, direction === 'up' ? '▲' : '▼'),
    element('span', { class: 'unseen' }, `${direction} `),
  )

/** Health over time, the alert line dotted. One measurement is a point, none is nothing. */
export function historyLine(history: readonly Measured[]): SVGElement {
  const recent = history.slice(-LINE_POINTS_MAX)
  const place = placing(recent)
  const points = recent.map(place)
  const last = points.at(-1)
  const alertAt = place({ asOf: recent[0]?.asOf ?? '', health: ALERT_BELOW }).y
  const isAlertVisible = alertAt > 0 && alertAt < LINE_HEIGHT && recent.length > 0
  return drawing(
    'svg',
    {
      class: 'history',
      viewBox: `0 0 ${LINE_WIDTH} ${LINE_HEIGHT}`,
      role: 'img',
      'aria-label': describe(recent),
      'data-band': bandOf(recent.at(-1)?.health ?? null),
    },
    isAlertVisible &&
      drawing('line', {
        class: 'history-alert',
        x1: 0,
        x2: LINE_WIDTH,
        y1: alertAt.toFixed(1),
        y2: alertAt.toFixed(1),
      }),
    points.length > 1 &&
      drawing('polyline', {
        class: 'history-line',
        points: points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' '),
      }),
    last && drawing('circle', { class: 'history-end', cx: last.x.toFixed(1), cy: last.y.toFixed(1), r: 2.5 }),
  )
}

function placing(history: readonly Measured[]): (measured: Measured) => { x: number; y: number } {
  const values = history.map(({ health }) => health)
  const middle = (Math.min(...values) + Math.max(...values)) / 2
  const span = Math.max(LINE_SPAN_MIN, Math.max(...values) - Math.min(...values))
  const times = history.map(({ asOf }) => Date.parse(asOf))
  const from = Math.min(...times)
  const duration = Math.max(...times) - from
  return ({ asOf, health }) => ({
    x:
      LINE_PADDING +
      (duration > 0 ? (Date.parse(asOf) - from) / duration : 1) * (LINE_WIDTH - 2 * LINE_PADDING),
    y: LINE_HEIGHT / 2 - ((health - middle) / span) * (LINE_HEIGHT - 2 * LINE_PADDING),
  })
}

function describe(history: readonly Measured[]): string {
  const [first] = history
  const last = history.at(-1)
  if (!first || !last) return 'No history yet'
  if (history.length === 1) return `Health ${tenths(last.health)}, analysed once`
  return `Health from ${tenths(first.health)} to ${tenths(last.health)} over ${history.length} analyses`
}
