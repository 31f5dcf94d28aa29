// Static checks of a definition: everything that can be known to be wrong before it runs, with the place of each.

import { PolityError } from '../../kernel/errors.ts'
import { pointerPart, type TSchema, type Violation, validate } from '../../kernel/schema/schema.ts'
import { isObject, literalIn, partsOf, referenceIn } from './references.ts'
import {
  CONDITION_SCHEMAS,
  DEPTH_MAX,
  Definition,
  STEP_SCHEMAS,
  STEPS_MAX,
  type Step,
  type StepKind,
} from './steps.ts'

const VIOLATIONS_MAX = 20
const RESULT_PARTS = ['status', 'output', 'error']

export interface CheckedDefinition {
  readonly definition: Definition
  /** Names of the procedures that it starts, each with the place of the first. */
  readonly procedures: ReadonlyMap<string, string>
  /** Names of the actions and queries that it asks for, undoing included. */
  readonly asks: ReadonlySet<string>
}

/** What the hub can do, as far as it is known: a name that is absent here is refused. */
export interface KnownNames {
  readonly actions: ReadonlySet<string>
  readonly queries: ReadonlySet<string>
}

/** Throws `input.invalid` with up to twenty violations. */
export function checkDefinition(value: unknown, known?: KnownNames): CheckedDefinition {
  const definition = validate(Definition, value, 'the procedure')
  const check = new Check(definition, known)
  const around: Visible = { names: new Set(), isInLoop: false, taken: new Set(), isInCondition: false }
  check.block(definition.steps, '/steps', around, 1)
  // The output sees every step of the outermost block.
  check.value(definition.output, '/output', { ...around, names: new Set(definition.steps.flatMap(nameOf)) })
  check.finish()
  return { definition, procedures: check.procedures, asks: check.asks }
}

/** Steps that a reference may speak about, and whether there is an item. */
interface Visible {
  readonly names: ReadonlySet<string>
  readonly isInLoop: boolean
  /** Names under which the journal knows steps: one set per branch and item, which conditions share with what is around. */
  readonly taken: Set<string>
  readonly isInCondition: boolean
  /** `/output` stands for the result of the step that is undone. */
  readonly hasOutput?: boolean
}

class Check {
  readonly procedures = new Map<string, string>()
  readonly asks = new Set<string>()
  readonly #violations: Violation[] = []
  readonly #definition: Definition
  readonly #known: KnownNames | undefined
  #steps = 0

  constructor(definition: Definition, known: KnownNames | undefined) {
    this.#definition = definition
    this.#known = known
  }

  finish(): void {
    const [first] = this.#violations
    if (!first) return
    throw new PolityError('input.invalid', `the procedure is not valid: ${first.pointer} ${first.message}`, {
      violations: this.#violations.slice(0, VIOLATIONS_MAX),
    })
  }

  block(steps: readonly unknown[], pointer: string, around: Visible, depth: number): void {
    if (depth > DEPTH_MAX) {
      this.#say(pointer, `is nested deeper than ${DEPTH_MAX} blocks`)
      return
    }
    const names = new Set(around.names)
    for (const [i, raw] of steps.entries()) {
      const place = `${pointer}/${i}`
      this.#steps += 1
      if (this.#steps > STEPS_MAX) {
        this.#say(place, `is one more than the ${STEPS_MAX} steps of a procedure`)
        return
      }
      const step = this.#shape(raw, place)
      if (!step) continue
      if (names.has(step.name))
        this.#say(`${place}/name`, 'is the name of another step that can be seen from here')
      else this.#take(step, place, around)
      this.#step(step, place, { ...around, names }, depth)
      names.add(step.name)
    }
  }

