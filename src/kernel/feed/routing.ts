// Which subscriptions want an entry: an index over their patterns, asked once per type.

import { KitError } from '../../kit/error.ts'
import { PatternIndex, parsePattern, type TypePattern } from '../../kit/type-pattern.ts'
import { PolityError } from '../errors.ts'
import type { Entry } from '../log/entry.ts'
import type { Subscriber } from './subscriber.ts'
import type { SubscriptionOptions } from './subscription.ts'

/** Types come from outside where entries carry events: so many answers are remembered, then all are forgotten. */
const REMEMBERED_MAX = 4096
const REMEMBERED_LENGTH_MAX = 256
const PATTERNS_PER_SUBSCRIPTION_MAX = 256

type TypeOf = NonNullable<SubscriptionOptions['typeOf']> | undefined

interface Family {
  readonly typeOf: TypeOf
  readonly index: PatternIndex<Subscriber>
  readonly remembered: Map<string, readonly Subscriber[]>
  size: number
}

export interface Routing {
  add(subscriber: Subscriber): void
  remove(subscriber: Subscriber): void
  /** `entry` is asked for only where somebody looks into it. */
  wanting(type: string, entry: () => Entry): Iterable<Subscriber>
}

export function openRouting(): Routing {
  const families = new Map<TypeOf, Family>()
  return {
    add(subscriber) {
      const { typeOf, types } = subscriber.options
      const patterns = patternsOf(types)
      const family = families.get(typeOf) ?? {
        typeOf,
        index: new PatternIndex(),
        remembered: new Map(),
        size: 0,
      }
      families.set(typeOf, family)
      for (const pattern of patterns) family.index.add(pattern, subscriber)
      family.size += 1
      family.remembered.clear()
    },
    remove(subscriber) {
      const { typeOf, types } = subscriber.options
      const family = families.get(typeOf)
      if (!family) return
      for (const pattern of patternsOf(types)) family.index.remove(pattern, subscriber)
      family.size -= 1
      family.remembered.clear()
      if (family.size === 0) families.delete(typeOf)
    },
    *wanting(type, entry) {
      for (const family of families.values())
        yield* ofFamily(family, family.typeOf === undefined ? type : ownType(family.typeOf, type, entry()))
    },
  }
}

/** Throws `input.invalid`. */
export function patternsOf(types: readonly string[]): readonly TypePattern[] {
  if (types.length === 0 || types.length > PATTERNS_PER_SUBSCRIPTION_MAX)
    throw new PolityError(
      'input.invalid',
      `a subscription has 1 to ${PATTERNS_PER_SUBSCRIPTION_MAX} patterns`,
    )
  return types.map((text) => {
    try {
      return parsePattern(text)
    } catch (error) {
      if (!(error instanceof KitError)) throw error
      throw new PolityError('input.invalid', error.message, { pattern: text.slice(0, 256) }, error)
    }
  })
}

function ofFamily({ index, remembered }: Family, type: string): readonly Subscriber[] {
  const known = remembered.get(type)
  if (known) return known
  const found = index.match(type)
  if (type.length > REMEMBERED_LENGTH_MAX) return found
  if (remembered.size >= REMEMBERED_MAX) remembered.clear()
  remembered.set(type, found)
  return found
}

/** Nothing is lost on a function that fails: the entry's own type counts. */
function ownType(typeOf: (entry: Entry) => string, type: string, entry: Entry): string {
  try {
    return typeOf(entry)
  } catch {
    return type
  }
}
