// The figures of runs: five durable steps each, embedded and on PostgreSQL, beside DBOS on the same server.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { DBOS } from '@dbos-inc/dbos-sdk'
import { Client } from 'pg'
import { type HubOptions, openHub } from '../src/hub.ts'
import { ms, openReport, percentile, perSecond, type Report, timed } from './report.ts'
import { steps } from './runs-module.ts'

const URL_ = process.env.POLITY_TEST_POSTGRES_URL ?? 'postgres://postgres@127.0.0.1:5432/test'
const STEPS = 5
const SINGLES = 300
const RUNS = 2000
/** A hub runs for days: what the compiler has not seen yet, and a write-ahead log that still grows, are its first second. */
const WARM_UP = 500

export async function benchRuns(): Promise<void> {
  const report = openReport('runs')
  const dir = mkdtempSync(join(tmpdir(), 'polity-bench-runs-'))
  const database = `polity_bench_${randomBytes(4).toString('hex')}`
  const admin = new Client({ connectionString: URL_ })
  await admin.connect()
  await admin.query(`CREATE DATABASE ${database}`)
  const url = Object.assign(new URL(URL_), { pathname: `/${database}` }).href
  try {
    await polity(report, { dir: join(dir, 'a'), anchorPath: join(dir, 'a.anchor') }, EMBEDDED)
    await polity(report, { dir: join(dir, 'b'), anchorPath: join(dir, 'b.anchor'), storeUrl: url }, SHARED)
    await dbos(report, url)
    report.print()
  } finally {
    await admin.query(`DROP DATABASE ${database} WITH (FORCE)`)
    await admin.end()
    rmSync(dir, { recursive: true, force: true })
  }
}

interface Setting {
  readonly name: string
  readonly p50MaxMs: number
  readonly stepsMin: number
  readonly atATime: number
}

const EMBEDDED: Setting = { name: 'SQLite', p50MaxMs: 2, stepsMin: 3000, atATime: 64 }
const SHARED: Setting = { name: 'PostgreSQL', p50MaxMs: 15, stepsMin: 1500, atATime: 100 }

async function polity(
  report: Report,
  options: Omit<HubOptions, 'modules'>,
  { name, p50MaxMs, stepsMin, atATime }: Setting,
): Promise<void> {
  const hub = await openHub({ ...options, modules: [steps] })
  try {
    const run = (isPure: boolean) => () => hub.invoke(hub.owner, 'bench.steps', { count: STEPS, isPure })
    const { spent, togetherMs } = await measure(run(false), atATime)
    const pure = await measure(run(true), atATime)
    const p50 = percentile(spent, 0.5)
    const pureP50 = percentile(pure.spent, 0.5)
    const what = `decided by the gate, ${STEPS} steps and the outcome each synced to ${name} before the next begins`
    report.add({
      name: `${name}, run of ${STEPS} steps, p50`,
      value: ms(p50),
      target: `<= ${p50MaxMs} ms`,
      isMet: p50 <= p50MaxMs,
      method: `${SINGLES} runs one after the other, behind ${WARM_UP} others, ${what}; p99 ${ms(percentile(spent, 0.99))}`,
    })
    report.add({
      name: `${name}, run of ${STEPS} pure steps, p50`,
      value: ms(pureP50),
      target: `<= ${p50MaxMs} ms`,
      isMet: pureP50 <= p50MaxMs,
      method: `as above, but the steps only compute or read: their results are synced with the outcome; p99 ${ms(percentile(pure.spent, 0.99))}`,
    })
    const rate = (RUNS * STEPS) / (togetherMs / 1000)
    report.add({
      name: `${name}, steps`,
      value: perSecond(RUNS * STEPS, togetherMs),
      target: `>= ${stepsMin.toLocaleString('en')}/s`,
      isMet: rate >= stepsMin,
      method: `${RUNS} such runs, ${atATime} asked for at a time`,
    })
  } finally {
    await hub.close()
  }
}

async function dbos(report: Report, url: string): Promise<void> {
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, logLevel: 'error' })
  const workflow = DBOS.registerWorkflow(
    async (count: number) => {
      let sum = 0
      for (let step = 0; step < count; step++)
        sum += await DBOS.runStep(() => Promise.resolve(step), { name: `${step}` })
      return sum
    },
    { name: 'steps' },
  )
  await DBOS.launch()
  try {
    const { spent, togetherMs } = await measure(() => workflow(STEPS), SHARED.atATime)
    report.add({
      name: `DBOS, run of ${STEPS} steps, p50`,
      value: ms(percentile(spent, 0.5)),
      method: `@dbos-inc/dbos-sdk on the same server, as above, without decision or log; p99 ${ms(percentile(spent, 0.99))}`,
    })
    report.add({
      name: 'DBOS, steps',
      value: perSecond(RUNS * STEPS, togetherMs),
      method: `${RUNS} such workflows, ${SHARED.atATime} at a time, its pool of connections as it comes`,
    })
  } finally {
    await DBOS.shutdown()
  }
}

async function measure(
  run: () => Promise<unknown>,
  atATime: number,
): Promise<{ readonly spent: readonly number[]; readonly togetherMs: number }> {
  for (let each = 0; each < WARM_UP; each++) await run()
  const spent: number[] = []
  for (let each = 0; each < SINGLES; each++) spent.push(await timed(run))
  let left = RUNS
  const line = async () => {
    while (left-- > 0) await run()
  }
  return { spent, togetherMs: await timed(() => Promise.all(Array.from({ length: atATime }, line))) }
}
