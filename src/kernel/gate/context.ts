// The context of an evaluation: what the gate knows of a request beside who, what and where.

import type { AttributesOrContext } from '@cedar-policy/cedar-wasm/nodejs'
import { canonicalize } from '../../kit/canonical-json.ts'
import { CONDUCT } from './conduct.ts'
import { badRequest, checkText } from './entities.ts'
import {
  type ActionDefinition,
  type Advice,
  type Fact,
  type FactType,
  type GateRequest,
  PLAIN_STANDING,
  type Risk,
  type Standing,
} from './types.ts'

type Plain = string | boolean | number | string[]
type Value = Plain | { __extn: { fn: string; arg: string } } | { readonly [name: string]: Plain }

/** What Cedar receives; `now` is a Cedar datetime, so that policies can compare it. */
export type Context = Readonly<Record<string, Value>>

type ContextInput = Pick<
  GateRequest,
  'risk' | 'facts' | 'conduct' | 'standing' | 'inScope' | 'approvals' | 'solo' | 'now'
>

/** The facts that an action declares, by name. */
export type FactShape = ReadonlyMap<string, { readonly type: FactType; readonly isOptional: boolean }>

const CEDAR_TYPES = {
  string: { type: 'String' },
  boolean: { type: 'Boolean' },
  integer: { type: 'Long' },
  strings: { type: 'Set', element: { type: 'String' } },
} as const

const CONDUCT_TYPE = 'Conduct'

const STANDARD = {
  advice: CEDAR_TYPES.string,
  approvals: CEDAR_TYPES.strings,
  autonomous: CEDAR_TYPES.boolean,
  conduct: { type: 'EntityOrCommon', name: CONDUCT_TYPE },
  exceeded: CEDAR_TYPES.strings,
  halted: CEDAR_TYPES.strings,
  health: CEDAR_TYPES.string,
  hour: CEDAR_TYPES.integer,
  inScope: CEDAR_TYPES.boolean,
  now: { type: 'Extension', name: 'datetime' },
  risk: CEDAR_TYPES.string,
  solo: CEDAR_TYPES.boolean,
  trace: CEDAR_TYPES.strings,
  trust: CEDAR_TYPES.integer,
  weekday: CEDAR_TYPES.integer,
} as const

/** Whether it is an attribute that every context has. */
export const isStandard = (name: string): boolean => Object.hasOwn(STANDARD, name)

/** What a request states of its deed: the facts of its action, and its conduct. */
export const statedIn = (context: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(context).filter(([name]) => name === 'conduct' || !isStandard(name)))

/** What every action may state about itself, once for all of them in a schema. */
export const CONDUCT_TYPES: Readonly<Record<string, AttributesOrContext<string>>> = {
  [CONDUCT_TYPE]: {
    type: 'Record',
    attributes: Object.fromEntries(
      Object.entries(CONDUCT).map(([name, { type }]) => [name, { ...CEDAR_TYPES[type], required: false }]),
    ),
  },
}
const CONDUCT_SHAPE: FactShape = new Map(
  Object.entries(CONDUCT).map(([name, { type }]) => [name, { type, isOptional: true }]),
)
const ADVICES: readonly Advice[] = ['execute', 'pause', 'reject', 'escalate', 'retry', 'rollback']
const HEALTHS: readonly Standing['health'][] = ['healthy', 'degraded', 'critical', 'unknown']
const TRUST_MAX = 1000

const RISKS: readonly Risk[] = ['low', 'medium', 'high', 'critical']
const FACT_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/
const UTC_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/
const MAX_FACTS = 64
const MAX_STRING_CHARS = 4096
const MAX_LIST_ITEMS = 256
const MAX_APPROVALS = 64
const MAX_APPROVAL_CHARS = 256
/** Leaves room for the rest of a decision in an entry of 65,535 bytes. */
const MAX_CONTEXT_BYTES = 32 * 1024

