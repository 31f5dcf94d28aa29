// Counters of the door and gauges of the hub in the text format of Prometheus (exposition format 0.0.4).

import { type Route, type RouteClass, STATUS_READ, text } from './route.ts'
import type { ServedHub } from './served-hub.ts'

export interface Metrics {
  /** One finished request. `code`: the error code it was answered with. */
  request(
    routeClass: RouteClass | 'unknown',
    status: number,
    durationMs: number,
    code: string | undefined,
  ): void
  readonly text: () => string
}

interface Duration {
  count: number
  sumMs: number
}

/** Labels are classes, statuses and codes of ours, so the number of series is bounded. */
export function openMetrics(
  hub: ServedHub,
  streams: () => number,
  more: () => readonly string[] = () => [],
): Metrics {
  const requests = new Map<string, number>()
  const durations = new Map<string, Duration>()
  const refusals = new Map<string, number>()
  return {
    request(routeClass, status, durationMs, code) {
      increment(requests, `class="${routeClass}",status="${status}"`)
      if (code !== undefined) increment(refusals, `code="${code}"`)
      const duration = durations.get(routeClass) ?? { count: 0, sumMs: 0 }
      durations.set(routeClass, { count: duration.count + 1, sumMs: duration.sumMs + durationMs })
    },
    text: () =>
      [
        ...gauges(hub, streams()),
        ...family('polity_http_requests_total', 'counter', 'Answered requests.', requests),
        ...family(
          'polity_http_errors_total',
          'counter',
          'Requests answered with an error, by its code; denied is the gate.',
          refusals,
        ),
        ...durationFamily(durations),
        ...more(),
        '',
      ].join('\n'),
  }
}

export const metricsRoute = (metrics: Metrics, more: () => Promise<readonly string[]>): Route => ({
  method: 'GET',
  path: '/metrics',
  class: 'meta',
  access: 'loopback',
  permission: STATUS_READ,
  docs: [
    {
      operationId: 'hub.metrics',
      summary: 'Metrics for Prometheus; open on the loopback interface.',
      tag: 'health',
      answers: { 200: { description: 'Text.', mediaType: 'text/plain' } },
      errors: [],
    },
  ],
  handle: async () => ({
    ...text(200, [...(await more()), metrics.text()].join('\n')),
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
  }),
})

const increment = (counts: Map<string, number>, labels: string) =>
  counts.set(labels, (counts.get(labels) ?? 0) + 1)

function gauges({ log, release, startedAt }: ServedHub, streams: number): string[] {
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return [
    ...single('polity_info', 'gauge', 'The release.', 1, `release="${release}"`),
    ...single(
      'polity_log_published_entries',
      'gauge',
      'Entries under the newest checkpoint.',
      log.head().size,
    ),
    ...single('polity_live_streams', 'gauge', 'Open event streams.', streams),
    ...single(
      'process_start_time_seconds',
      'gauge',
      'Start of the hub, Unix time.',
      Date.parse(startedAt) / 1000,
    ),
    ...single('process_cpu_seconds_total', 'counter', 'CPU time of the process.', (user + system) / 1e6),
    ...single('process_resident_memory_bytes', 'gauge', 'Resident memory of the process.', rss),
    ...single('nodejs_heap_size_used_bytes', 'gauge', 'Used JavaScript heap.', heapUsed),
  ]
}

const single = (name: string, type: string, help: string, value: number, labels = ''): string[] =>
  family(name, type, help, new Map([[labels, value]]))

export const family = (
  name: string,
  type: string,
  help: string,
  values: ReadonlyMap<string, number>,
): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
  ...[...values].map(([labels, value]) => `${name}${labels === '' ? '' : `{${labels}}`} ${value}`),
]

function durationFamily(durations: ReadonlyMap<string, Duration>): string[] {
  const name = 'polity_http_request_duration_seconds'
  return [
    `# HELP ${name} Time from the request's head to the end of the answer.`,
    `# TYPE ${name} summary`,
    ...[...durations].flatMap(([routeClass, { count, sumMs }]) => [
      `${name}_sum{class="${routeClass}"} ${sumMs / 1000}`,
      `${name}_count{class="${routeClass}"} ${count}`,
    ]),
  ]
}
