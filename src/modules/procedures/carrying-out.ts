// Carries a procedure out: each step through the durable execution of the run, in the name of whoever started it.

import type { CommandContext, Invocable, StepContext, StepOptions } from '../../kernel/catalog/context.ts'
import { asPolityError, type ErrorCode, PolityError } from '../../kernel/errors.ts'
import { OPEN_ENDED } from '../../kernel/runs/asking.ts'
import {
  type Fields,
  type Static,
  Timestamp,
  type TSchema,
  Type,
  validate,
} from '../../kernel/schema/schema.ts'
import { start } from './contract.ts'
import { holds, isObject, resolved, type Scope, type StepResult } from './references.ts'
import {
  type Condition,
  type Definition,
  ITEMS_MAX,
  type Step,
  type StepOf,
  stepsOf,
  WAIT_MAX_MS,
} from './steps.ts'

/** Answers the procedure's output: what the definition says, else the outputs of its steps by name. */
export async function carryOut(
  ctx: CommandContext,
  definition: Definition,
  input: unknown,
): Promise<unknown> {
  requireInputs(definition, input)
  const scope: Scope = {
    values: { input, run: { id: ctx.id, startedAt: ctx.now } },
    steps: new Map(),
    path: '',
  }
  const outputs = await takeBlock(ctx, '', definition.steps, scope)
  return definition.output === undefined ? outputs : resolved(definition.output, scope)
}

/** Throws `input.invalid` when an input is missing, or not one that the procedure has. */
function requireInputs({ name, inputs }: Definition, input: unknown): void {
  if (inputs === undefined) return
  const given = isObject(input) ? Object.keys(input) : []
  const missing = inputs.find((each) => !given.includes(each))
  const unknown = given.find((each) => !inputs.includes(each))
  if (missing === undefined && unknown === undefined && isObject(input)) return
  const what =
    missing === undefined ? `has no input ${String(unknown).slice(0, 64)}` : `needs the input ${missing}`
  throw new PolityError('input.invalid', `${name} ${what}`, {
    violations: [{ pointer: '/input', message: what }],
  })
}

/** `prefix` goes before the names in the journal: of a condition, whose steps share the journal's scope with those around. */
async function takeBlock(
  ctx: CommandContext,
  prefix: string,
  steps: readonly unknown[],
  scope: Scope,
): Promise<Readonly<Record<string, unknown>>> {
  const outputs: [string, unknown][] = []
  for (const step of stepsOf(steps)) {
    const result = await take(ctx, prefix, step, scope)
    scope.steps.set(step.name, result)
    outputs.push([step.name, result.output ?? null])
  }
  return Object.fromEntries(outputs)
}

/** These are about the run and not about the step: whatever the step says of errors, they pass. */
const PASSED_ON: readonly ErrorCode[] = [
  'run.moved',
  'run.parked',
  'run.unknown',
  'run.cancelled',
  'run.deadline',
  'log.closed',
  'internal',
]

async function take(ctx: CommandContext, prefix: string, step: Step, scope: Scope): Promise<StepResult> {
  try {
    return { status: 'done', output: await outputOf(ctx, prefix, step, scope) }
  } catch (thrown) {
    const { code, message } = asPolityError(thrown, 'step.failed')
    if (step.onError !== 'continue' || ctx.signal.aborted || PASSED_ON.includes(code)) throw thrown
    const error = { code, message }
    // Which branch failed first is chance: the journal keeps what it was.
    const isBlock = step.kind === 'parallel' || step.kind === 'foreach' || step.kind === 'condition'
    return {
      status: 'failed',
      error: isBlock ? await ctx.step(`${prefix}${step.name}/failure`, () => error) : error,
    }
  }
}

function outputOf(ctx: CommandContext, prefix: string, step: Step, scope: Scope): Promise<unknown> {
  const name = `${prefix}${step.name}`
  switch (step.kind) {
    case 'action':
      return act(ctx, name, step, scope)
    case 'query': {
      const input = resolved(step.input ?? {}, scope)
      return ctx.step(name, () => ctx.ask(named(step.query), input as never), {
        ...triedAs(step),
        isPure: true,
      })
    }
    case 'procedure': {
      const input = { name: step.procedure, input: resolved(step.input ?? {}, scope) }
      const body = asking(ctx, start.name, input, step, scope)
      return ctx.step(name, async (each) => ((await body(each)) as StartOutput).output, triedAs(step))
    }
    case 'wait':
      return ctx.sleep(name, waitOf(step, scope)).then(() => null)
    case 'signal':
      return ctx.signalled(
        step.signal ?? step.name,
        step.timeoutMs === undefined ? {} : { timeoutMs: step.timeoutMs },
      )
    case 'parallel':
      return ctx.parallel(groupName(name), branchesOf(step, scope))
    case 'foreach':
      return ctx.forEach(
        groupName(name),
        itemsOf(step, scope),
        (each, item, index) =>
          takeBlock(each, '', step.steps, inside(scope, `${step.name}/${index}`, { item, index })),
        { concurrencyMax: step.concurrencyMax ?? 1 },
      )
    case 'condition': {
      const isTrue = holds(step.if as Condition, scope)
      return isTrue
        ? takeBlock(ctx, `${name}/then/`, step.then, inside(scope, `${step.name}/then`))
        : takeBlock(ctx, `${name}/else/`, step.else ?? [], inside(scope, `${step.name}/else`))
    }
  }
}

