// How one stage of a start went.

import { Closed, Integer, type Static, Type } from '../schema/schema.ts'

export const STAGE_REASON_SIZE_MAX = 1000

export const StageReport = Closed({
  stage: Type.String({ maxLength: 128 }),
  status: Type.Union([Type.Literal('passed'), Type.Literal('failed'), Type.Literal('skipped')]),
  /** RFC 3339; absent for what was skipped. */
  startedAt: Type.Optional(Type.String()),
  durationMs: Integer,
  /** Why it failed or was skipped. */
  reason: Type.Optional(Type.String({ maxLength: STAGE_REASON_SIZE_MAX })),
})
export type StageReport = Readonly<Static<typeof StageReport>>
