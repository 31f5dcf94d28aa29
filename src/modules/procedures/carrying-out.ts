// Carries a procedure out: each step through the durable execution of the run, in the name of whoever started it.

import type { CommandContext, Invocable, StepOptions } from '../../kernel/catalog/context.ts'
import { asPolityError, type ErrorCode, PolityError } from '../../kernel/errors.ts'
import { type Fields, Timestamp, type TSchema, Type, validate } from '../../kernel/schema/schema.ts'
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
      return ctx.step(name, () => ctx.ask(named(step.query), input as never), triedAs(step))
    }
    case 'procedure': {
      const input = { name: step.procedure, input: resolved(step.input ?? {}, scope) }
      return ctx.step(name, async () => (await ctx.invoke(start, input)).output, triedAs(step))
    }
    case 'wait':
      return ctx.sleep(name, waitOf(step, scope)).then(() => null)
    case 'signal':
      return ctx.signalled(
        step.signal ?? step.name,
        step.timeoutMs === undefined ? {} : { timeoutMs: step.timeoutMs },
      )
    case 'parallel':
      return ctx.parallel(name, branchesOf(step, scope))
    case 'foreach':
      return ctx.forEach(
        name,
        itemsOf(step, scope),
        (each, item, index) =>
          takeBlock(each, '', step.steps, { values: { item, index }, steps: new Map(), around: scope }),
        { concurrencyMax: step.concurrencyMax ?? 1 },
      )
    case 'condition': {
      const isTrue = holds(step.if as Condition, scope)
      const inside: Scope = { values: {}, steps: new Map(), around: scope }
      return isTrue
        ? takeBlock(ctx, `${name}/then/`, step.then, inside)
        : takeBlock(ctx, `${name}/else/`, step.else ?? [], inside)
    }
  }
}

function act(ctx: CommandContext, name: string, step: StepOf<'action'>, scope: Scope): Promise<unknown> {
  const { action, undo } = step
  const input = resolved(step.input ?? {}, scope)
  // The scope grows with later steps; what the undoing may speak about was checked when it was defined.
  const undoing: StepOptions<unknown> =
    undo === undefined
      ? {}
      : {
          undo: (output) =>
            ctx.invoke(
              named(undo.action),
              resolved(undo.input ?? {}, { values: { output }, steps: new Map(), around: scope }) as never,
            ),
        }
  return ctx.step(name, () => ctx.invoke(named(action), input as never), { ...triedAs(step), ...undoing })
}

/** An action by its name alone; what it takes, the catalog knows. */
const named = (name: string): Invocable<Fields, TSchema> => ({ name, input: {}, output: Type.Unknown() })

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
  { branches }: StepOf<'parallel'>,
  scope: Scope,
): Readonly<Record<string, (each: CommandContext) => Promise<unknown>>> {
  return Object.fromEntries(
    Object.entries(branches).map(([branch, steps]) => [
      branch,
      (each: CommandContext) => takeBlock(each, '', steps, { values: {}, steps: new Map(), around: scope }),
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
