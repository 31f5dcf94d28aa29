// Reads JSON that may be of any shape: every value may be missing or of another kind.

export type Json = Readonly<Record<string, unknown>>

export const record = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}

export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

export const number = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null

export const count = (value: unknown): number => number(value) ?? 0
