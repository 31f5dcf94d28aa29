// What is certainly wrong with rules before anybody asks them anything: found in their texts, with the place of each.

import type { PolicyJson, ValidationError } from '@cedar-policy/cedar-wasm/nodejs'
import { canonicalize, type Json } from '../../kit/canonical-json.ts'
import { asPolityError } from '../errors.ts'
import { type Bundle, loadBundle } from './bundle.ts'
import type { BundleFile } from './bundle-files.ts'
import { parserEngine } from './engine.ts'
import { isClassifying, isDeciding, type Place, type Policy, tryOn } from './policies.ts'
import { readsContext } from './reading.ts'
import type { TestedAction } from './rule-tests.ts'
import { type Rules, rulesOf, validated } from './rules.ts'
import { canApply } from './shards.ts'
import type { PolicyState, Risk } from './types.ts'

/** In the words of SARIF 2.1.0 (3.27.10). */
export type FindingLevel = 'error' | 'warning' | 'note'

export interface Finding extends Place {
  readonly rule: FindingRule
  readonly level: FindingLevel
  readonly message: string
  /** Id of the policy; absent where none is meant. */
  readonly policy?: string
}

export type FindingRule =
  | 'invalid'
  | 'unreachable'
  | 'no-action'
  | 'confusable'
  | 'contradiction'
  | 'unpermitted-action'
  | 'obligation-form'
  | 'obligation-in-vain'
  | 'duplicate'
  | 'draft'
  | 'raises-nothing'
  | 'held-state'

const RISKS: readonly Risk[] = ['low', 'medium', 'high', 'critical']
/** A role and how many of it, or a committee. */
const ANSWERABLE = /^(?:[A-Za-z0-9][A-Za-z0-9._-]*:[1-9][0-9]{0,2}|committee\.[A-Za-z0-9][A-Za-z0-9._-]*)$/
const NAMES_SHOWN = 5

/** What the roll-out of a hub says of a rule by its name, and the text of the rule in force of that name. */
export interface Held {
  readonly state: PolicyState
  readonly text: string | undefined
}

/**
 * Rules from a folder or from files at hand, against the actions that can be asked for. Rules that would be refused are
 * one finding, `invalid`, at the place of the fault; whatever else is found is ordered by place.
 *
 * @param held by id of the policy, where the rules are for a hub
 */
export async function checkRules(
  source: string | readonly BundleFile[],
  actions: readonly TestedAction[],
  held: ReadonlyMap<string, Held> = new Map(),
): Promise<readonly Finding[]> {
  try {
    const bundle = await loadBundle(source)
    return findingsOf(bundle, rulesOf(bundle, actions), actions, held)
  } catch (thrown) {
    const { code, message, facts } = asPolityError(thrown)
    if (code !== 'gate.bundle.invalid') throw thrown
    const { file = '', line = 1, column = 1 } = facts as Partial<Place>
    const place = `${file}:${line}:${column}: `
    const problem = message.startsWith(place) ? message.slice(place.length) : message
    return [{ rule: 'invalid', level: 'error', message: problem, file, line, column }]
  }
}

function findingsOf(
  bundle: Bundle,
  rules: Rules,
  actions: readonly TestedAction[],
  held: ReadonlyMap<string, Held>,
): Finding[] {
  const policies = [...bundle.policies.values()]
  const found = [
    ...warningsOf(bundle, rules),
    ...policies.flatMap((policy) => [...obligationFindings(policy), ...draftFindings(policy)]),
    ...policies.flatMap((policy) => heldFindings(policy, held.get(policy.id))),
    ...policies.filter(isClassifying).flatMap((policy) => riskFindings(policy, rules, actions)),
    ...contradictions(policies, rules),
    ...unpermitted(bundle, policies, rules),
    ...duplicates(policies),
  ]
  return found.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column)
}

