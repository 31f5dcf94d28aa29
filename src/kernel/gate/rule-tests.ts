// Unit tests of rules: requests and what the rules are expected to answer, in YAML, run on a gate of their own.

import { asPolityError, PolityError } from '../errors.ts'
import { pointerPart } from '../schema/schema.ts'
import type { Bundle } from './bundle.ts'
import { type Gate, openGate } from './gate.ts'
import { ENFORCED } from './rollout.ts'
import {
  type ReadRuleTests,
  type RuleTestCase,
  type RuleTestRequest,
  readRuleTests,
} from './rule-test-file.ts'
import { type ActionDefinition, type Fact, type GateRequest, PLAIN_STANDING, type Risk } from './types.ts'

/** An action as its definition declares it. */
export interface TestedAction extends ActionDefinition {
  readonly risk?: Risk
  readonly conduct?: Readonly<Record<string, Fact>>
}

export interface RuleTestOptions {
  readonly bundle: Bundle
  /** What can be asked for, beside what a file declares. */
  readonly actions: readonly TestedAction[]
  readonly files: readonly { readonly name: string; readonly text: string }[]
}

/** What the rules answered. */
export interface RuleTestAnswer {
  readonly effect: string
  readonly reasons: readonly string[]
  readonly obligations: readonly string[]
  readonly risk: string
  readonly raisedBy: readonly string[]
}

export interface Mismatch {
  /** A key of `expect`. */
  readonly what: string
  readonly expected: string
  readonly found: string
}

export interface RuleTestResult {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly name: string
  readonly isPassed: boolean
  readonly mismatches: readonly Mismatch[]
  /** Absent where the gate refused the request as such. */
  readonly answer?: RuleTestAnswer
  /** The verdict in one sentence, or why the request was refused. */
  readonly sentence: string
}

/** A Monday at noon, so that no rule about nights and weekends holds unless a case says so. */
const NOW = '2026-01-05T12:00:00.000Z'
const SOMEBODY: GateRequest['chain'] = [{ kind: 'user', id: 'somebody', roles: [] }]

/**
 * Runs every case of every file, in their order, as the hub decides: classified first, then judged as `enforce` would.
 *
 * Errors: `input.invalid` with line and column (a file that `readRuleTests` refuses; a name in `expect` or `states`
 * that no rule has; an action that nobody declares), `gate.bundle.invalid`.
 */
export async function runRuleTests(options: RuleTestOptions): Promise<readonly RuleTestResult[]> {
  const results: RuleTestResult[] = []
  for (const { name, text } of options.files) {
    const read = readRuleTests(text, name)
    results.push(...(await runFile(read, name, options)))
  }
  return results
}

async function runFile(
  read: ReadRuleTests,
  source: string,
  { bundle, actions: known }: RuleTestOptions,
): Promise<RuleTestResult[]> {
  const { file, placeOf, check } = read
  const actions: readonly TestedAction[] = [...known, ...((file.actions ?? []) as readonly TestedAction[])]
  const { states = {} } = file
  const gate = await openGate({ bundle, actions, rollout: { ...ENFORCED, policies: states } })
  check(() => requireKnown(read, gate, actions))
  return file.cases.map((each, index) => {
    const request = requestOf({ ...file.defaults, ...each.request }, actions)
    return { file: source, ...placeOf(`/cases/${index}`), ...runCase(each, request, gate) }
  })
}

/** A misspelt name would make an expectation hold for ever. */
function requireKnown(read: ReadRuleTests, gate: Gate, actions: readonly TestedAction[]): void {
  const { policies } = gate.bundle
  const names = new Set(actions.map(({ name }) => name))
  const violations = [
    ...rulesNamed(read)
      .filter(({ id }) => !policies.has(id))
      .map(({ pointer, id }) => ({ pointer, message: noSuch(id, 'rule') })),
    ...actionsNamed(read)
      .filter(({ action }) => !names.has(action))
      .map(({ pointer, action }) => ({ pointer, message: noSuch(action, 'action') })),
  ]
  if (violations.length > 0)
    throw new PolityError('input.invalid', 'the rule tests name what is not there', { violations })
}

