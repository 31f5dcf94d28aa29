// What went through the gateway: counts, statuses and latencies per component, method and form of path, within bounds.

import type { Static } from '../../../kernel/schema/schema.ts'
import type { traffic } from '../contract.ts'
import type { Sample } from './service-gateway.ts'

/** Rows altogether, and forms of paths of one component; what comes after them is counted under OTHER. */
export const ROUTES_MAX = 2000
export const FORMS_MAX = 64
const OTHER = '{other}'
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Bounds grow by a quarter from 0.1 ms: a percentile is at most so much too high. */
const FIRST_BOUND_MS = 0.1
const GROWTH = 1.25
const BUCKETS = 72

export interface Traffic {
  note(sample: Sample): void
  page(asked: Static<typeof traffic.schema>): Static<typeof traffic.output>
  /** In the text format of Prometheus, by component and class of status; without paths. */
  metrics(): readonly string[]
}

interface Counts {
  readonly component: string
  readonly method: string
  readonly path: string
  requests: number
  upgraded: number
  readonly classes: [number, number, number, number]
  readonly buckets: Uint32Array
  latencySumMs: number
}

const PAGE_SIZE = 1000

export function openTraffic(): Traffic {
  const routes = new Map<string, Counts>()
  const forms = new Map<string, Set<string>>()
  const placeOf = ({ component, method: asked, path }: Sample): Counts => {
    const method = METHODS.includes(asked) ? asked : OTHER
    const known = forms.get(component) ?? new Set()
    const isNew = !known.has(path)
    const shown = isNew && known.size >= FORMS_MAX ? OTHER : path
    const key = keyOf({ component, method, path: shown })
    const found = routes.get(key)
    if (found !== undefined) return found
    // The last row is everybody's.
    if (routes.size >= ROUTES_MAX - 1) return ensure(routes, { component: OTHER, method: OTHER, path: OTHER })
    known.add(shown)
    forms.set(component, known)
    return ensure(routes, { component, method, path: shown })
  }
  return {
    note(sample) {
      const counts = placeOf(sample)
      counts.requests += 1
      counts.latencySumMs += sample.latencyMs
      const bucket = bucketOf(sample.latencyMs)
      counts.buckets[bucket] = (counts.buckets[bucket] ?? 0) + 1
      if (sample.status === 101) counts.upgraded += 1
      const statusClass = Math.floor(sample.status / 100) - 2
      if (statusClass >= 0 && statusClass < 4) counts.classes[statusClass as 0 | 1 | 2 | 3] += 1
    },
    page({ id, after, limit = PAGE_SIZE }) {
      const found = [...routes.values()]
        .filter(({ component }) => id === undefined || component === id)
        .filter((each) => after === undefined || keyOf(each) > after)
        .sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1))
      const page = found.slice(0, limit)
      const last = page.at(-1)
      return {
        items: page.map(shownRoute),
        ...(last !== undefined && found.length > limit ? { after: keyOf(last) } : {}),
      }
    },
    metrics: () => metricLines([...routes.values()]),
  }
}

const keyOf = ({ component, method, path }: Pick<Counts, 'component' | 'method' | 'path'>): string =>
  `${component} ${method} ${path}`

function ensure(routes: Map<string, Counts>, named: Pick<Counts, 'component' | 'method' | 'path'>): Counts {
  const key = keyOf(named)
  const counts = routes.get(key) ?? {
    ...named,
    requests: 0,
    upgraded: 0,
    classes: [0, 0, 0, 0] as [number, number, number, number],
    buckets: new Uint32Array(BUCKETS),
    latencySumMs: 0,
  }
  routes.set(key, counts)
  return counts
}

const bucketOf = (latencyMs: number): number => {
  const steps = Math.ceil(Math.log(Math.max(latencyMs, FIRST_BOUND_MS) / FIRST_BOUND_MS) / Math.log(GROWTH))
  return Math.min(BUCKETS - 1, Math.max(0, steps))
}

const boundOf = (bucket: number): number => FIRST_BOUND_MS * GROWTH ** bucket

/** The upper bound of the bucket that holds this share of the samples; 0 without samples. */
function percentileOf(buckets: Uint32Array, share: number): number {
  const total = buckets.reduce((sum, count) => sum + count, 0)
  const rank = Math.max(1, Math.ceil(total * share))
  let seen = 0
  for (const [bucket, count] of buckets.entries()) {
    seen += count
    if (count > 0 && seen >= rank) return Number(boundOf(bucket).toPrecision(3))
  }
  return 0
}

const shownRoute = ({ component, method, path, requests, upgraded, classes, buckets }: Counts) => ({
  component,
  method,
  path,
  requests,
  status2xx: classes[0],
  status3xx: classes[1],
  status4xx: classes[2],
  status5xx: classes[3],
  upgraded,
  p50Ms: percentileOf(buckets, 0.5),
  p95Ms: percentileOf(buckets, 0.95),
  p99Ms: percentileOf(buckets, 0.99),
})

const QUANTILES = [0.5, 0.95, 0.99] as const

/** Ids of components and {other} need no escapes. */
function metricLines(all: readonly Counts[]): string[] {
  if (all.length === 0) return []
  const byComponent = Map.groupBy(all, ({ component }) => component)
  const requests: string[] = []
  const durations: string[] = []
  for (const [component, counts] of byComponent) {
    for (const [at, name] of ['2xx', '3xx', '4xx', '5xx'].entries()) {
      const sum = counts.reduce((total, { classes }) => total + (classes[at] ?? 0), 0)
      requests.push(`polity_gateway_requests_total{component="${component}",status="${name}"} ${sum}`)
    }
    const buckets = new Uint32Array(BUCKETS)
    for (const each of counts)
      for (const [at, count] of each.buckets.entries()) buckets[at] = (buckets[at] ?? 0) + count
    const seconds = counts.reduce((total, { latencySumMs }) => total + latencySumMs, 0) / 1000
    const name = 'polity_gateway_latency_seconds'
    for (const share of QUANTILES)
      durations.push(
        `${name}{component="${component}",quantile="${share}"} ${percentileOf(buckets, share) / 1000}`,
      )
    durations.push(`${name}_sum{component="${component}"} ${seconds}`)
    const count = counts.reduce((total, each) => total + each.requests, 0)
    durations.push(`${name}_count{component="${component}"} ${count}`)
  }
  return [
    '# HELP polity_gateway_requests_total Requests to components, by the class of the status that was answered.',
    '# TYPE polity_gateway_requests_total counter',
    ...requests,
    '# HELP polity_gateway_latency_seconds Time to the head of the answer.',
    '# TYPE polity_gateway_latency_seconds summary',
    ...durations,
  ]
}