/** In a condition a group's name has its branch before it; no step has a colon in its name, and no group may have a slash. */
const groupName = (name: string): string => name.replaceAll('/', ':')

const inside = (around: Scope, part: string, values: Scope['values'] = {}): Scope => ({
  values,
  steps: new Map(),
  path: `${around.path}${part}/`,
  around,
})

type StartOutput = Static<typeof start.output>

function act(ctx: CommandContext, name: string, step: StepOf<'action'>, scope: Scope): Promise<unknown> {
  const { action, undo } = step
  const body = asking(ctx, action, resolved(step.input ?? {}, scope), step, scope)
  if (undo === undefined) return ctx.step(name, body, triedAs(step))
  // The scope grows with later steps; what the undoing may speak about was checked when it was defined.
  const undoing: StepOptions<unknown>['undo'] = (output, attempt, { invoke }) =>
    countingFailures(attempt, attempt.signal, (failures) =>
      invoke(
        named(undo.action, `undo/${scope.path}${step.name}${failures === 0 ? '' : `#${failures}`}`),
        resolved(undo.input ?? {}, inside(scope, step.name, { output })) as never,
      ),
    )
  return ctx.step(name, body, { ...triedAs(step), undo: undoing })
}

/** Asks for an action once per step, and once more after each failure of it that is tried again. */
function asking(
  ctx: CommandContext,
  action: string,
  input: unknown,
  { name, retry }: Pick<StepOf<'action'>, 'name' | 'retry'>,
  { path }: Scope,
): (step: StepContext) => Promise<unknown> {
  const ask = (failures: number) => ctx.invoke(named(action, `${path}${name}#${failures}`), input as never)
  return (step) => (retry === undefined ? ask(0) : countingFailures(step, ctx.signal, ask))
}

/**
 * A failed run is kept under its key, and would be answered again and again. The count of failures travels with the
 * heartbeat, so that a crash, which is no failure, finds the same key; so does what may have happened all the same.
 */
async function countingFailures(
  { heartbeatDetails, heartbeat }: StepContext,
  signal: AbortSignal,
  ask: (failures: number) => Promise<unknown>,
): Promise<unknown> {
  const failures = typeof heartbeatDetails === 'number' ? heartbeatDetails : 0
  try {
    return await ask(failures)
  } catch (error) {
    if (!signal.aborted && isAnswer(asPolityError(error))) heartbeat(failures + 1)
    throw error
  }
}

/** What a run has ended with, or what the same asking would be answered again; a run that waits for a person is neither. */
const isAnswer = ({ code, facts }: PolityError): boolean =>
  code !== 'run.parked' && (facts.run !== undefined || !OPEN_ENDED.includes(code))

/** An action by its name alone; what it takes, the catalog knows. `as` keeps two steps that ask for the same apart. */
const named = (name: string, as?: string): Invocable<Fields, TSchema> => ({
  name,
  input: {},
  output: Type.Unknown(),
  ...(as === undefined ? {} : { as }),
})

const triedAs = ({
  retry,
  timeoutMs,
}: Pick<StepOf<'query'>, 'retry' | 'timeoutMs'>): StepOptions<unknown> => ({
  ...(retry === undefined ? {} : { retry }),
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
})

function waitOf(
  step: StepOf<'wait'>,
  scope: Scope,
): { readonly forMs: number } | { readonly untilMs: number } {
  if (step.until !== undefined)
    return { untilMs: Date.parse(validate(Timestamp, resolved(step.until, scope), `until of ${step.name}`)) }
  const forMs = resolved(step.forMs, scope)
  return { forMs: validate(Duration, forMs, `forMs of ${step.name}`) }
}

const Duration = Type.Integer({ minimum: 0, maximum: WAIT_MAX_MS })

function branchesOf(
  { name, branches }: StepOf<'parallel'>,
  scope: Scope,
): Readonly<Record<string, (each: CommandContext) => Promise<unknown>>> {
  return Object.fromEntries(
    Object.entries(branches).map(([branch, steps]) => [
      branch,
      (each: CommandContext) => takeBlock(each, '', steps, inside(scope, `${name}/${branch}`)),
    ]),
  )
}

function itemsOf({ name, items }: StepOf<'foreach'>, scope: Scope): readonly unknown[] {
  const found = resolved(items, scope)
  if (Array.isArray(found) && found.length <= ITEMS_MAX) return found
  throw new PolityError('input.invalid', `the items of ${name} must be a list of at most ${ITEMS_MAX}`, {
    violations: [{ pointer: '/items', message: `must be a list of at most ${ITEMS_MAX}` }],
  })
}