const noSuch = (name: string, what: string): string =>
  name === ''
    ? `names no ${what}, and neither do the defaults`
    : `names ${JSON.stringify(name)}, and there is no such ${what}`

const rulesNamed = ({ file }: ReadRuleTests): { readonly pointer: string; readonly id: string }[] => [
  ...Object.keys(file.states ?? {}).map((id) => ({ pointer: `/states/${pointerPart(id)}`, id })),
  ...file.cases.flatMap(({ expect }, index) =>
    (['reasons', 'includes', 'excludes', 'raisedBy'] as const).flatMap((key) =>
      (expect[key] ?? []).map((id, at) => ({ pointer: `/cases/${index}/expect/${key}/${at}`, id })),
    ),
  ),
]

const actionsNamed = ({ file }: ReadRuleTests): { readonly pointer: string; readonly action: string }[] =>
  file.cases.map(({ request = {} }, index) => ({
    pointer: `/cases/${index}/request/action`,
    action: request.action ?? file.defaults?.action ?? '',
  }))

/** What a case leaves open is as harmless as can be; whether somebody is autonomous follows from the chain, as in a hub. */
function requestOf(
  { action = '', chain, risk, standing, conduct, ...rest }: RuleTestRequest,
  actions: readonly TestedAction[],
): GateRequest {
  const declared = actions.find(({ name }) => name === action)
  const links = chain?.map((link) => ({ ...link, roles: link.roles ?? [] })) ?? SOMEBODY
  const autonomous = links.some(({ kind }) => kind === 'agent' || kind === 'component')
  return {
    resource: action.slice(0, action.indexOf('.')),
    facts: {},
    inScope: true,
    approvals: [],
    solo: false,
    now: NOW,
    ...rest,
    action,
    chain: links,
    risk: risk === 'unclassified' ? undefined : (risk ?? declared?.risk),
    conduct: { ...declared?.conduct, ...(conduct as Record<string, Fact> | undefined) },
    standing: { ...PLAIN_STANDING, autonomous, ...standing },
  }
}

function runCase(
  { name, expect }: RuleTestCase,
  request: GateRequest,
  gate: Gate,
): Pick<RuleTestResult, 'name' | 'isPassed' | 'mismatches' | 'answer' | 'sentence'> {
  try {
    const classified = gate.classify(request)
    const { effect, reasons, obligations, sentence } = gate.decide({ ...request, ...classified })
    const { risk, raisedBy } = classified
    const answer = { effect, reasons, obligations, risk, raisedBy }
    const mismatches = mismatchesOf(expect, answer)
    return { name, isPassed: mismatches.length === 0, mismatches, answer, sentence }
  } catch (thrown) {
    const { code, message } = asPolityError(thrown)
    if (code !== 'input.invalid') throw thrown
    const mismatch = { what: 'request', expected: 'a request that the gate takes', found: message }
    return { name, isPassed: false, mismatches: [mismatch], sentence: message }
  }
}

function mismatchesOf(expect: RuleTestCase['expect'], answer: RuleTestAnswer): Mismatch[] {
  const mismatches: Mismatch[] = []
  const compare = (what: string, isMet: boolean, expected: string, found: string) => {
    if (!isMet) mismatches.push({ what, expected, found })
  }
  for (const what of ['effect', 'risk'] as const) {
    const expected = expect[what]
    if (expected !== undefined) compare(what, expected === answer[what], expected, answer[what])
  }
  for (const what of ['reasons', 'obligations', 'raisedBy'] as const) {
    const expected = expect[what]
    if (expected === undefined) continue
    const [wanted, found] = [[...new Set(expected)].sort(), [...answer[what]].sort()]
    compare(what, listed(wanted) === listed(found), listed(wanted), listed(found))
  }
  const { includes = [], excludes = [] } = expect
  const missing = includes.filter((id) => !answer.reasons.includes(id))
  compare('includes', missing.length === 0, listed(includes), listed(answer.reasons))
  const unwanted = excludes.filter((id) => answer.reasons.includes(id))
  compare('excludes', unwanted.length === 0, `none of ${listed(excludes)}`, listed(answer.reasons))
  return mismatches
}

const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '))