const findingAt = (
  { id, place }: Policy,
  rule: FindingRule,
  level: FindingLevel,
  message: string,
): Finding => ({ rule, level, message, ...place, policy: id })

/** Cedar's own validator knows more about types than could be told here. */
function warningsOf({ policies }: Bundle, { bundle }: Rules): Finding[] {
  const { warnings } = validated(bundle, parserEngine())
  const withoutAction = new Set(warnings.filter(isWithoutAction).map(({ policyId }) => policyId))
  return warnings.flatMap((warning) => {
    const policy = policies.get(warning.policyId)
    if (policy === undefined) return []
    if (isWithoutAction(warning))
      return [findingAt(policy, 'no-action', deadLevel(policy), 'no action can meet its head')]
    if (!isImpossible(warning))
      return [findingAt(policy, 'confusable', 'warning', plainMessage(warning, policy))]
    if (withoutAction.has(policy.id)) return []
    return [
      findingAt(
        policy,
        'unreachable',
        deadLevel(policy),
        `no request can meet it, so it ${neverDoes(policy)}`,
      ),
    ]
  })
}

const isWithoutAction = ({ error }: ValidationError): boolean =>
  error.message.includes('unable to find an applicable action')
const isImpossible = ({ error }: ValidationError): boolean => error.message.includes('policy is impossible')
const plainMessage = ({ error }: ValidationError, { id }: Policy): string =>
  error.message.replace(`for policy \`${id}\`, `, '')

/** Whoever wrote a forbid that never holds believes that something is stopped. */
const deadLevel = ({ effect }: Policy): FindingLevel => (effect === 'forbid' ? 'error' : 'warning')
const neverDoes = ({ effect }: Policy): string => (effect === 'forbid' ? 'stops nothing' : 'permits nothing')

function obligationFindings(policy: Policy): Finding[] {
  const { obligation, reads } = policy
  if (obligation === undefined) return []
  const form = `nobody can fulfil the obligation ${JSON.stringify(obligation)}: it is a role and a number such as "owner:1", or a committee such as "committee.security"`
  const inVain = `it never looks at context.approvals, so that fulfilling ${JSON.stringify(obligation)} does not lift it: it denies`
  return [
    ...(ANSWERABLE.test(obligation) ? [] : [findingAt(policy, 'obligation-form', 'error', form)]),
    ...(readsContext(reads, 'approvals') ? [] : [findingAt(policy, 'obligation-in-vain', 'error', inVain)]),
  ]
}

const draftFindings = (policy: Policy): Finding[] =>
  policy.state === 'draft'
    ? [findingAt(policy, 'draft', 'note', 'a draft: checked, and never evaluated')]
    : []

/** What was said of the rule that is in force is meant; of another text under the same name, perhaps not. */
function heldFindings(policy: Policy, held: Held | undefined): Finding[] {
  if (held === undefined || held.state === policy.state) return []
  const isSame = held.text === policy.text
  return [
    findingAt(
      policy,
      'held-state',
      isSame ? 'note' : 'warning',
      `${held.state} at the hub, not ${policy.state}: its roll-out says so${isSame ? '' : ' of an earlier rule of this name'} (polity gate mode --remove --policy ${policy.id})`,
    ),
  ]
}

/** Only where every action that it can meet says how risky it is. */
function riskFindings(policy: Policy, rules: Rules, actions: readonly TestedAction[]): Finding[] {
  const met = actions.filter(({ name }) => covers(policy, name, rules))
  const level = RISKS.indexOf(policy.risk ?? 'low')
  const isInVain = met.every(({ risk = 'high' }) => RISKS.indexOf(risk) >= level)
  if (level > 0 && (!isInVain || met.length === 0)) return []
  return [
    findingAt(
      policy,
      'raises-nothing',
      'warning',
      `raises nothing: every action that it can meet is of ${policy.risk} risk or above by itself`,
    ),
  ]
}

