// Shapes that settings share.

import { Described, Type } from '../kernel/schema/schema.ts'

const TEXT_SIZE_MAX = 4096
const NAMES_MAX = 256

export const Text = (description: string) =>
  Described(Type.String({ minLength: 1, maxLength: TEXT_SIZE_MAX }), description)

export const Names = Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: NAMES_MAX })

export const Switch = Type.Boolean()

/** Milliseconds, up to a year. */
export const Duration = (minimum: number) => Type.Integer({ minimum, maximum: 366 * 86_400_000 })

export const Count = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum })
