// Upcasting of events: a list of moves, defaults and drops by RFC 6901 pointers, applied to data of the major before.

import type { Static } from '../../kernel/schema/schema.ts'
import { isRecord } from './events.ts'
import type { Upcast } from './schemas.ts'

type Step = Static<typeof Upcast>[number]

/** Data of one major more. Pure; what a step does not find, it leaves. */
export function upcast(data: unknown, steps: readonly Step[]): unknown {
  let lifted = data
  for (const step of steps) lifted = applied(lifted, step)
  return lifted
}

function applied(data: unknown, step: Step): unknown {
  switch (step.op) {
    case 'drop':
      return without(data, partsOf(step.path))
    case 'default':
      return found(data, partsOf(step.path)) === undefined
        ? withMember(data, partsOf(step.path), step.value)
        : data
    default: {
      const from = partsOf(step.from)
      const moved = found(data, from)
      if (moved === undefined) return data
      const to = partsOf(step.to)
      const placed = withMember(without(data, from), to, moved.value)
      // Something that is no object stands on the way: better where it was than nowhere.
      return found(placed, to) === undefined ? data : placed
    }
  }
}

/** RFC 6901 section 4: `~1` before `~0`. */
const partsOf = (pointer: string): readonly string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))

function found(data: unknown, parts: readonly string[]): { readonly value: unknown } | undefined {
  let at = data
  for (const part of parts) {
    if (!isRecord(at) || !Object.hasOwn(at, part)) return undefined
    at = at[part]
  }
  return { value: at }
}

function without(data: unknown, [part, ...rest]: readonly string[]): unknown {
  if (part === undefined || !isRecord(data) || !Object.hasOwn(data, part)) return data
  const others = Object.entries(data).filter(([name]) => name !== part)
  return Object.fromEntries(rest.length === 0 ? others : [...others, [part, without(data[part], rest)]])
}

/** Objects on the way are made where nothing stands; where something else does, it stays as it is. */
function withMember(data: unknown, [part, ...rest]: readonly string[], value: unknown): unknown {
  if (part === undefined) return value
  if (data !== undefined && !isRecord(data)) return data
  const inner = data !== undefined && Object.hasOwn(data, part) ? data[part] : undefined
  const others = Object.entries(data ?? {}).filter(([name]) => name !== part)
  return Object.fromEntries([...others, [part, withMember(inner, rest, value)]])
}
