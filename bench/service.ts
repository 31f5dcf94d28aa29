// The gate as a service: decisions over HTTP on loopback, forward-auth, and beside them a bare route that answers the same bytes.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Client, type Dispatcher } from 'undici'
import { type HubProcess, startHub } from './hub-process.ts'
import { ms, openReport, percentile, perSecond, type Report } from './report.ts'

const CONNECTIONS = 16
/** Timed requests of each kind; POLITY_BENCH_REQUESTS makes them fewer, to see whether it works. */
const REQUESTS = Number(process.env.POLITY_BENCH_REQUESTS ?? 20_000)
const WARM_UP = Math.min(2000, REQUESTS)
const BARE_ROUTE = fileURLToPath(new URL('./bare-route.ts', import.meta.url))

export async function benchService(): Promise<void> {
  const report = openReport('service')
  const dir = mkdtempSync(join(tmpdir(), 'polity-bench-service-'))
  const hub = await startHub(dir, { POLITY_HTTP_TRUSTED_PROXIES: '["127.0.0.1"]' })
  try {
    const asker = askerOf(hub)
    const answer = await sampleOf(hub, asker.decide())
    await measure(report, hub.url, 'decision', asker.decide, {
      method:
        'POST /v1/decisions: decided, committed to disk and answered; its outcome is reported afterwards, untimed, by the same connection',
      after: asker.report,
    })
    await measure(report, hub.url, 'decision about reading', asker.check, {
      method: 'POST /v1/decisions with readOnly: decided and answered, without a record',
    })
    await measure(report, hub.url, 'forward-auth', asker.forward, {
      method: 'GET /v1/forward-auth as a proxy asks it, about GET of 100 paths in turn',
    })
    await withBareRoute(answer, (url) =>
      measure(report, url, 'bare Fastify route', asker.decide, {
        method: `POST to a Fastify route in a process of its own that parses the same body and answers the same ${answer.length} bytes`,
      }),
    )
  } finally {
    await hub.stop()
    rmSync(dir, { recursive: true, force: true })
  }
  report.print()
}

type Asking = (index: number) => Dispatcher.RequestOptions
/** What follows an answer on the same connection, and is not timed. */
type After = (body: string) => Dispatcher.RequestOptions

function askerOf({ dataDir }: HubProcess) {
  const token = readFileSync(join(dataDir, 'admin.token'), 'utf8').trim()
  const authorization = `Bearer ${token}`
  const posting = (path: string, body: object): Dispatcher.RequestOptions => ({
    method: 'POST',
    path,
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const deed = (index: number, properties: object) => ({
    action: { name: 'payments.refund', properties },
    resource: { type: 'account', id: String(index % 1000) },
    context: { conduct: { cost: 2500 } },
  })
  return {
    decide: (index = 0) => posting('/v1/decisions', deed(index, { risk: 'medium' })),
    check: (index: number) => posting('/v1/decisions', deed(index, { readOnly: true })),
    forward: (index: number): Dispatcher.RequestOptions => ({
      method: 'GET',
      path: '/v1/forward-auth',
      headers: {
        authorization,
        'x-forwarded-for': '203.0.113.9',
        'x-forwarded-method': 'GET',
        'x-forwarded-host': 'app.example',
        'x-forwarded-uri': `/orders/${index % 100}`,
      },
    }),
    report: (body: string) => {
      const { context } = JSON.parse(body) as { readonly context: { readonly id: string } }
      return posting(`/v1/decisions/${context.id}/outcome`, { status: 'done' })
    },
  }
}

async function sampleOf({ url }: HubProcess, options: Dispatcher.RequestOptions): Promise<string> {
  const client = new Client(url)
  try {
    return await answered(client, options)
  } finally {
    await client.close()
  }
}

/** Throws where the answer is another one than is measured. */
async function answered(client: Client, options: Dispatcher.RequestOptions): Promise<string> {
  const { statusCode, body } = await client.request(options)
  const text = await body.text()
  if (statusCode !== 200) throw new Error(`${options.path}: ${statusCode} ${text}`)
  return text
}

interface Measuring {
  readonly method: string
  readonly after?: After
}

async function measure(
  report: Report,
  url: string,
  name: string,
  asking: Asking,
  { method, after }: Measuring,
): Promise<void> {
  const clients = Array.from({ length: CONNECTIONS }, () => new Client(url))
  try {
    await drive(clients, WARM_UP, asking, after)
    const { spent, durationMs } = await drive(clients, REQUESTS, asking, after)
    report.add({ name: `${name}, p50`, value: ms(percentile(spent, 0.5)), method })
    report.add({ name: `${name}, p99`, value: ms(percentile(spent, 0.99)), method: 'of the same requests' })
    report.add({
      name: `${name}, rate`,
      value: perSecond(REQUESTS, durationMs),
      method: `${REQUESTS} requests from ${CONNECTIONS} connections, one at a time on each, in a process of its own on the same machine${after === undefined ? '' : '; the reports take their share of the time'}`,
    })
  } finally {
    await Promise.all(clients.map((client) => client.close()))
  }
}

async function drive(clients: readonly Client[], count: number, asking: Asking, after: After | undefined) {
  const spent: number[] = []
  let next = 0
  const startMs = performance.now()
  await Promise.all(
    clients.map(async (client) => {
      for (let index = next++; index < count; index = next++) {
        const askedMs = performance.now()
        const body = await answered(client, asking(index))
        spent.push(performance.now() - askedMs)
        if (after !== undefined) await answered(client, after(body))
      }
    }),
  )
  return { spent, durationMs: performance.now() - startMs }
}

async function withBareRoute(answer: string, use: (url: string) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, [BARE_ROUTE, answer], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await use(await firstLine(child))
  } finally {
    child.kill('SIGTERM')
  }
}

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  if (!stdout) throw new Error('the bare route has no stdout')
  for await (const line of createInterface({ input: stdout })) return line
  throw new Error('the bare route ended before it listened')
}
