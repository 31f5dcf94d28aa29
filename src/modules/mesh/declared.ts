// Declared types: what an event of one must look like, and how it is lifted to a later major.

import type { CommandContext, Reads } from '../../kernel/catalog/context.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Static, Type } from '../../kernel/schema/schema.ts'
import { pointerPart, type Violation } from '../../kernel/schema/schema.ts'
import type { defineType } from './actions.ts'
import { bareType, type CloudEvent, isRecord, merged } from './events.ts'
import { TypeDefined } from './facts.ts'
import { requireTypeSchema, violationsOf } from './type-schema.ts'
import { upcast } from './upcasting.ts'
import { type TypeRow, typeKey, types } from './views.ts'

const SCHEMA_MAX_CHARS = 16_384
/** Majors between that of an event and the one a subscriber asks for. */
const LIFTS_MAX = 32

type Input<D extends { readonly input: Type.TProperties }> = Static<Type.TObject<D['input']>>

export async function declareType(
  ctx: CommandContext,
  input: Input<typeof defineType>,
): Promise<Input<typeof defineType>> {
  const { schema, upcast: steps, type, major } = input
  if (JSON.stringify(schema).length > SCHEMA_MAX_CHARS)
    throw new PolityError('input.invalid', `a schema may have ${SCHEMA_MAX_CHARS} characters`)
  requireTypeSchema(schema)
  if (steps !== undefined && major === 1)
    throw new PolityError(
      'input.invalid',
      `${type} has no major before 1 that could be lifted: leave upcast out`,
    )
  ctx.record(TypeDefined(input, { subject: `mesh/${type}` }))
  return input
}

export interface Payload {
  readonly data?: unknown
  readonly privateData?: unknown
}

/**
 * The declaration, if there is one and the payload fits it. Throws `mesh.payload` with pointers, `mesh.undeclared`
 * on a strict hub.
 */
export async function requireFits(
  reads: Pick<Reads, 'get'>,
  type: string,
  payload: Payload,
  isStrict: boolean,
): Promise<TypeRow | undefined> {
  requireJoinable(type, payload)
  const { bare, major } = bareType(type)
  const declared = (await reads.get(types, typeKey(bare, major)))?.value
  if (declared === undefined) {
    if (!isStrict) return undefined
    throw new PolityError(
      'mesh.undeclared',
      `nobody has declared ${bare}@${major}: this hub takes declared types only`,
    )
  }
  const violations = [...exposed(declared, payload.data), ...violationsOf(declared.schema, whole(payload))]
  const [first] = violations
  if (first === undefined) return declared
  throw new PolityError(
    'mesh.payload',
    `the data of ${bare}@${major} does not fit: ${first.pointer || '/'} ${first.message}`,
    {
      violations,
    },
  )
}

/** Public and private data as one; an event without any is an empty object. */
export const whole = ({ data, privateData }: Payload): unknown => merged(data, privateData) ?? {}

function requireJoinable(type: string, { data, privateData }: Payload): void {
  if (data === undefined || privateData === undefined || (isRecord(data) && isRecord(privateData))) return
  throw new PolityError('mesh.payload', `${type} has data and private data: then both must be objects`, {
    violations: [{ pointer: '', message: 'must be an object beside private data' }],
  })
}

/** What must not stand in the log in the open. */
const exposed = ({ privateFields = [] }: TypeRow, data: unknown): Violation[] =>
  isRecord(data)
    ? privateFields
        .filter((name) => Object.hasOwn(data, name))
        .map((name) => ({ pointer: `/${pointerPart(name)}`, message: 'is private: send it in privateData' }))
    : []

/**
 * The event as one of a later major. Where a major between is not declared it stays as it is, and its type says so.
 */
export async function lifted(
  reads: Pick<Reads, 'get'>,
  event: CloudEvent,
  major: number,
): Promise<CloudEvent> {
  const { bare, major: from } = bareType(event.type)
  if (from >= major || major - from > LIFTS_MAX) return event
  let { data } = event
  for (let next = from + 1; next <= major; next++) {
    const declared = (await reads.get(types, typeKey(bare, next)))?.value
    if (declared?.upcast === undefined) return event
    data = upcast(data, declared.upcast)
  }
  return { ...event, type: `${bare}@${major}`, data }
}