/**
 * Reads the facts that an action declares.
 *
 * Errors: `input.invalid` (a name that is malformed, taken by the gate, or a property of every
 * object such as `constructor`; an unknown type).
 */
export function factShapeOf({ name: action, facts = {} }: ActionDefinition): FactShape {
  const names = Object.keys(facts)
  if (names.length > MAX_FACTS)
    throw badRequest(`${action} declares more than ${MAX_FACTS} facts`, { action })
  return new Map(
    names.map((name) => {
      const declared = String(facts[name])
      const type = declared.replace(/\?$/, '')
      if (!isFactName(name))
        throw badRequest(`${action} declares a fact with a refused name`, { action, name })
      if (!isFactType(type))
        throw badRequest(`${action} declares the fact ${name} with an unknown type`, { action })
      return [name, { type, isOptional: declared.endsWith('?') }]
    }),
  )
}

/** The same facts, and those that every action has, as a closed record type of a Cedar schema. */
export function contextTypeOf(shape: FactShape): AttributesOrContext<string> {
  const facts = [...shape].map(([name, { type, isOptional }]) => [
    name,
    { ...CEDAR_TYPES[type], required: !isOptional },
  ])
  return { type: 'Record', attributes: { ...STANDARD, ...Object.fromEntries(facts) } }
}

/** The facts of an action, read back from a record type that `contextTypeOf` made. */
export function factsOfContext(context: AttributesOrContext<string>): FactShape {
  const { attributes = {} } = context as {
    attributes?: Readonly<Record<string, AttributesOrContext<string>>>
  }
  return new Map(
    Object.entries(attributes).flatMap(([name, { required = true, ...type }]: [string, Attribute]) => {
      const known = FACT_TYPES.find((each) => CEDAR_TYPES[each].type === type.type)
      return known === undefined || !isFactName(name) ? [] : [[name, { type: known, isOptional: !required }]]
    }),
  )
}

type Attribute = AttributesOrContext<string> & { readonly required?: boolean }
const FACT_TYPES: readonly FactType[] = ['string', 'boolean', 'integer', 'strings']

/**
 * Checks what a request brings and puts the context together. Lists are sorted sets, so that one
 * meaning has one digest. `shape` undefined (an action nobody declared) admits no facts.
 *
 * Errors: `input.invalid`.
 */
export function contextOf(request: ContextInput, shape: FactShape = new Map()): Context {
  const { risk = 'high', inScope, approvals, solo, facts, conduct = {}, standing } = request
  const at = utcTime(request.now)
  if (!RISKS.includes(risk)) throw badRequest('the risk is none of low, medium, high, critical', {})
  if (typeof inScope !== 'boolean' || typeof solo !== 'boolean')
    throw badRequest('inScope and solo are booleans', {})
  const context: Context = {
    ...factsOf(facts, shape),
    ...standingOf(standing),
    approvals: stringSet(approvals, 'approvals', MAX_APPROVALS, MAX_APPROVAL_CHARS),
    conduct: factsOf(conduct, CONDUCT_SHAPE),
    hour: at.getUTCHours(),
    inScope,
    now: { __extn: { fn: 'datetime', arg: request.now } },
    risk,
    solo,
    // ISO 8601: Monday is 1.
    weekday: at.getUTCDay() === 0 ? 7 : at.getUTCDay(),
  }
  requireSize(context)
  return context
}

/** Throws `input.invalid` for one whose canonical form takes more than MAX_CONTEXT_BYTES. */
function requireSize(context: Context): void {
  // Both forms write the same members; a UTF-16 unit takes at most three bytes.
  if (JSON.stringify(context).length * 3 <= MAX_CONTEXT_BYTES) return
  const sizeBytes = Buffer.byteLength(canonicalize(context))
  if (sizeBytes > MAX_CONTEXT_BYTES)
    throw badRequest(`the facts of the request take more than ${MAX_CONTEXT_BYTES} bytes`, { sizeBytes })
}

