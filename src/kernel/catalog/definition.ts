// Definitions: one declaration per noun, command and query, from which every door derives its own form.

import type { ErrorCode } from '../errors.ts'
import type { Fact, Principal, Risk } from '../gate/types.ts'
import { Closed, type Fields, type Static, type TSchema, Type } from '../schema/schema.ts'
import type { CommandContext, QueryContext } from './context.ts'

type Input<F extends Fields> = Static<Type.TObject<F>>

/** Facets rename, group or hide at one door; they never add behaviour. */
export interface CliFacet {
  /** Fields that are arguments instead of options, in order; an array field takes the rest. */
  readonly positional?: readonly string[]
  /** Command path instead of the definition's name, such as `mirror`. */
  readonly as?: string
  /** A word that leads to it as well, for what has to go fast: `kill`. */
  readonly shortcut?: string
  readonly isHidden?: boolean
}

export interface HttpFacet {
  /** Resourceful path under /v1 with `{field}` parts: GET for a query, PUT for a command. */
  readonly path?: string
  /** Output field that is the entity tag of the representation (RFC 9110 section 8.8.3). */
  readonly etag?: string
  /** Input field that If-Match fills; `If-None-Match: *` fills it with 0. */
  readonly ifMatch?: string
}

interface Shared<F extends Fields, O extends TSchema> {
  readonly summary: string
  readonly input: F
  readonly output: O
  readonly errors?: readonly ErrorCode[]
  /** Of an atomic command: errors that leave the decision and its failed outcome in the log. Others leave nothing. */
  readonly recordedErrors?: readonly ErrorCode[]
  readonly risk?: Risk
  /**
   * Of a command of steps: a number that changes when the code is no longer one with which a run that is under way
   * could go on. A run that began under another one is parked.
   */
  readonly journal?: number
  /**
   * Of a command whose answer is shown once, to whoever asks and waits: what to ask instead where people would have to
   * agree first, for the answer would be lost by then. It is refused (`approvals.answer-lost`) before they are asked.
   */
  readonly answeredOnce?: (input: Input<F>) => string | undefined
  /** For what ends access or data: an atomic command that is recorded even when the queue is full of others. */
  readonly isReserved?: boolean
  /** What the action touches, as a path such as `state/ns`; default: the area of the name. */
  readonly resource?: (input: Input<F>) => string
  /** Public input fields (text, integer, boolean, list of text) that rules may speak about. */
  readonly facts?: readonly (keyof F & string)[]
  /** What it does, in the words that every rule can speak about (gate/conduct.ts). */
  readonly conduct?: Readonly<Record<string, Fact>>
  /** Of what is decided for other programs, whose deed is known by its input alone: its risk, in the place of `risk`. */
  readonly riskOf?: (input: Input<F>) => Risk | undefined
  /** As `riskOf`: words of this one deed, beside those of `conduct`. */
  readonly conductOf?: (input: Input<F>) => Readonly<Record<string, Fact>>
  /** As `riskOf`: whether nobody looks on. It makes no autonomous principal any less so. */
  readonly isAutonomous?: (input: Input<F>) => boolean
  /** As `riskOf`: who is asked for, as the first link of the chain. What roles he has, the hub knows. */
  readonly onBehalfOf?: (input: Input<F>) => Pick<Principal, 'kind' | 'id'> | undefined
  readonly cli?: CliFacet
  readonly http?: HttpFacet
}

/**
 * `atomic`: the whole effect is entries; decided, done and recorded in one commit, and run again on conflict.
 * `idempotent`: steps may repeat after a crash. `once`: a step that may have happened is never repeated.
 * `working`: as `atomic`, but its effect is working state (heartbeats, acknowledgements), so only a denial is recorded;
 * with facts beside it, it is recorded as an atomic one. An answer with private fields, which nothing would open later,
 * is not kept: the same idempotency key asks anew.
 */
export type Effect = 'atomic' | 'idempotent' | 'once' | 'working'

export interface Definition<F extends Fields = Fields, O extends TSchema = TSchema> extends Shared<F, O> {
  readonly kind: 'command' | 'query'
  /** `area.verb@major`. */
  readonly name: string
  readonly schema: Type.TObject<F>
  readonly effect?: Effect
}

export interface CommandDefinition<F extends Fields = Fields, O extends TSchema = TSchema>
  extends Definition<F, O> {
  readonly kind: 'command'
  readonly effect: Effect
  handle(handler: (ctx: CommandContext, input: Input<F>) => Static<O> | Promise<Static<O>>): CommandHandler
}

export interface QueryDefinition<F extends Fields = Fields, O extends TSchema = TSchema>
  extends Definition<F, O> {
  readonly kind: 'query'
  handle(handler: (ctx: QueryContext, input: Input<F>) => Static<O> | Promise<Static<O>>): QueryHandler
}

export interface CommandHandler {
  readonly definition: CommandDefinition
  readonly handler: (ctx: CommandContext, input: never) => unknown
}

export interface QueryHandler {
  readonly definition: QueryDefinition
  readonly handler: (ctx: QueryContext, input: never) => unknown
}

const NAME = /^[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)+@[1-9][0-9]*$/

function checkedName(name: string): string {
  if (!NAME.test(name)) throw new TypeError(`definition ${name} is not of the form area.verb@1`)
  return name
}

export function command<F extends Fields, O extends TSchema>(
  name: string,
  shared: Shared<F, O> & { readonly effect: Effect },
): CommandDefinition<F, O> {
  const definition: CommandDefinition<F, O> = {
    ...shared,
    kind: 'command',
    name: checkedName(name),
    schema: Closed(shared.input),
    handle: (handler) => ({ definition: definition as unknown as CommandDefinition, handler }),
  }
  return definition
}

export function query<F extends Fields, O extends TSchema>(
  name: string,
  shared: Shared<F, O>,
): QueryDefinition<F, O> {
  const definition: QueryDefinition<F, O> = {
    ...shared,
    risk: shared.risk ?? 'low',
    kind: 'query',
    name: checkedName(name),
    schema: Closed(shared.input),
    handle: (handler) => ({ definition: definition as unknown as QueryDefinition, handler }),
  }
  return definition
}

/** A noun: what queries answer and commands change. */
export const noun = <F extends Fields>(title: string, fields: F): Type.TObject<F> =>
  Type.Object(fields, { additionalProperties: false, title })

/** A page of a noun, and the key after which the next page starts. */
export const Page = <T extends TSchema>(
  items: T,
): Type.TObject<{ items: Type.TArray<T>; after: Type.TOptional<Type.TString> }> =>
  Type.Object(
    { items: Type.Array(items), after: Type.Optional(Type.String()) },
    { additionalProperties: false },
  )

export const PAGE_SIZE = 100
const PAGE_SIZE_MAX = 1000

/** What a list takes to be paged through. @param after what its pages answer under this name; it goes on behind that */
export const paging = <T extends TSchema>(
  after: T,
  { size = PAGE_SIZE, sizeMax = PAGE_SIZE_MAX }: { readonly size?: number; readonly sizeMax?: number } = {},
) => ({
  after: Type.Optional(after),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: sizeMax, description: `how many at most; default ${size}` }),
  ),
})

/** `state.put@1` -> `state.put`. */
export const baseName = (name: string): string => name.slice(0, name.lastIndexOf('@'))
export const areaOf = (name: string): string => name.slice(0, name.indexOf('.'))
