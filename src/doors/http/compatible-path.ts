// One row of the compatibility table: a path that older clients use, and the action or query that it leads to.

import type { IncomingHttpHeaders } from 'node:http'
import type { Static, TSchema } from '../../kernel/schema/schema.ts'

export interface CompatiblePath<B extends TSchema = TSchema, A extends TSchema = TSchema> {
  readonly method: 'GET' | 'POST'
  readonly paths: readonly [string, ...string[]]
  /** Served where the hub has this action or query; it alone decides and records. */
  readonly action: string
  readonly operationId: string
  readonly summary: string
  /** Of GET: what stands behind the question mark. */
  readonly body: B
  readonly answer: A
  readonly status: 200 | 201
  /** Renames fields, and never adds behaviour. */
  inputOf(body: Static<B>, headers: IncomingHttpHeaders): Readonly<Record<string, unknown>>
  answerOf(output: Readonly<Record<string, unknown>>, body: Static<B>): Static<A>
}

export const compatible = <B extends TSchema, A extends TSchema>(row: CompatiblePath<B, A>): CompatiblePath =>
  row as unknown as CompatiblePath