/** The same context with more approvals. */
export function withApprovals(context: Context, granted: readonly string[]): Context {
  const { approvals } = context
  const before = Array.isArray(approvals) ? approvals : []
  return { ...context, approvals: [...new Set([...before, ...granted])].sort() }
}

/** What a context of an earlier release says of facts that nobody knew of then. */
export const PLAIN_CONTEXT: Context = { ...standingOf(PLAIN_STANDING), approvals: [], conduct: {} }

function standingOf(standing: Standing): Record<string, Plain> {
  const { autonomous, trust, exceeded, trace, halted, health, advice } = standing
  if (typeof autonomous !== 'boolean') throw badRequest('autonomous is a boolean', {})
  if (!Number.isInteger(trust) || trust < 0 || trust > TRUST_MAX)
    throw badRequest(`trust is a number of thousandths, 0 to ${TRUST_MAX}`, {})
  if (!HEALTHS.includes(health) || !ADVICES.includes(advice))
    throw badRequest('the health or the advice is none that the gate knows', {})
  const set = (values: readonly string[], what: string) =>
    stringSet(values, what, MAX_LIST_ITEMS, MAX_APPROVAL_CHARS)
  return {
    advice,
    autonomous,
    exceeded: set(exceeded, 'exceeded'),
    halted: set(halted, 'halted'),
    health,
    trace: set(trace, 'trace'),
    trust: trust + 0,
  }
}

function factsOf(facts: Readonly<Record<string, Fact>>, shape: FactShape): Record<string, Plain> {
  const given = new Map(Object.entries(facts))
  for (const name of given.keys()) {
    if (!shape.has(name))
      throw badRequest('a fact that the action does not declare', { fact: name.slice(0, 64) })
  }
  const checked: Record<string, Plain> = {}
  for (const [name, { type, isOptional }] of shape) {
    const value = given.get(name)
    if (value === undefined && isOptional) continue
    checked[name] = factOf(name, type, value)
  }
  return checked
}

function factOf(name: string, type: FactType, value: unknown): Plain {
  if (type === 'strings') return stringSet(value, `the fact ${name}`, MAX_LIST_ITEMS, MAX_STRING_CHARS)
  if (type === 'string') return checkText(value, `the fact ${name}`, MAX_STRING_CHARS)
  if (type === 'boolean' && typeof value === 'boolean') return value
  // Adding zero turns -0 into 0: JSON has one zero.
  if (type === 'integer' && typeof value === 'number' && Number.isSafeInteger(value)) return value + 0
  throw badRequest(`the fact ${name} is not ${type === 'integer' ? 'an integer' : `a ${type}`}`, {
    fact: name,
  })
}

function stringSet(value: unknown, what: string, maxItems: number, maxChars: number): string[] {
  if (!Array.isArray(value)) throw badRequest(`${what} is not a list`, {})
  if (value.length > maxItems) throw badRequest(`${what} holds more than ${maxItems} items`, {})
  // A copy by index: a sparse list has holes that map would skip.
  const items = Array.from(value, (item) => checkText(item, `an item of ${what}`, maxChars))
  return [...new Set(items)].sort()
}

function utcTime(now: unknown): Date {
  if (typeof now === 'string' && UTC_TIME.test(now)) {
    const date = new Date(now)
    // A day that the month does not have would roll over into another date.
    if (!Number.isNaN(date.getTime()) && date.toISOString().startsWith(now.slice(0, 19))) return date
  }
  throw badRequest('now is not a UTC time such as 2026-11-20T10:00:00.000Z', {})
}

function isFactName(name: string): boolean {
  return FACT_NAME.test(name) && !(name in {}) && name !== 'prototype' && !Object.hasOwn(STANDARD, name)
}

function isFactType(type: string): type is FactType {
  return Object.hasOwn(CEDAR_TYPES, type)
}