  /** A signal is waited for under its own name, which no other step of the journal's scope may have. */
  #take(step: Step, place: string, { taken, isInCondition }: Visible): void {
    const isSignal = step.kind === 'signal'
    if (isInCondition && !isSignal) return
    const name = isSignal ? (step.signal ?? step.name) : step.name
    if (taken.has(name))
      this.#say(place, `is called ${name} like a signal that another step waits for: choose another name`)
    taken.add(name)
  }

  #shape(raw: unknown, place: string): Step | undefined {
    const kind = isObject(raw) ? raw.kind : undefined
    if (typeof kind !== 'string' || !Object.hasOwn(STEP_SCHEMAS, kind)) {
      this.#say(`${place}/kind`, `must be one of ${Object.keys(STEP_SCHEMAS).join(', ')}`)
      return undefined
    }
    return this.#fits(STEP_SCHEMAS[kind as StepKind], raw, place) ? (raw as Step) : undefined
  }

  #step(step: Step, place: string, visible: Visible, depth: number): void {
    const nested = (steps: readonly unknown[], at: string, inside: Visible) =>
      this.block(steps, `${place}/${at}`, inside, depth + 1)
    switch (step.kind) {
      case 'action':
        this.#name(this.#known?.actions, step.action, `${place}/action`, 'action')
        this.value(step.input, `${place}/input`, visible)
        if (step.undo) {
          this.#name(this.#known?.actions, step.undo.action, `${place}/undo/action`, 'action')
          this.value(step.undo.input, `${place}/undo/input`, { ...visible, hasOutput: true })
        }
        return
      case 'query':
        this.#name(this.#known?.queries, step.query, `${place}/query`, 'query')
        this.value(step.input, `${place}/input`, visible)
        return
      case 'wait':
        if ((step.forMs === undefined) === (step.until === undefined))
          this.#say(place, 'must have either forMs or until')
        this.value(step.forMs, `${place}/forMs`, visible)
        this.value(step.until, `${place}/until`, visible)
        return
      case 'signal':
        return
      case 'parallel':
        for (const [name, steps] of Object.entries(step.branches))
          nested(steps, `branches/${pointerPart(name)}`, { ...visible, ...ownScope() })
        return
      case 'foreach':
        this.value(step.items, `${place}/items`, visible)
        nested(step.steps, 'steps', { ...visible, ...ownScope(), isInLoop: true })
        return
      case 'condition':
        this.#condition(step.if, `${place}/if`, visible, 0)
        nested(step.then, 'then', { ...visible, isInCondition: true })
        nested(step.else ?? [], 'else', { ...visible, isInCondition: true })
        return
      case 'procedure':
        if (!this.procedures.has(step.procedure)) this.procedures.set(step.procedure, `${place}/procedure`)
        this.value(step.input, `${place}/input`, visible)
    }
  }

  #name(names: ReadonlySet<string> | undefined, name: string, place: string, what: string): void {
    this.asks.add(name)
    if (names && !names.has(name)) this.#say(place, `is no ${what} of this hub`)
  }

  /** Walks a value for references. */
  value(value: unknown, place: string, visible: Visible): void {
    const reference = referenceIn(value)
    if (reference !== undefined) {
      this.#reference(reference, `${place}/$ref`, visible)
      return
    }
    if (literalIn(value)) return
    if (Array.isArray(value))
      for (const [i, each] of value.entries()) this.value(each, `${place}/${i}`, visible)
    else if (isObject(value))
      for (const [name, each] of Object.entries(value)) {
        const at = `${place}/${pointerPart(name)}`
        if (name === '$ref' || name === '$literal') this.#say(at, 'must stand alone in its object')
        else this.value(each, at, visible)
      }
  }

  #reference(pointer: unknown, place: string, { names, isInLoop, hasOutput = false }: Visible): void {
    if (typeof pointer !== 'string' || !pointer.startsWith('/')) {
      this.#say(place, 'must be a pointer such as /input/x or /steps/check/output')
      return
    }
    const [root = '', second, third] = partsOf(pointer)
    const { inputs } = this.#definition
    switch (root) {
      case 'input':
        if (inputs && second !== undefined && !inputs.includes(second))
          this.#say(place, `is about ${second.slice(0, 64)}, which is not among the inputs`)
        return
      case 'run':
        if (second !== 'id' && second !== 'startedAt') this.#say(place, 'must be /run/id or /run/startedAt')
        return
      case 'item':
      case 'index':
        if (!isInLoop) this.#say(place, 'is about an item, and stands in no foreach')
        return
      case 'output':
        if (!hasOutput) this.#say(place, 'is about the result of a step, and stands in no undo')
        return
      case 'steps':
        if (second === undefined || !names.has(second))
          this.#say(place, 'is about a step that does not stand before, in this block or around it')
        else if (third !== undefined && !RESULT_PARTS.includes(third))
          this.#say(place, `must go on with one of ${RESULT_PARTS.join(', ')}`)
        return
      default:
        this.#say(place, 'must begin with /input, /steps, /item, /index or /run')
    }
  }

  #condition(raw: unknown, place: string, visible: Visible, depth: number): void {
    if (depth > DEPTH_MAX) {
      this.#say(place, `is nested deeper than ${DEPTH_MAX} conditions`)
      return
    }
    const kind = kindOfCondition(raw)
    if (!kind) {
      this.#say(place, 'must be a condition: ref and is, all, any or not')
      return
    }
    if (!this.#fits(CONDITION_SCHEMAS[kind], raw, place)) return
    const condition = raw as Readonly<Record<string, unknown>>
    if (kind === 'not') {
      this.#condition(condition.not, `${place}/not`, visible, depth + 1)
      return
    }
    if (kind === 'all' || kind === 'any') {
      for (const [i, each] of (condition[kind] as readonly unknown[]).entries())
        this.#condition(each, `${place}/${kind}/${i}`, visible, depth + 1)
      return
    }
    this.#reference(condition.ref, `${place}/ref`, visible)
    this.value(condition.value, `${place}/value`, visible)
  }

  #fits(schema: TSchema, value: unknown, place: string): boolean {
    try {
      validate(schema, value, 'it')
      return true
    } catch (error) {
      if (!(error instanceof PolityError) || error.code !== 'input.invalid') throw error
      for (const { pointer, message } of error.facts.violations as readonly Violation[])
        this.#say(`${place}${pointer}`, message)
      return false
    }
  }

  #say(pointer: string, message: string): void {
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push({ pointer, message })
  }
}

function kindOfCondition(raw: unknown): keyof typeof CONDITION_SCHEMAS | undefined {
  if (!isObject(raw)) return undefined
  for (const kind of ['all', 'any', 'not'] as const) if (Object.hasOwn(raw, kind)) return kind
  if (!Object.hasOwn(raw, 'is')) return undefined
  return raw.is === 'exists' ? 'exists' : 'comparison'
}

const ownScope = (): Pick<Visible, 'taken' | 'isInCondition'> => ({ taken: new Set(), isInCondition: false })

const nameOf = (step: unknown): readonly string[] =>
  isObject(step) && typeof step.name === 'string' ? [step.name] : []