/** Forbids without condition or way out, over what some permit was written for. */
function contradictions(policies: readonly Policy[], rules: Rules): Finding[] {
  const permits = policies.filter((policy) => isDeciding(policy) && policy.effect === 'permit')
  return policies.filter(isTotal).flatMap((policy) => {
    const stopped = [...rules.actions.keys()].filter((name) => covers(policy, name, rules))
    const permitted = stopped.filter((name) => permits.some((permit) => covers(permit, name, rules)))
    if (permitted.length === 0) return []
    const isAll = stopped.length === rules.actions.size
    const what = isAll ? 'everything' : `everything about ${listed(permitted)}`
    return [
      findingAt(
        policy,
        'contradiction',
        isAll ? 'error' : 'warning',
        `forbids ${what} to everybody, without a condition or an obligation, whatever is permitted elsewhere`,
      ),
    ]
  })
}

function isTotal(policy: Policy): boolean {
  if (!isDeciding(policy) || policy.effect !== 'forbid' || policy.obligation !== undefined) return false
  const json = jsonOf(policy)
  return json?.principal.op === 'All' && json.resource.op === 'All' && json.conditions.every(isAlwaysMet)
}

/** `when { true }` and `unless { false }` are no conditions. */
const isAlwaysMet = ({ kind, body }: PolicyJson['conditions'][number]): boolean =>
  'Value' in body && body.Value === (kind === 'when')

function unpermitted({ schemaPlace }: Bundle, policies: readonly Policy[], rules: Rules): Finding[] {
  const permits = policies.filter((policy) => isDeciding(policy) && policy.effect === 'permit')
  const names = [...rules.actions.keys()].filter(
    (name) => !permits.some((permit) => covers(permit, name, rules)),
  )
  if (names.length === 0) return []
  const message = `no rule permits ${listed(names)}: always denied`
  return [{ rule: 'unpermitted-action', level: 'warning', message, ...schemaPlace }]
}

function duplicates(policies: readonly Policy[]): Finding[] {
  const first = new Map<string, Policy>()
  const inOrder = [...policies].sort(
    ({ place: a }, { place: b }) => a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column,
  )
  return inOrder.flatMap((policy) => {
    const key = meaningOf(policy)
    const other = first.get(key)
    if (other === undefined) first.set(key, policy)
    return other === undefined
      ? []
      : [
          findingAt(
            policy,
            'duplicate',
            'warning',
            `says the same as ${other.id} (${placeText(other.place)})`,
          ),
        ]
  })
}

/** Equal for policies that hold for the same requests and do the same. */
function meaningOf(policy: Policy): string {
  const { annotations: _, ...said } = jsonOf(policy) ?? {}
  const { obligation = null, risk = null, state, inviolable } = policy
  const rest = [obligation, risk, state, inviolable]
  // Cedar counts farther than JSON is read: such rules are told apart by how they are written.
  const meaning = (hasVastNumber(said) ? policy.text : said) as Json
  return canonicalize([meaning, ...rest])
}

const hasVastNumber = (node: unknown): boolean =>
  typeof node === 'number'
    ? !Number.isSafeInteger(node)
    : typeof node === 'object' && node !== null && Object.values(node).some(hasVastNumber)

function jsonOf({ text, place }: Policy) {
  const parsed = tryOn(parserEngine(), place, (cedar) => cedar.policyToJson(text))
  return parsed.type === 'success' ? parsed.json : undefined
}

function covers(policy: Policy, name: string, rules: Rules): boolean {
  const action = rules.actions.get(name)
  return action !== undefined && canApply(policy, action)
}

const placeText = ({ file, line, column }: Place): string => `${file}:${line}:${column}`

const listed = (names: readonly string[]): string => {
  const shown = names.slice(0, NAMES_SHOWN).join(', ')
  return names.length > NAMES_SHOWN ? `${shown} and ${names.length - NAMES_SHOWN} more` : shown
}
