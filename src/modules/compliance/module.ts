// Compliance: sums the log up for whoever has to answer for it. It reads, and keeps reports where it is asked to.

import { hash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { defineModule, type ModuleHost } from '../../kernel/catalog/module.ts'
import { severities } from '../../kernel/decisions/contract.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import { canonicalize, type Json } from '../../kit/canonical-json.ts'
import { preserve } from '../archive/contract.ts'
import * as contract from './contract.ts'
import { CHANGES, type ComplianceReport, delivery, publish, ReportPublished, report } from './contract.ts'
import { Deliveries } from './delivering.ts'
import { Summary } from './summary.ts'

interface Period {
  readonly from: string
  readonly to: string
}

const DAY_MS = 24 * 60 * 60_000
const PERIOD_DAYS = 30
/** Entries that one answer looks at; a longer period is exported from the folder. */
const ENTRIES_MAX = 200_000
const PAGE_ENTRIES = 1000

export const compliance = defineModule(
  'compliance',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  (host) => ({
    commands: [
      publish.handle(async (ctx, { days }) => {
        const period = lastDays(days, Date.parse(ctx.now))
        const made = await ctx.step('report', () => reportOf(host, period))
        const digest = `sha256:${hash('sha256', canonicalize(made as unknown as Json), 'hex')}`
        const { scroll, version } = await ctx.invoke(preserve, {
          title: `Compliance report ${period.from} to ${period.to}`,
          content: made,
          mediaType: 'application/json',
          tags: ['compliance'],
        })
        const published = { ...period, digest, scroll, version }
        ctx.record(ReportPublished(published, { subject: `archive/${scroll}` }))
        return published
      }),
    ],
    queries: [
      report.handle((ctx, asked) => reportOf(host, periodOf(asked, ctx.now))),
      delivery.handle(async (ctx, { changes = CHANGES, ...asked }) => {
        const period = periodOf(asked, ctx.now)
        const deliveries = new Deliveries(changes)
        for await (const entry of entriesOf(host, period)) deliveries.add(entry)
        return deliveries.delivery(period)
      }),
    ],
  }),
)

const lastDays = (days: number, nowMs: number): Period => ({
  from: new Date(nowMs - days * DAY_MS).toISOString(),
  to: new Date(nowMs).toISOString(),
})

/** Throws `input.invalid` for a period that ends before it begins. */
function periodOf({ from, to }: Partial<Period>, now: string): Period {
  const toMs = Date.parse(to ?? now)
  const period = lastDays(PERIOD_DAYS, toMs)
  const given = { from: from ?? period.from, to: to ?? period.to }
  if (Date.parse(given.from) > toMs)
    throw new PolityError('input.invalid', 'the period ends before it begins: give --from and --to in order')
  return given
}

async function reportOf(host: ModuleHost, period: Period): Promise<ComplianceReport> {
  const known = host.face(severities)
  const summary = new Summary(async (bundle, policy) => known?.of(bundle, policy))
  for await (const entry of entriesOf(host, period)) await summary.add(entry)
  const { origin } = host.log
  return summary.report(period, { origin, size: host.log.head().size })
}

/** Published entries of a period, in order. Throws `limit` where they are too many for one answer. */
async function* entriesOf(
  { log }: Pick<ModuleHost, 'log'>,
  { from, to }: Period,
): AsyncGenerator<Entry, void> {
  const [fromMs, toMs] = [Date.parse(from), Date.parse(to)]
  let looked = 0
  for (let after = log.cursorAt(await firstSince(log, fromMs)); ; ) {
    const { entries, cursor } = await log.read({ after, limit: PAGE_ENTRIES })
    for (const entry of entries) {
      const atMs = Date.parse(entry.time)
      if (atMs >= fromMs && atMs < toMs) yield entry
    }
    looked += entries.length
    if (looked > ENTRIES_MAX)
      throw new PolityError(
        'limit',
        `the period holds more than ${ENTRIES_MAX} entries: ask for a shorter one, or use \`polity compliance export\``,
        { entriesMax: ENTRIES_MAX },
      )
    const last = entries.at(-1)
    if (last === undefined || cursor === undefined || entries.length < PAGE_ENTRIES) return
    if (Date.parse(last.time) >= toMs + SLACK_MS) return
    after = cursor
    await setImmediate()
  }
}

/** Entries stand in the order of their times, but for moments. */
const SLACK_MS = 10 * 60_000

async function firstSince(log: ModuleHost['log'], sinceMs: number): Promise<number> {
  let [low, high] = [0, log.head().size]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const timeMs = await log.entry(middle).then(
      ({ entry }) => Date.parse(entry.time),
      // What was pruned is older than what is left.
      () => Number.NEGATIVE_INFINITY,
    )
    if (timeMs < sinceMs - SLACK_MS) low = middle + 1
    else high = middle
  }
  return low
}
