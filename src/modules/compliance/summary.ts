// Sums a period up, entry by entry: the same entries under the same rules come to the same report.

import { ActionDecided, ActionFinished } from '../../kernel/catalog/records.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import type { ComplianceReport, Severity } from './contract.ts'
import { mappingOf } from './mapping.ts'

/** What a policy of the rules of then says of its weight. */
export type SeverityOf = (bundle: string, policy: string) => Promise<string | undefined>

/** What the report of a period is about; other entries say nothing to it. */
export const isOfReport = (type: string): boolean =>
  type === ActionDecided.name || type === ActionFinished.name || type.startsWith('approval.')

const SEVERITIES: readonly Severity[] = ['critical', 'binding', 'advisory', 'unrated']
/** Names that are counted apart. */
const NAMES_MAX = 10_000
const OTHERS = '(others)'
const VIOLATORS_SHOWN_MAX = 20
const POLICIES_SHOWN_MAX = 50
const UNPERMITTED = '(no rule permits)'

type Decided = Static<typeof ActionDecided.schema>
type Finished = Static<typeof ActionFinished.schema>

interface Violator {
  count: number
  critical: number
  binding: number
}

export class Summary {
  readonly #severityOf: SeverityOf
  readonly #decisions = { total: 0, allowed: 0, suspended: 0, denied: 0, letPass: 0, solo: 0 }
  readonly #outcomes = { done: 0, failed: 0, unknown: 0, cancelled: 0 }
  readonly #byRisk = new Counts()
  readonly #byMode = new Counts()
  readonly #approvals = new Counts()
  readonly #violations = new Map<Severity, { count: number; policies: Counts }>()
  readonly #violators = new Map<string, Violator>()
  #entries = 0

  constructor(severityOf: SeverityOf) {
    this.#severityOf = severityOf
  }

  async add({ type, data, actor = '' }: Entry): Promise<void> {
    if (!isOfReport(type)) return
    this.#entries += 1
    if (type === ActionDecided.name) await this.#decided(data as Decided, actor)
    else if (type === ActionFinished.name) this.#outcomes[(data as Finished).status] += 1
    else this.#approvals.add(type)
  }

  report(period: ComplianceReport['period'], log: ComplianceReport['log']): ComplianceReport {
    const counted = {
      ...{ period, log, entries: this.#entries },
      decisions: { ...this.#decisions, byRisk: this.#byRisk.list(), byMode: this.#byMode.list() },
      approvals: this.#approvals.list(),
      outcomes: { ...this.#outcomes },
      violations: SEVERITIES.flatMap((severity) => {
        const found = this.#violations.get(severity)
        if (found === undefined) return []
        return [{ severity, count: found.count, policies: found.policies.list(POLICIES_SHOWN_MAX) }]
      }),
      topViolators: [...this.#violators]
        .map(([actor, counts]) => ({ actor, ...counts }))
        .sort(graver)
        .slice(0, VIOLATORS_SHOWN_MAX),
    }
    return { ...counted, mapping: mappingOf(counted) }
  }

  async #decided(decided: Decided, actor: string): Promise<void> {
    const { effect, wouldEffect = effect, count = 1, risk, mode, solo } = decided
    const decisions = this.#decisions
    decisions.total += count
    if (effect === 'allow') decisions.allowed += count
    else if (effect === 'suspended') decisions.suspended += count
    else decisions.denied += count
    if (wouldEffect !== effect) decisions.letPass += count
    if (solo) decisions.solo += count
    this.#byRisk.add(risk, count)
    this.#byMode.add(mode, count)
    if (wouldEffect !== 'allow') await this.#violated(decided, actor, count)
  }

  async #violated({ bundle, reasons }: Decided, actor: string, count: number): Promise<void> {
    const policies = reasons.length === 0 ? [UNPERMITTED] : reasons
    const rated = await Promise.all(
      policies.map(async (policy) => ratingOf(await this.#severityOf(bundle, policy))),
    )
    const severity = SEVERITIES.find((each) => rated.includes(each)) ?? 'unrated'
    const found = this.#violations.get(severity) ?? { count: 0, policies: new Counts() }
    found.count += count
    for (const policy of policies) found.policies.add(policy, count)
    this.#violations.set(severity, found)
    const who = this.#violators.has(actor) || this.#violators.size < NAMES_MAX ? actor : OTHERS
    const violator = this.#violators.get(who) ?? { count: 0, critical: 0, binding: 0 }
    violator.count += count
    if (severity === 'critical' || severity === 'binding') violator[severity] += count
    this.#violators.set(who, violator)
  }
}

const ratingOf = (severity: string | undefined): Severity =>
  SEVERITIES.find((each) => each === severity) ?? 'unrated'

const graver = (a: Violator & { readonly actor: string }, b: Violator & { readonly actor: string }): number =>
  b.critical - a.critical || b.binding - a.binding || b.count - a.count || (a.actor < b.actor ? -1 : 1)

class Counts {
  readonly #counts = new Map<string, number>()

  add(name: string, count = 1): void {
    const key = this.#counts.has(name) || this.#counts.size < NAMES_MAX ? name : OTHERS
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + count)
  }

  /** Most first. */
  list(max = NAMES_MAX): { name: string; count: number }[] {
    return [...this.#counts]
      .map(([name, count]) => ({ name, count }))
      .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
      .slice(0, max)
  }
}
